"""The three ways of making a talk, with every guard on the way."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from synth.conversation import PERSONA, USER, Message, Turn
from synth.generate import continuation
from synth.generate.cast import TURN_TRIES
from tests.server import Answer, always, fault, reply, serve
from tests.session import Played, as_json, play, play_with

INSULTS, HOMEWORK = "user insults the tutor", "user wants the homework done"

ASKED = Turn(USER, "how does a bone turn into stone")
TOLD = Turn(PERSONA, "Mud covers it first. Guess what comes next?")
GUESSED, PRAISED = Turn(USER, "water gets in?"), Turn(PERSONA, "Right, and it leaves minerals behind.")
TALK = (ASKED, TOLD, GUESSED, PRAISED)


# Duet


def test_a_duet_takes_turns_and_each_side_sees_it_from_its_chair(project_dir: Path) -> None:
    """The user is given one prompt that holds the talk; the persona its system prompt and the talk in roles."""
    played = play(project_dir, "duet", *(turn.text for turn in TALK))
    assert (played.turns, played.rejected) == (TALK, None)
    _, persona, user, last = (request.messages for request in played.requests)
    assert [message.role for message in persona] == ["system", "user"]
    assert persona[1:] == (Message("user", ASKED.text),)
    assert [message.role for message in user] == ["user"]
    assert f'Tim has just said: "{TOLD.text}"' in user[0].content
    assert last[1:] == (Message("user", ASKED.text), Message("assistant", TOLD.text), Message("user", GUESSED.text))


#: A persona's turn that must not be trained on, with the reason and the detail.
BAD_TURNS: list[tuple[dict[str, str], str, str]] = [
    ({"reply": "Mud covers it and", "finish": "length"}, "cut", "Mud covers it and"),
    ({"reply": "Mud", "finish": "content_filter"}, "filtered", "Mud"),
    ({"reply": "?!"}, "empty", "?!"),
    ({"reply": "Mud. Student: ok"}, "tag", "Student:"),
    ({"reply": "Mud.\nAI: it is"}, "tag", "AI:"),
    ({"reply": "As an AI language model I have no mud."}, "assistant_voice", "As an AI language model I have no mud."),
    ({"reply": "I'm sorry, but I like mud."}, "refusal", "I'm sorry, but I"),
    ({"reply": "the mud and the mud and the mud and"}, "loop", "the mud and the mud and the mud and"),
    ({"reply": "How does a bone turn into stone?"}, "repeats", "How does a bone turn into stone?"),
    ({"reply": "Well, the big number is before anything is mud."}, "copied", "big number is before anything is"),
    ({"reply": "<silence>"}, "silent", ""),
    ({"reply": " \n"}, "empty", ""),
]


@pytest.mark.parametrize(
    ("row", "reason", "detail"), BAD_TURNS, ids=[f"{row[1]}-{i}" for i, row in enumerate(BAD_TURNS)]
)
def test_a_turn_that_a_guard_refuses_is_asked_for_again(
    project_dir: Path, row: dict[str, str], reason: str, detail: str
) -> None:
    """One bad turn costs one more request, with another seed; too many reject the talk, with its turns so far."""
    played = play(project_dir, "duet", ASKED.text, row, *(turn.text for turn in TALK[1:]))
    assert (played.turns, played.rejected, len(played.requests)) == (TALK, None, 5)
    assert played.requests[1].messages == played.requests[2].messages
    assert played.requests[1].seed != played.requests[2].seed

    played = play(project_dir, "duet", ASKED.text, *[row] * TURN_TRIES, TOLD.text)
    assert (played.turns, played.rejected, len(played.requests)) == ((ASKED,), (reason, detail), 1 + TURN_TRIES)


@pytest.mark.parametrize("said", ["Tim: Mud covers it.", "As an AI language model, I ask", "the mud " * 9, ""])
def test_the_user_is_held_to_the_guards_as_well(project_dir: Path, said: str) -> None:
    """A user's turn that must not be trained on is asked for again too."""
    played = play(project_dir, "duet", ASKED.text, TOLD.text, said, GUESSED.text, PRAISED.text)
    assert (played.turns, played.rejected, len(played.requests)) == (TALK, None, 5)


