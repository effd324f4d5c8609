"""A run: what is played, in which order, how often, and what is left when something goes wrong."""

import asyncio
import json
import random
from collections import Counter
from pathlib import Path

import pytest

from synth.conversation import PERSONA, USER, Turn
from synth.errors import InputError, SetupError
from synth.generate.ask import Meter
from synth.generate.run import Progress, Queue, Run
from synth.providers.base import Provider, Reply, Request, Traits
from synth.store import Failure, Reject
from tests.server import BROKEN, busy, fault, in_turn, serve, talk
from tests.session import GOOD, TURNS, Session, as_json, nothing

NO_TALK = {"reply": "Sure!"}
REFUSED = {"error": "refused", "reply": "not this one"}


class Shuffled:
    """A provider that answers as another one does, each request some turns of the loop later."""

    def __init__(self, inner: Provider, seed: int) -> None:
        self._inner = inner
        self._draw = random.Random(seed)

    @property
    def traits(self) -> Traits:
        """The other one's."""
        return self._inner.traits

    async def complete(self, request: Request) -> Reply:
        """Answer later."""
        for _ in range(self._draw.randrange(9)):
            await asyncio.sleep(0)
        return await self._inner.complete(request)

    async def close(self) -> None:
        """Close the other one."""
        await self._inner.close()


def counts(session: Session) -> Counter[str]:
    """Count accepted talks by category."""
    return Counter(made.transcript.category for made in session.made())


def test_the_queue_draws_evenly_and_replaces_what_is_given_back(project_dir: Path) -> None:
    """The category with least is next each time; what came to nothing is replaced by the next of its category."""
    plan = Session(project_dir, model="scripted/demo").plan
    queue = Queue(plan, 4, set(), set(), [])
    first = [queue.take() for _ in range(4)]
    groups = plan.by_category()
    assert first == [groups["academic"][0], groups["adulting"][0], groups["adversarial"][0], groups["academic"][1]]
    assert (queue.take(), queue.total) == (None, 4)
    queue.give_back(groups["adulting"][0])
    assert (queue.take(), queue.take()) == (groups["adulting"][1], None)


def test_the_queue_knows_what_is_done_and_closed(project_dir: Path) -> None:
    """Accepted scenarios count for their category; those and the ones given up before are not drawn again."""
    plan = Session(project_dir, model="scripted/demo").plan
    groups = plan.by_category()
    done, closed = ({scenario.id for scenario in groups[name]} for name in ("adulting", "adversarial"))
    queue = Queue(plan, 100, done, closed, [])
    drawn = [queue.take() for _ in range(len(groups["academic"]) + 1)]
    assert drawn == [*groups["academic"], None]
    assert queue.total == len(groups["academic"]) + len(done)


@pytest.mark.parametrize(("wanted", "expected"), [(3, (1, 1, 1)), (8, (3, 3, 2)), (None, (8, 3, 3)), (99, (8, 3, 3))])
def test_n_means_n_accepted_drawn_evenly(project_dir: Path, wanted: int | None, expected: tuple[int, ...]) -> None:
    """N talks are accepted, as evenly from the categories as they can give; without N every scenario is played."""
    session = Session(project_dir, GOOD)
    progress = session.run(wanted)
    assert tuple(counts(session)[name] for name in ("academic", "adulting", "adversarial")) == expected
    assert (progress.wanted, progress.accepted, progress.meter.calls) == (sum(expected),) * 3


def test_n_counts_all_runs(project_dir: Path) -> None:
    """A run with a greater N makes the difference; one with the same N asks nothing, not even the store."""
    session = Session(project_dir, GOOD)
    assert session.run(4).meter.calls == 4
    again = session.run(4)
    assert (again.before, again.accepted, again.meter.calls, again.meter.from_store) == (4, 4, 0, 0)
    more = session.run(6)
    assert (more.before, more.accepted, more.meter.calls, len(session.made())) == (4, 6, 2, 6)


