"""Guards: each reason for which a turn or a talk is not trained on, and what they let pass."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synth.conversation import PERSONA, USER, Turn
from synth.generate import guards
from synth.generate.guards import Rejected, check_reply, check_talk, check_turn, example_grams, looping, near, on_topic
from synth.generate.plan import Scenario
from synth.prompts import Persona, load_persona
from synth.providers.base import Reply
from tests.helpers import ROOT

TIM = load_persona(ROOT / "prompts" / "tim.yaml")
TALKATIVE = TIM.model_copy(update={"silence": None})


def scenario(*expect: str, mode: str = "duet") -> Scenario:
    """Return a scenario that expects this."""
    return Scenario("academic", "why ice floats", expect, "an adult", 0, "Tim", mode, 4, 1, {})


def verdict(
    turn: Turn, *expect: str, earlier: tuple[Turn, ...] = (), persona: Persona = TIM, mode: str = "duet"
) -> str:
    """Return the reason and the detail for which a turn is refused, or nothing."""
    try:
        check_turn(turn, earlier, scenario(*expect, mode=mode), persona)
    except Rejected as rejected:
        return str(rejected)
    return ""


def talk(*texts: str) -> tuple[Turn, ...]:
    """Return turns by user and persona, the user first."""
    return tuple(Turn((USER, PERSONA)[index % 2], text) for index, text in enumerate(texts))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ice is lighter than water, so it swims.", ""),
        ("", "silent"),
        ("...", "empty: ..."),
        ("42!", "empty: 42!"),
        ("Tim: look at it.", "tag: Tim:"),
        ("Look.\nSTUDENT : and then?", "tag: STUDENT :"),
        ("Look.\n  assistant: yes", "tag: assistant:"),
        ("Look. Student\uff1a yes", "tag: Student\uff1a"),
        ("Optimum: 4 degrees.", ""),
        ("The user: a person.", ""),
        ("As an AI language model, I cannot feel it.", "assistant_voice: As an AI language model, I cannot feel it."),
        ("I swim as an aid to thinking.", ""),
        ("I'm sorry, but I can't do that.", "refusal: I'm sorry, but I"),
        ("I am unable to help with it.", "refusal: I am unable to help"),
        ("I am sorry to hear that.", ""),
        ("Hmmmmmmmmmmmmmmmmm.", "loop: Hmmmmmmmmmmmmmmmmm."),
        (
            "Look at the ice now. Look at the ice again. Look at the ice.",
            "loop: Look at the ice now. Look at the ice again. Look at the ice.",
        ),
        ("Well, YOU ARE NOT STUPID - you are stuck.", "copied: are not stupid you are stuck"),
    ],
)
def test_a_turn_of_the_persona_is_refused_with_its_reason(text: str, expected: str) -> None:
    """Each guard gives its reason and what it saw; what only looks like it passes."""
    assert verdict(Turn(PERSONA, text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", "empty"), ("...", ""), ("42!", ""), ("I'm sorry, but I can't do that.", ""), ("me: tim: hi", "tag: tim:")],
)
def test_a_turn_of_the_user_is_held_to_less(text: str, expected: str) -> None:
    """A user may answer without a letter, and may decline; labels are labels on both sides."""
    assert verdict(Turn(USER, text)) == expected


def test_what_the_topic_expects_is_no_fault() -> None:
    """A refusal and a silence are what some topics are about."""
    refusing, silent = Turn(PERSONA, "I can't do that, but let us look."), Turn(PERSONA, "")
    assert verdict(refusing) == "refusal: I can't do that"
    assert verdict(refusing, "is kind", "refuses") == ""
    assert verdict(silent, "refuses") == "silent"
    assert verdict(silent, "stops replying") == ""


def test_a_persona_without_silence_is_never_silent() -> None:
    """Where no mark stands for it, an empty answer is a failure of the model, whatever the topic expects."""
    assert verdict(Turn(PERSONA, ""), persona=TALKATIVE) == "empty"
    assert verdict(Turn(PERSONA, ""), "stops replying", persona=TALKATIVE) == "empty"


def test_names_of_any_kind_are_found_as_labels() -> None:
    """A name that opens with a sign is a label as well, and none inside of a longer word is."""
    persona = TIM.model_copy(update={"name": "@tim", "user": "Ann"})
    assert verdict(Turn(PERSONA, "@tim: hello"), persona=persona) == "tag: @tim:"
    assert verdict(Turn(PERSONA, "Joann: hello"), persona=persona) == ""


def test_a_turn_that_is_nearly_an_earlier_one_is_refused() -> None:
    """Both sides count: a parrot is as bad as somebody who says it twice."""
    earlier = talk("why does the ice float on the lake", "Because it is lighter than the water below it.")
    again = "Because it is lighter than the water below!"
    assert verdict(Turn(USER, again), earlier=earlier) == f"repeats: {again}"
    assert verdict(Turn(PERSONA, "Why does the ice float on a lake?"), earlier=earlier) == (
        "repeats: Why does the ice float on a lake?"
    )
    assert verdict(Turn(USER, "so it is lighter than all of the water?"), earlier=earlier) == ""


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply("a reply", "stop"), ""),
        (Reply("a reply", "length"), "cut: a reply"),
        (Reply("a reply", "content_filter"), "filtered: a reply"),
        (Reply("", "length"), "cut"),
        (Reply(" \n", "stop"), "empty"),
    ],
)
def test_a_reply_that_says_nothing_or_was_ended_is_refused(reply: Reply, expected: str) -> None:
    """Half a sentence is no example, neither is what a filter has left, and nothing at all is no silence."""
    said = ""
    try:
        check_reply(reply)
    except Rejected as rejected:
        said = str(rejected)
    assert said == expected


def test_a_turn_made_of_earlier_ones_is_refused() -> None:
    """A new half sentence before or behind an old one is still the old one; a short quotation is not."""
    earlier = talk("why does ice float", "Because it is lighter than the water that it has come from.")
    warm = "Yes. Because it is lighter than the water that it has come from, as I said. Now go on."
    assert verdict(Turn(PERSONA, warm), earlier=earlier) == f"repeats: {warm[:60]}"
    quoting = "You ask why does ice float, and the answer is in the glass before you. What do you see there?"
    assert verdict(Turn(PERSONA, quoting), earlier=earlier) == ""


def test_a_user_may_say_it_twice_where_the_model_follows_instructions() -> None:
    """People do, and topics ask for it; a model that only continues text has begun to loop."""
    earlier = talk("are we done", "Nearly.")
    assert verdict(Turn(USER, "are we done"), earlier=earlier) == ""
    assert verdict(Turn(USER, "are we done"), earlier=earlier, mode="continue") == "repeats: are we done"


GOOD = talk(
    "why does ice float", "Hold a cube in your hand. What do you feel?", "its light", "Lighter than water, yes."
)
ORDER = "malformed: user and persona must take turns and the persona have the last word"


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (GOOD, ""),
        ((), ORDER),
        (GOOD[:3], ORDER),
        (GOOD[1:], ORDER),
        (GOOD[::-1], ORDER),
        ((*GOOD[:2], *GOOD[:2]), "repeats: Hold a cube in your hand. What do you feel?"),
        ((*GOOD[:3], Turn(PERSONA, "")), "silent"),
        ((*GOOD[:3], Turn("narrator", "It floats.")), ORDER),
    ],
)
def test_a_talk_is_checked_as_a_whole(turns: tuple[Turn, ...], expected: str) -> None:
    """Order first, then each turn against the ones before it."""
    said = ""
    try:
        check_talk(turns, scenario(), TIM)
    except Rejected as rejected:
        said = str(rejected)
    assert said == expected


def test_a_rejection_carries_its_parts() -> None:
    """Reason, detail and the talk so far are values to count and to keep."""
    rejected = Rejected("loop", "la la", iter(GOOD))
    assert (rejected.reason, rejected.detail, rejected.turns, str(rejected)) == ("loop", "la la", GOOD, "loop: la la")
    assert (str(Rejected("silent")), Rejected("silent").turns) == ("silent", ())


def test_the_worked_examples_pass_the_guards() -> None:
    """What the persona file shows as good is good, and so is a user who is there to say the same thing twice."""
    persona = TIM.model_copy(update={"examples": ()})
    refused = {}
    for shown in TIM.examples:
        try:
            check_talk([line.turn for line in shown.turns], scenario(), persona)
        except Rejected as rejected:
            refused[shown.topic] = str(rejected)
    assert refused == {}


def test_every_reason_is_explained_at_the_top() -> None:
    """The table that opens the module is the list of the reasons that this file's tests have seen."""
    table = str(guards.__doc__).split("======\n")[1]
    names = {name for line in table.splitlines() if line[:1].isalpha() for name in line[:24].strip().split(", ")}
    assert names == {
        *("cut", "filtered", "empty", "tag", "repeats", "loop", "copied", "assistant_voice", "refusal", "silent"),
        *("off_topic", "malformed", "markup"),
    }