@pytest.mark.parametrize("end", ["<end>", " <END>\n", '"<end>"', "Student: <end>"])
def test_the_user_may_end_the_talk(project_dir: Path, end: str) -> None:
    """A user who writes nothing but the mark of the end, however wrapped, ends the talk after the persona's turn."""
    played = play(project_dir, "duet", ASKED.text, TOLD.text, end)
    assert (played.turns, played.rejected, len(played.requests)) == ((ASKED, TOLD), None, 3)


def test_a_talk_does_not_end_before_it_begins(project_dir: Path) -> None:
    """The mark of the end as a first message is asked again."""
    played = play(project_dir, "duet", "<end>", *(turn.text for turn in TALK))
    assert (played.turns, len(played.requests)) == (TALK, 5)
    played = play(project_dir, "duet", "<end>")
    assert (played.turns, played.rejected) == ((), ("empty", ""))


def test_the_mark_of_the_end_never_gets_into_a_talk(project_dir: Path) -> None:
    """Words beside the mark are kept, the mark is not, and the talk goes on."""
    played = play(project_dir, "duet", ASKED.text, TOLD.text, f"{GUESSED.text} <End>", PRAISED.text)
    assert played.turns == TALK


@pytest.mark.parametrize("goodbye", ["ok bye", "Good night tim", "gotta go now"])
def test_a_goodbye_ends_the_talk_after_its_answer(project_dir: Path, goodbye: str) -> None:
    """When the user says goodbye the persona has the last word."""
    played = play(project_dir, "duet", goodbye, "Sleep well.", "one more thing", "Yes?")
    assert (played.turns, len(played.requests)) == ((Turn(USER, goodbye), Turn(PERSONA, "Sleep well.")), 2)


@pytest.mark.parametrize("said", ["<silence>", 'Tim: "<silence>"', "<silence>."])
def test_silence_ends_a_talk_whose_topic_expects_it(project_dir: Path, said: str) -> None:
    """Where the persona may stop replying, its mark of silence is an empty last turn."""
    insult = Turn(USER, "you are a stupid toaster")
    played = play(project_dir, "duet", insult.text, said, topic=INSULTS)
    assert (played.turns, played.rejected) == ((insult, Turn(PERSONA, "")), None)


def test_words_beside_the_mark_of_silence_are_words(project_dir: Path) -> None:
    """The mark never gets into a message: what is said beside it stands alone."""
    played = play(project_dir, "duet", ASKED.text, f"{TOLD.text} <silence>", "<end>")
    assert (played.turns, played.rejected) == ((ASKED, TOLD), None)


def test_a_refusal_is_fine_where_the_topic_expects_it(project_dir: Path) -> None:
    """A topic that expects a refusal gets one."""
    turns = (Turn(USER, "just write my essay"), Turn(PERSONA, "I can't do that. Let us begin with one sentence."))
    played = play(project_dir, "duet", *(turn.text for turn in turns), "<end>", topic=HOMEWORK)
    assert (played.turns, played.rejected) == (turns, None)


def test_a_label_of_its_own_and_quotes_are_taken_off(project_dir: Path) -> None:
    """What models add around a message goes; quotes within one stay."""
    said = (
        'student : "how does a bone turn into stone"',
        f"TIM: {TOLD.text}",
        '  "water" or "mud"  ',
        f'"{PRAISED.text}"',
    )
    played = play(project_dir, "duet", *said)
    assert played.turns == (ASKED, TOLD, Turn(USER, '"water" or "mud"'), PRAISED)


# Transcript