def test_what_is_made_is_stored_whole(project_dir: Path) -> None:
    """An accepted talk is stored with its scenario, what made it and its attempt; a rejected one with its reason."""
    wrong = (Turn(USER, "one"), Turn(USER, "two"))
    session = Session(project_dir, NO_TALK, {"reply": as_json(*wrong)}, GOOD)
    progress = session.run(1)
    scenario = session.plan.scenarios[0]
    head = (scenario.category, scenario.topic, scenario.made_with["model"])
    order = "user and persona must take turns and the persona have the last word"
    assert session.rejects() == [
        Reject(scenario.id, 0, *head, "malformed", "not the JSON that was asked for: Sure!", ()),
        Reject(scenario.id, 1, *head, "malformed", order, wrong),
    ]
    (made,) = session.made()
    assert (made.attempt, made.made_with, made.transcript.turns) == (2, dict(scenario.made_with), TURNS)
    assert made.transcript.id == scenario.id
    assert (progress.rejected, progress.reasons, progress.given_up) == (2, Counter({"malformed": 2}), 0)


def test_what_is_given_up_is_replaced_within_its_category(project_dir: Path) -> None:
    """After so many attempts the next scenario of the category is played; later runs leave out what was given up."""
    session = Session(project_dir, NO_TALK, NO_TALK, GOOD, attempts=2)
    progress = session.run(1)
    first, second = session.plan.by_category()["academic"][:2]
    assert (progress.given_up, progress.rejected, progress.accepted) == (1, 2, 1)
    assert [made.transcript.id for made in session.made()] == [second.id]
    session.script(GOOD)
    everything = session.run()
    assert first.id not in {made.transcript.id for made in session.made()}
    assert everything.accepted == everything.wanted == len(session.plan.scenarios) - 1


def test_a_failure_is_recorded_and_played_again_by_the_next_run(project_dir: Path) -> None:
    """A refused request fails its talk and another one takes its place; the next run goes on at the same attempt."""
    session = Session(project_dir, NO_TALK, REFUSED, GOOD)
    progress = session.run(1)
    first = session.plan.scenarios[0]
    failure = Failure(first.id, first.category, first.topic, first.made_with["model"], "not this one")
    assert (session.failures(), progress.failed, progress.last_error) == ([failure], 1, "not this one")
    assert (progress.accepted, len(session.made())) == (1, 1)
    session.script(GOOD)
    session.run()
    assert (session.failures(), len(session.made())) == ([], len(session.plan.scenarios))
    assert {made.attempt for made in session.made() if made.transcript.id == first.id} == {1}


def test_failures_in_a_row_end_the_run(project_dir: Path) -> None:
    """Three failures in a row are no accident: a set-up error with the last one; they are all on record."""
    session = Session(project_dir, GOOD, REFUSED, REFUSED, REFUSED, GOOD)
    with pytest.raises(SetupError) as caught:
        session.run()
    assert str(caught.value) == "3 talks in a row failed; the last: not this one"
    assert (len(session.made()), len(session.failures())) == (1, 3)


@pytest.mark.parametrize("between", [GOOD, NO_TALK])
def test_failures_that_are_not_in_a_row_end_nothing(project_dir: Path, between: dict[str, str]) -> None:
    """A talk that was made between two failures, even a rejected one, shows that the model answers."""
    session = Session(project_dir, REFUSED, REFUSED, between, GOOD)
    progress = session.run()
    assert (progress.failed, progress.accepted) == (len(session.failures()), len(session.made()))
    assert progress.failed > 3


def test_a_set_up_error_ends_the_run_and_keeps_what_was_answered(project_dir: Path) -> None:
    """A refused key ends the run; the next run takes every reply that was paid for from the store."""
    with serve(lambda path, body, number: talk(path, body, number) if number < 6 else fault(401, "no")) as server:
        session = Session(project_dir, model="openai/demo", base_url=server.base_url, turns={"min": 4, "max": 4})
        with pytest.raises(SetupError, match=r"refused the key \(status 401\): no$"):
            session.run(2)
        assert len(session.made()) == 1
    with serve(talk) as server:
        session.settings["base_url"] = server.base_url
        progress = session.run(2)
        assert (progress.accepted, progress.meter.from_store, progress.meter.calls) == (2, 2, 2)


