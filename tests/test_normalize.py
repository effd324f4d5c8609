"""From speakers to roles, and which side of the split a topic is on."""

from hypothesis import given
from hypothesis import strategies as st

from synth.conversation import PERSONA, USER, Conversation, Message, Transcript, Turn, from_chair
from synth.normalize.rename import rename
from synth.normalize.roles import to_conversation
from synth.normalize.split import valid_topics


def talk(*turns: Turn) -> Transcript:
    """Return a transcript of these turns."""
    return Transcript(
        id="id", category="academic", topic="ice", audience="", take=0, model="scripted/demo", turns=turns
    )


TALK = talk(Turn(USER, "why"), Turn(PERSONA, "look"), Turn(USER, "rude"), Turn(PERSONA, ""))


def test_rename_changes_the_speakers_and_nothing_else() -> None:
    """Speakers that are named get the new name; others stay, and so does all that was said."""
    named = (Turn("Student", "why"), Turn("Tim", "look"), Turn("Student", "rude"), Turn("Tim", ""))
    assert rename(TALK, {USER: "Student", PERSONA: "Tim"}) == talk(*named)
    assert rename(TALK, {"nobody": "x"}) == TALK


def test_names_can_be_exchanged() -> None:
    """Renaming is one step: a persona called `user` and a user called `persona` do not run into each other."""
    assert [turn.speaker for turn in rename(TALK, {USER: PERSONA, PERSONA: USER}).turns] == [PERSONA, USER] * 2


def test_a_talk_from_the_chair_of_the_persona() -> None:
    """The persona's turns are the assistant's, all others the user's, and silence becomes its mark."""
    assert to_conversation(TALK, PERSONA, "You are Tim.", "<silence>") == Conversation(
        "id",
        "academic",
        "ice",
        (
            Message("system", "You are Tim."),
            Message("user", "why"),
            Message("assistant", "look"),
            Message("user", "rude"),
            Message("assistant", "<silence>"),
        ),
    )


TURNS = st.lists(st.builds(Turn, st.sampled_from([USER, PERSONA]), st.text(max_size=9)), max_size=8)


@given(turns=TURNS)
def test_each_side_sees_the_other_one_as_the_user(turns: list[Turn]) -> None:
    """Both chairs show the same texts in the same order, with the roles exchanged."""
    mine, theirs = list(from_chair(turns, USER)), list(from_chair(turns, PERSONA))
    assert [message.content for message in mine] == [message.content for message in theirs] == [t.text for t in turns]
    assert all({a.role, b.role} == {"user", "assistant"} for a, b in zip(mine, theirs, strict=True))


PAIRS = st.tuples(st.sampled_from(["academic", "adulting"]), st.text(max_size=12))
SHARES = st.floats(0, 0.5)
#: Enough topics for both sides to have some by their hashes alone.
MANY = {("academic", f"topic {number}") for number in range(300)}


@given(topics=st.sets(PAIRS, max_size=12), share=SHARES)
def test_a_share_is_held_out_and_never_all(topics: set[tuple[str, str]], share: float) -> None:
    """Nothing is held out of one topic or of a share of nothing; else at least one is, and at least one is not."""
    held_out = valid_topics(topics, share)
    assert held_out <= topics
    if share == 0 or len(topics) < 2:
        assert held_out == set()
    else:
        assert 0 < len(held_out) < len(topics)


@given(topics=st.lists(PAIRS, max_size=12), share=SHARES, data=st.data())
def test_the_split_depends_on_the_set_of_topics_alone(
    topics: list[tuple[str, str]], share: float, data: st.DataObject
) -> None:
    """Order and repeats, as of many talks on one topic, change nothing: a topic is on one side only."""
    shuffled = data.draw(st.permutations(topics + topics))
    assert valid_topics(shuffled, share) == valid_topics(topics, share)


@given(more=st.sets(PAIRS, max_size=12), share=st.floats(0.05, 0.5))
def test_a_topic_stays_on_its_side_when_others_come(more: set[tuple[str, str]], share: float) -> None:
    """New topics move no old one from train to valid or back."""
    assert valid_topics(MANY | more, share) & MANY == valid_topics(MANY, share)


@given(share=st.floats(0.05, 0.5), larger=st.floats(0.05, 0.5))
def test_a_larger_share_keeps_what_a_smaller_one_holds_out(share: float, larger: float) -> None:
    """Raising the share takes topics out of train and never puts one back."""
    share, larger = sorted((share, larger))
    assert valid_topics(MANY, share) <= valid_topics(MANY, larger)


def test_the_share_is_about_what_was_asked_for() -> None:
    """A tenth of 300 topics is about 30, and the choice is the same on every machine."""
    held_out = valid_topics(MANY, 0.1)
    assert 15 < len(held_out) < 45
    assert ("academic", "topic 10") in held_out