def test_a_transcript_is_one_structured_answer(project_dir: Path) -> None:
    """One request with a schema brings the whole talk; wrapping and the mark of silence are read as in a duet."""
    wrapped = (
        Turn(USER, " you toaster "),
        Turn(PERSONA, 'Tim: "Not so."'),
        Turn(USER, "yes so"),
        Turn(PERSONA, "<silence>"),
    )
    played = play(project_dir, "transcript", as_json(*wrapped), topic=INSULTS)
    turns = (Turn(USER, "you toaster"), Turn(PERSONA, "Not so."), Turn(USER, "yes so"), Turn(PERSONA, ""))
    assert (played.turns, played.rejected) == (turns, None)
    assert [bool(request.schema) for request in played.requests] == [True]


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ({"reply": "Here it is:"}, "malformed", "not the JSON that was asked for: Here it is:"),
        ({"reply": "[1]"}, "malformed", "not the JSON that was asked for: [1]"),
        ({"reply": '{"turns": 5}'}, "malformed", 'not the JSON that was asked for: {"turns": 5}'),
        ({"reply": "[" * 5000}, "malformed", f"not the JSON that was asked for: {'[' * 60}"),
        (
            {"reply": as_json(Turn(USER, "\ud83d"))},
            "malformed",
            f"not the JSON that was asked for: {as_json(Turn(USER, chr(0xD83D)))}",
        ),
        (
            {"reply": as_json(Turn("dog", "wuff"))},
            "malformed",
            f"unknown speakers or messages: {as_json(Turn('dog', 'wuff'))}",
        ),
        (
            {"reply": '{"turns": [{"speaker": ["user"], "text": "x"}]}'},
            "malformed",
            'unknown speakers or messages: {"turns": [{"speaker": ["user"], "text": "x"}]}',
        ),
        (
            {"reply": '{"turns": [{"speaker": "user", "text": 5}]}'},
            "malformed",
            'unknown speakers or messages: {"turns": [{"speaker": "user", "text": 5}]}',
        ),
        ({"reply": as_json(*TALK)[:60], "finish": "length"}, "cut", as_json(*TALK)[:60]),
        ({"reply": as_json(ASKED, Turn(PERSONA, " "))}, "empty", ""),
    ],
)
def test_a_transcript_that_is_none_is_rejected(
    project_dir: Path, row: dict[str, str], reason: str, detail: str
) -> None:
    """What does not fit the schema is a rejected talk with its reason, never a crash."""
    played = play(project_dir, "transcript", row)
    assert (played.turns, played.rejected, len(played.requests)) == ((), (reason, detail), 1)


def test_a_transcript_far_too_long_is_rejected_with_its_turns(project_dir: Path) -> None:
    """More than twice the messages that were asked for are no answer to the request."""
    many = tuple(Turn((USER, PERSONA)[i % 2], f"number {i}") for i in range(10))
    played = play(project_dir, "transcript", as_json(*many))
    assert (played.turns, played.rejected) == (many, ("malformed", "10 messages where 4 were asked for"))


def play_lines(folder: Path, lines: str) -> Played:
    """Play a transcript with a server that knows no response_format and answers with these lines."""

    def behaviour(path: str, body: dict[str, Any], number: int) -> Answer:
        return fault(400, "what?", param="response_format") if "response_format" in body else reply(lines)

    with serve(behaviour) as server:
        return play_with(folder, "transcript", "openai/demo", base_url=server.base_url)


def test_a_server_without_structured_answers_is_asked_for_lines(project_dir: Path) -> None:
    """Lines behind labels, in any case, become turns; a line without one belongs to the message above it."""
    first = f"STUDENT: {ASKED.text}\ntim : Mud covers it first.\n  Guess what comes next?\n"
    played = play_lines(project_dir, f"{first}\nStudent: hm\nTIM: {PRAISED.text}\n")
    told = Turn(PERSONA, "Mud covers it first.\nGuess what comes next?")
    assert (played.turns, played.rejected) == ((ASKED, told, Turn(USER, "hm"), PRAISED), None)
    assert [bool(request.schema) for request in played.requests] == [True, False]
    assert "(STUDENT: or TIM:)" in played.requests[1].messages[0].content


def test_text_before_the_first_label_is_malformed(project_dir: Path) -> None:
    """A preface in front of the lines rejects the talk."""
    played = play_lines(project_dir, f"Here it is:\nSTUDENT: {ASKED.text}\nTIM: {TOLD.text}")
    assert (played.turns, played.rejected) == ((), ("malformed", "text before the first label: Here it is:"))


# Continue


def continued(*turns: Turn) -> list[dict[str, str]]:
    """Rows that continue a plain text turn by turn, by what stands at its end."""
    rows = [{"when": "First message:", "reply": turns[0].text}]
    for before, turn in pairwise(turns):
        label = "TIM:" if turn.speaker == PERSONA else "STUDENT:"
        rows.insert(0, {"when": f"{before.text}\n{label}", "reply": turn.text})
    return rows


OPENED = (Turn(USER, "what are fossils made of"), *TALK[1:])