def test_all_workers_end_when_one_cannot_go_on(project_dir: Path) -> None:
    """A template that cannot be rendered ends a run of many workers with its one line."""
    (project_dir / "prompts" / "user.j2").write_text("{{ nonsense }}", encoding="utf-8")
    session = Session(project_dir, concurrency=8)
    with pytest.raises(InputError, match=r"user\.j2:1: template: 'nonsense' is undefined"):
        session.run()
    assert session.made() == []


def test_a_new_topic_is_played_first_and_alone_where_n_is_reached(project_dir: Path) -> None:
    """A topic that is new since the last run gets one talk though N is reached; the run after it makes none."""
    session = Session(project_dir, GOOD)
    session.run(3)
    before = session.made()
    session.add_topic("why bread rises")
    progress = session.run(3)
    new = [made for made in session.made() if made not in before]
    assert [made.transcript.topic for made in new] == ["why bread rises"]
    assert (progress.wanted, progress.accepted, progress.meter.calls) == (4, 4, 1)
    assert session.run(3).meter.calls == 0


def test_a_new_topic_is_played_before_all_others(project_dir: Path) -> None:
    """Where N is not reached, the new topic still comes first, and the run says which one it is."""
    session = Session(project_dir, GOOD)
    session.run(1)
    session.add_topic("why bread rises")
    announced: list[list[str]] = []

    def watch(run: Run, progress: Progress) -> None:
        announced.append([topic.text for topic in run.fresh])

    session.watch = watch
    session.run(2)
    assert (announced[0], len(session.made())) == (["why bread rises"], 2)
    assert "why bread rises" in session.topics()


def test_a_new_topic_whose_talk_failed_stays_new(project_dir: Path) -> None:
    """A failure is no play: the next run plays the new topic first again."""
    session = Session(project_dir, GOOD)
    session.run(3)
    session.add_topic("why bread rises")
    session.script(REFUSED)
    assert session.run(3).failed == 1
    session.script(GOOD)
    session.run(3)
    assert "why bread rises" in session.topics()


def test_a_new_topic_that_is_given_up_is_no_longer_new(project_dir: Path) -> None:
    """A new topic that no attempt brought a talk of is not forced on the next run."""
    session = Session(project_dir, GOOD, attempts=2)
    session.run(3)
    session.add_topic("why bread rises")
    session.script(NO_TALK)
    assert session.run(3).given_up == 1
    assert session.run(3).meter == Meter()
    assert len(session.rejects()) == 2


def test_the_order_of_the_replies_changes_nothing(project_dir: Path, tmp_path: Path) -> None:
    """Runs with one worker and with many, whose replies come in any order, store the same talks."""
    results = []
    for seed, concurrency in ((0, 1), (1, 16), (2, 5)):
        session = Session(project_dir, concurrency=concurrency, data=str(tmp_path / f"data-{seed}"))
        session.wrap = lambda provider, seed=seed: Shuffled(provider, seed)  # type: ignore[misc] # the loop's value is bound
        session.run(9)
        results.append(session.made())
    assert len(results[0]) == 9
    assert results[0] == results[1] == results[2]


def test_a_stop_ends_the_run_and_the_next_one_goes_on(project_dir: Path, tmp_path: Path) -> None:
    """A run that is stopped and gone on with stores what one in a single go does; no reply is asked for twice."""
    whole = Session(project_dir, concurrency=4, data=str(tmp_path / "whole"))
    calls = whole.run().meter.calls
    session = Session(project_dir, concurrency=4, data=str(tmp_path / "stopped"))

    def watch(run: Run, progress: Progress) -> None:
        if progress.meter.calls >= 5:
            run.stop.set()

    session.watch = watch
    stopped = session.run()
    assert 5 <= stopped.meter.calls < calls
    assert stopped.failed == 0
    session.watch = nothing
    assert stopped.meter.calls + session.run().meter.calls == calls
    assert session.made() == whole.made()


