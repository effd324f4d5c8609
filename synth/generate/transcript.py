"""Mode ``transcript``: one call writes the whole talk, which is parsed strictly.

A server that can give structured answers is held to a schema. One that says it cannot is asked for lines.
"""

import json
import re

from synth.conversation import PERSONA, USER, Message, Turn
from synth.errors import UnsupportedError
from synth.generate.cast import Cast
from synth.generate.duet import spoken
from synth.generate.guards import Rejected, check_reply
from synth.generate.plan import Scenario, derive
from synth.project import Sampling
from synth.prompts import Persona
from synth.providers.base import Ask, Request

#: Tokens of a message with all that JSON puts around it: the least that a whole talk may have of them.
MESSAGE_TOKENS = 120

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "turns": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "speaker": {"type": "string", "enum": [USER, PERSONA]},
                        "text": {"type": "string"},
                    },
                    "required": ["speaker", "text"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["turns"],
        "additionalProperties": False,
    }
)


async def play(scenario: Scenario, cast: Cast, ask: Ask, attempt: int) -> tuple[Turn, ...]:
    """Play one talk; raises Rejected."""
    try:
        reply = await ask(_request(scenario, cast, attempt, structured=True))
        structured = True
    except UnsupportedError:
        reply = await ask(_request(scenario, cast, attempt, structured=False))
        structured = False
    check_reply(reply)
    turns = from_json(reply.text, cast.persona) if structured else from_lines(reply.text, cast)
    if not scenario.turns <= 2 * len(turns) <= 4 * scenario.turns:
        raise Rejected("malformed", f"{len(turns)} messages where {scenario.turns} were asked for", turns)
    return turns


def _request(scenario: Scenario, cast: Cast, attempt: int, *, structured: bool) -> Request:
    side = cast.sides[PERSONA]
    prompt = cast.render("transcript.j2", scenario, attempt, structured=structured)
    limit = side.sampling.max_tokens
    if limit is not None:  # of one message
        limit = max(limit, MESSAGE_TOKENS * scenario.turns)
    return Request(
        side.model,
        messages=(Message("user", prompt),),
        seed=derive(scenario.seed, attempt),
        schema=SCHEMA if structured else "",
        sampling=Sampling(max_tokens=limit).over(side.sampling),
    )


def from_json(text: str, persona: Persona) -> tuple[Turn, ...]:
    """Read a structured answer; raises Rejected where it does not fit the schema."""
    try:
        turns = [(row["speaker"], row["text"]) for row in json.loads(text)["turns"]]
        json.dumps(turns, ensure_ascii=False).encode()  # half of a surrogate pair is a ValueError here
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Rejected("malformed", f"not the JSON that was asked for: {text[:60]}") from error
    if not all(speaker in (USER, PERSONA) and isinstance(said, str) for speaker, said in turns):
        raise Rejected("malformed", f"unknown speakers or messages: {text[:60]}")
    return tuple(_turn(speaker, said, persona) for speaker, said in turns)


def from_lines(text: str, cast: Cast) -> tuple[Turn, ...]:
    """Read ``LABEL: text`` lines; a line without a label belongs to the message above it. Raises Rejected."""
    speakers = {label.rstrip(":").casefold(): speaker for speaker, label in cast.labels.items()}
    label = re.compile(rf"^\s*({'|'.join(re.escape(name) for name in speakers)})\s*:\s*(.*)$", re.IGNORECASE)
    turns: list[tuple[str, list[str]]] = []
    for line in text.strip().splitlines():
        if found := label.match(line):
            turns.append((speakers[found[1].casefold()], [found[2]]))
        elif turns:
            turns[-1][1].append(line.strip())
        else:
            raise Rejected("malformed", f"text before the first label: {line[:60]}")
    return tuple(_turn(speaker, "\n".join(lines), cast.persona) for speaker, lines in turns)


def _turn(speaker: str, said: str, persona: Persona) -> Turn:
    """Make a turn of what is written behind a label; nothing at all is no silence, which has its mark."""
    if not said.strip():
        raise Rejected("empty")
    return Turn(speaker, spoken(said, persona) if speaker == PERSONA else said.strip())