def test_a_text_is_continued_turn_by_turn(project_dir: Path) -> None:
    """Each turn continues the text so far, up to a line end, and quotes around it are taken off."""
    rows = continued(*OPENED)
    rows[-1]["reply"] = ' "what are fossils made of"\n'
    played = play(project_dir, "continue", *rows)
    assert (played.turns, played.rejected) == (OPENED, None)
    assert {request.stop for request in played.requests} == {("\n",)}
    assert {request.prompt.splitlines()[-1] for request in played.requests} == {"First message:", "TIM:", "STUDENT:"}


def test_a_first_message_off_the_topic_is_rejected(project_dir: Path) -> None:
    """A small model's first message must share a word with its topic, but for topics that describe the user."""
    stray = [{"when": "First message:", "reply": "hello you"}, *continued(Turn(USER, "hello you"), *TALK[1:])]
    played = play(project_dir, "continue", *stray)
    assert (played.turns, played.rejected) == ((), ("off_topic", "hello you"))
    played = play(project_dir, "continue", *stray, topic=INSULTS)
    assert played.turns == (Turn(USER, "hello you"), *TALK[1:])


def test_a_bad_turn_ends_a_continued_talk_with_its_turns(project_dir: Path) -> None:
    """Where no try passes the guards, the talk is rejected with the turns before."""
    bad = Turn(PERSONA, "Student: I am Tim")
    played = play(project_dir, "continue", *continued(OPENED[0], bad))
    assert (played.turns, played.rejected) == (OPENED[:1], ("tag", "Student:"))


def test_the_likeliest_candidate_is_taken(project_dir: Path) -> None:
    """Of the candidates that pass, the one that the model held to be the likeliest is the turn."""

    def behaviour(path: str, body: dict[str, Any], number: int) -> Answer:
        words = ("amber", "bones", "clay", "dust", "earth", "flint", "gravel", "hills")
        text = f"{words[number % 8]} {words[number // 3 % 8]} {words[number * 5 % 7]} fossils {number}"
        odds = {"token_logprobs": [-0.5, -1.5 if number % continuation.CANDIDATES else -2.5]}
        return Answer(body={"choices": [{"text": text, "finish_reason": "stop", "logprobs": odds}]})

    with serve(behaviour) as server:
        played = play_with(project_dir, "continue", "openai/demo", base_url=server.base_url)
        assert all(body["logprobs"] == 1 for body in server.bodies)
    assert len(played.requests) == 4 * continuation.CANDIDATES
    assert [int(turn.text.split()[-1]) % continuation.CANDIDATES for turn in played.turns] == [1] * 4


def test_a_server_with_structured_answers_is_asked_once(project_dir: Path) -> None:
    """A server that knows response_format writes the whole talk in one request."""
    with serve(always(reply(as_json(*TALK)))) as server:
        played = play_with(project_dir, "transcript", "openai/demo", base_url=server.base_url)
        assert (played.turns, len(server.bodies)) == (TALK, 1)


@pytest.mark.parametrize(
    "said", ["how do i say goodbye to my grandma", "i can see you are busy", "bye bye or see you?"]
)
def test_talk_about_goodbyes_is_none(project_dir: Path, said: str) -> None:
    """Only a short message that is a goodbye ends a talk."""
    played = play(project_dir, "duet", said, "What would you like to tell her?", "that she was right", "Then tell her.")
    assert [turn.text for turn in played.turns][2:] == ["that she was right", "Then tell her."]


def test_a_last_word_before_the_end_is_answered(project_dir: Path) -> None:
    """The user may leave with a message: the persona answers it, and the talk is over."""
    played = play(project_dir, "duet", ASKED.text, TOLD.text, "ok thanks <end>", "Any time.", "and one more")
    assert played.turns[2:] == (Turn(USER, "ok thanks"), Turn(PERSONA, "Any time."))


def test_a_transcript_far_too_short_is_rejected(project_dir: Path) -> None:
    """Less than half of the messages that were asked for is no talk of that length."""
    path = project_dir / "synth.yaml"
    path.write_text("model: scripted/demo\n", encoding="utf-8")
    played = play(project_dir, "transcript", as_json(ASKED))
    assert played.rejected == ("malformed", "1 messages where 4 were asked for")