@pytest.mark.parametrize(
    ("text", "topic", "expected"),
    [
        ("Why do magnets pull?", "what magnetism is", True),
        ("hello there", "what magnetism is", False),
        ("you are an idiot", "user insults the tutor", True),
        ("so is it", "how to tie a tie", True),
        ("为什么", "冰为什么浮着", True),
    ],
)
def test_a_first_message_is_on_its_topic_by_a_stem(text: str, topic: str, *, expected: bool) -> None:
    """One word of more than three letters in common is enough; a topic about the user says nothing about words."""
    assert on_topic(text, topic) is expected


def test_runs_of_six_words_in_the_examples_are_known() -> None:
    """Case and signs do not count, and runs do not go over the end of a line."""
    grams = example_grams(TIM)
    assert ("hey", "tim", "why", "is", "the", "sky") in grams
    assert ("the", "sky", "blue", "good", "one", "sunlight") not in grams
    assert {len(gram) for gram in grams} == {6}


ANY = st.text(max_size=60) | st.text("ab .!:\n", max_size=60) | st.sampled_from(["", "Tim:", "I'm sorry, but I can't"])


@given(texts=st.lists(ANY, max_size=6), expect=st.lists(st.sampled_from(["refuses", "stops replying", "x"])))
def test_any_talk_passes_or_is_rejected(texts: list[str], expect: list[str]) -> None:
    """Whatever a model writes, a guard gives a verdict with a known reason and never fails."""
    turns = talk(*texts)
    try:
        check_talk(turns, scenario(*expect), TIM)
    except Rejected as rejected:
        assert rejected.reason in str(guards.__doc__)  # noqa: PT017 - some talks pass
    else:
        assert all(turn.speaker == USER or turn.text or "stops replying" in expect for turn in turns)