def test_a_real_server_that_falters_is_played_to_the_end(project_dir: Path) -> None:
    """Over a wire, with limits and faults on the way, every talk is made and none of the faults is a failure."""
    with serve(in_turn(busy(), busy(0.01), BROKEN)) as server:
        session = Session(project_dir, model="openai/demo", base_url=server.base_url, concurrency=4)
        progress = session.run(6)
    assert (progress.accepted, progress.failed, progress.meter.retries) == (6, 0, 3)


def test_two_models_play_the_two_sides(project_dir: Path) -> None:
    """With a user model of its own, the user's turns come from it and the persona's from the other."""
    for name, said in (("persona", "Start with {}."), ("user", "why {} then?")):
        rows = [{"reply": said.format(thing)} for thing in ("a bone", "some mud", "water", "time")]
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (project_dir / f"{name}.jsonl").write_text(text, encoding="utf-8")
    models = {"model": f"scripted/{project_dir}/persona.jsonl", "user_model": f"scripted/{project_dir}/user.jsonl"}
    session = Session(project_dir, **models, turns={"min": 2, "max": 2})
    session.run(1)
    turns = (Turn(USER, "why a bone then?"), Turn(PERSONA, "Start with a bone."))
    (made,) = session.made()
    assert (made.transcript.turns, made.made_with["user model"]) == (turns, models["user_model"])


def test_rejects_in_a_row_end_the_run(project_dir: Path) -> None:
    """A model whose every talk is refused is not paid for the whole plan; what was rejected is on record."""
    session = Session(project_dir, NO_TALK)
    with pytest.raises(SetupError) as caught:
        session.run(1)
    assert str(caught.value) == (
        "20 talks in a row were rejected (malformed 20); before more are paid for, look at the prompts: "
        "synth plan --show 1"
    )
    assert len(session.rejects()) == 20


def test_what_was_asked_for_is_not_what_can_be_had(project_dir: Path) -> None:
    """More than there are scenarios can be asked for, and what was given up before is known."""
    session = Session(project_dir, NO_TALK, NO_TALK, GOOD, attempts=2)
    assert session.run(99).asked == 99
    session.script(NO_TALK)
    again = session.run()
    assert (again.asked, again.closed, again.meter.calls) == (14, again.closed, 0)
    assert again.wanted == 14 - again.closed


def test_the_user_model_is_part_of_what_a_talk_is(project_dir: Path) -> None:
    """Wherever the user's side is played by a model of its own, the talk is another one."""
    for mode, differs in (("duet", True), ("continue", True), ("transcript", False)):
        plain = Session(project_dir, model="scripted/demo", mode=mode).plan
        other = Session(project_dir, model="scripted/demo", mode=mode, user_model="openai/x").plan
        assert (plain.scenarios[0].id != other.scenarios[0].id) is differs


def test_the_same_files_make_the_same_talks(project_dir: Path) -> None:
    """A persona named by another path to it changes no id."""
    plain = Session(project_dir, model="scripted/demo").plan
    for path in ("./prompts/../prompts/tim.yaml", str(project_dir.resolve() / "prompts" / "tim.yaml")):
        assert Session(project_dir, model="scripted/demo", persona=path).plan == plain


def test_a_training_prompt_that_is_wrong_is_known_before_anything_is_played(project_dir: Path) -> None:
    """Only a build needs system.j2, and a plan already says what is wrong with it."""
    (project_dir / "prompts" / "system.j2").write_text("{{ persona.nam }}\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        assert Session(project_dir, model="scripted/demo").plan
    assert "system.j2:1: template: " in str(caught.value)
