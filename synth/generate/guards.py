"""What must not be trained on: mechanical checks of a turn and of a whole talk, each with a reason code.

======================  ===============================================================================
cut, filtered           the server ended the reply before its end
empty                   no text, or a persona's turn without a letter
tag                     a speaker's label inside a turn, in any script's colon
markup                  a thought or a mark of a chat template that has got into the text
repeats                 a turn that is nearly an earlier one, or says half of what was said before again
loop                    one phrase over and over inside a turn
copied                  six words in a row from a worked example
assistant_voice         "as an AI language model" and its kin
refusal                 the persona declines, and the topic does not expect it
silent                  the persona does not answer, and the topic does not expect it
off_topic               a first message that shares no word with its topic (``continue`` mode only)
malformed               a transcript that is not one: wrong order, wrong labels, no JSON
======================  ===============================================================================
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from synth.conversation import PERSONA, USER, Turn
from synth.generate.plan import Scenario
from synth.prompts import Persona
from synth.providers.base import Reply
from synth.topics import REFUSES, STOPS_REPLYING

_COLONS = ":\uff1a\ufe55\ufe13\u02d0\ua789\u2236\u0589"  # incl. full-width, small, vertical, modifier, ratio, Armenian
_GENERIC = ("user", "assistant", "system", "human", "ai", "bot", "tutor", "student", "topic", "first message")
_AI = re.compile(
    r"\bas an? (ai|artificial intelligence|(large )?language model)\b|\b(ai|large) language model\b", re.IGNORECASE
)
_REFUSAL = re.compile(
    r"\b(i('m| am)? ?sorry,? but i\b|i can(no|')?t (help\b(?! but)|(assist|do that|discuss|continue|provide|comply)\b)"
    r"|i('m| am) (not able|unable) to (help|assist|discuss|provide|comply)\b|i (must|have to) decline\b)",
    re.IGNORECASE,
)
_CURLY = "\u2019"  # the apostrophe that large models write
_MARKUP = re.compile(r"</?think\b|<\|\w+\|>|\[/?INST\]|</?s>", re.IGNORECASE)
_WORD = re.compile(r"\w+")
COPIED_WORDS = 6


class Rejected(Exception):  # noqa: N818 - a verdict, not an error
    """A talk that must not be trained on: the reason to count by, what was seen, and the talk so far."""

    def __init__(self, reason: str, detail: str = "", turns: Iterable[Turn] = ()) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.turns = tuple(turns)


def check_reply(reply: Reply) -> None:
    """Refuse a reply that says nothing, or that the server ended."""
    if reply.finish == "length":
        raise Rejected("cut", reply.text[-60:])
    if reply.finish == "content_filter":
        raise Rejected("filtered", reply.text[:60])
    if not reply.text.strip():
        raise Rejected("empty")


def check_turn(turn: Turn, earlier: Sequence[Turn], scenario: Scenario, persona: Persona) -> None:
    """Refuse a turn that must not be trained on; raises Rejected."""
    text = turn.text
    if turn.silent and turn.speaker == PERSONA and persona.silence:
        if STOPS_REPLYING in scenario.expect:
            return
        raise Rejected("silent")
    if not text or (turn.speaker == PERSONA and not any(character.isalpha() for character in text)):
        raise Rejected("empty", text)
    for reason, pattern in (("tag", _tag(persona)), ("markup", _MARKUP)):
        if found := pattern.search(text):
            raise Rejected(reason, found[0].strip())
    if _AI.search(text):
        raise Rejected("assistant_voice", text[:60])
    if (
        turn.speaker == PERSONA
        and REFUSES not in scenario.expect
        and (found := _REFUSAL.search(text.replace(_CURLY, "'")))
    ):
        raise Rejected("refusal", found[0])
    _check_repeats(turn, earlier, scenario)
    if copied := _grams(text) & example_grams(persona):
        raise Rejected("copied", " ".join(min(copied)))


def _check_repeats(turn: Turn, earlier: Sequence[Turn], scenario: Scenario) -> None:
    # People do say a thing twice, and topics ask for it; a model that only continues text has then begun to loop.
    may_repeat = turn.speaker == USER and scenario.mode != "continue"
    if looping(turn.text) or (monotone(turn.text) and not may_repeat):
        raise Rejected("loop", turn.text[:60])
    others = [other.text for other in earlier if not (may_repeat and other.speaker == USER)]
    if any(near(turn.text, other) for other in others) or warmed_up(turn.text, others):
        raise Rejected("repeats", turn.text[:60])


def check_talk(turns: Sequence[Turn], scenario: Scenario, persona: Persona) -> None:
    """Refuse a whole talk: its order first, then turn by turn; raises Rejected."""
    expected = [USER, PERSONA] * (len(turns) // 2)
    if not turns or [turn.speaker for turn in turns] != expected:
        raise Rejected("malformed", "user and persona must take turns and the persona have the last word")
    for index, turn in enumerate(turns):
        check_turn(turn, turns[:index], scenario, persona)


def near(one: str, other: str) -> bool:
    """Whether two turns say the same in nearly the same words."""
    a, b = sorted(" ".join(_words(text)) for text in (one, other))  # sorted: difflib's ratio depends on the order
    if a == b:
        return bool(a) or one.strip() == other.strip()
    if abs(len(a) - len(b)) > 0.3 * max(len(a), len(b)):
        return False
    match = difflib.SequenceMatcher(None, a, b, autojunk=False)
    return match.quick_ratio() > 0.85 and match.ratio() > 0.85


def warmed_up(text: str, others: Iterable[str]) -> bool:
    """Whether more than half of a longer turn was said before, in runs of four words."""
    own = _grams(text, 4)
    said = {gram for other in others for gram in _grams(other, 4)}
    return len(own) > 4 and len(own & said) > len(own) / 2


def looping(text: str) -> bool:
    """Whether one phrase comes over and over."""
    words = _words(text)
    if len(words) >= 8 and len(set(words)) < 0.4 * len(words):
        return True
    grams = Counter(tuple(words[i : i + 4]) for i in range(len(words) - 3))
    return bool(grams) and grams.most_common(1)[0][1] >= 3


def monotone(text: str) -> bool:
    """Whether it is one word, or one letter, over and over."""
    words = _words(text)
    return (len(words) >= 4 and len(set(words)) == 1) or bool(re.search(r"(\w)\1{14,}", text))


def on_topic(text: str, topic: str) -> bool:
    """Whether a first message shares the stem of a word with its topic.

    Nothing can be said, and it passes, where the topic describes the user ("user insults the tutor"), has only short
    words, or is in a script that is not cut into words here.
    """
    said = {word[:5] for word in _words(text)}
    telling = [word[:5] for word in _words(topic) if len(word) > 3]
    return topic.casefold().startswith("user ") or not telling or not topic.isascii() or bool(said & set(telling))


@lru_cache(maxsize=8)
def _tag(persona: Persona) -> re.Pattern[str]:
    own = "|".join(re.escape(name) for name in (persona.name, persona.user))
    generic = "|".join(_GENERIC)
    return re.compile(rf"(?<!\w)(?:{own})\s*[{_COLONS}]|^\W*(?:{generic})\s*[{_COLONS}]", re.IGNORECASE | re.MULTILINE)


@lru_cache(maxsize=8)
def example_grams(persona: Persona) -> frozenset[tuple[str, ...]]:
    """All runs of six words in the worked examples."""
    return frozenset(gram for example in persona.examples for line in example.turns for gram in _grams(line.turn.text))


def _grams(text: str, length: int = COPIED_WORDS) -> frozenset[tuple[str, ...]]:
    words = _words(text)
    return frozenset(tuple(words[i : i + length]) for i in range(len(words) - length + 1))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