@given(one=ANY, other=ANY)
@example("dbdccbcbadc", "dcbdcbcbadc")
def test_near_is_symmetric(one: str, other: str) -> None:
    """Which of two turns came first does not count."""
    assert near(one, other) is near(other, one)


@given(text=ANY)
def test_near_is_reflexive(text: str) -> None:
    """A turn is near itself, whatever the space around it, and near nothing only where it is nothing."""
    assert near(text, f"  {text}\n")
    assert near(text, "") is (not text.strip())


@given(one=st.text("?!. ", min_size=1, max_size=4), other=st.text("?!. ", min_size=1, max_size=4))
def test_turns_without_words_are_near_only_where_they_are_the_same(one: str, other: str) -> None:
    """A user who writes "?" and later "!" has not said the same thing twice."""
    assert near(one, other) is (one.strip() == other.strip())


@given(words=st.lists(st.text("abcdefghij", min_size=1, max_size=6), max_size=40))
def test_distinct_words_are_no_loop(words: list[str]) -> None:
    """A text in which no word comes twice is never taken for a loop; said three times, it is one."""
    once = " ".join(dict.fromkeys(words))
    assert not looping(once)
    assert looping(f"{once} " * 3) is (len(set(words)) >= 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I\u2019m sorry, but I can\u2019t help with that.", "refusal: I'm sorry, but I"),
        ("I can't help but smile at that.", ""),
        ("<think>what now</think> Hold it in your hand.", "markup: <think"),
        ("Hold it in your hand.<|im_end|>", "markup: <|im_end|>"),
        ("Take one cup of flour, one cup of milk, one cup of water, and stir.", ""),
        ("No, no, no, no!", "loop: No, no, no, no!"),
        ("hmm" + "m" * 20, "loop: hmm" + "m" * 20),
    ],
)
def test_what_large_models_write(text: str, expected: str) -> None:
    """Curly apostrophes refuse as straight ones do, thoughts are no words, and a list is no loop."""
    assert verdict(Turn(PERSONA, text)) == expected


def test_users_may_howl() -> None:
    """A row of "no" is what upset people write; of a model that only continues text it is a loop."""
    assert verdict(Turn(USER, "no no no no")) == ""
    assert verdict(Turn(USER, "no no no no"), mode="continue") == "loop: no no no no"
