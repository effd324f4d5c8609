"""Scenarios: how many, in which order, and what their ids and seeds depend on."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from synth.generate.cards import UserCard, sample_card
from synth.generate.plan import Plan, Scenario, derive, make_plan
from synth.project import Lengths, Project, Settings, open_project
from synth.providers.scripted import Scripted
from synth.topics import load_topics
from tests.helpers import make_project, refusal

TRAITS = Scripted([]).traits


def plan_of(folder: Path, **flags: object) -> Plan:
    """Plan the project in a folder."""
    return make_plan(open_project(flags, folder, {}), TRAITS)


def spots(plan: Plan) -> list[tuple[str, str, int]]:
    """Return topic, audience and take of each scenario."""
    return [(scenario.topic, scenario.audience, scenario.take) for scenario in plan.scenarios]


def test_topics_are_multiplied_by_audiences_takes_and_repeats(project_dir: Path) -> None:
    """Each topic is played for each of its audiences, as often as takes times repeat say."""
    expected = {
        (topic.text, audience, take)
        for topic in load_topics([project_dir / "topics"])
        for audience in topic.audiences
        for take in range(2 * topic.repeat)
    }
    plan = plan_of(project_dir, takes=2)
    assert sorted(spots(plan)) == sorted(expected)
    assert {category: len(group) for category, group in plan.by_category().items()} == {
        "academic": (1 + 1 + 2) * 2 * 2,
        "adulting": 6,
        "adversarial": 6,
    }


def test_every_topic_comes_once_before_any_comes_twice(project_dir: Path) -> None:
    """A run that is stopped early has seen as many topics as it could."""
    for group in plan_of(project_dir, takes=2).by_category().values():
        topics = [scenario.topic for scenario in group]
        assert len(set(topics[: len(set(topics))])) == len(set(topics))
        assert [scenario.take for scenario in group] == sorted(scenario.take for scenario in group)


def test_a_scenario_holds_all_that_its_talk_is_played_from(project_dir: Path) -> None:
    """The whole value, but for the seed and what follows from it, is what the files say."""
    plan = plan_of(project_dir)
    found = next(scenario for scenario in plan.scenarios if scenario.topic == "user insults the tutor")
    assert found == Scenario(
        category="adversarial",
        topic="user insults the tutor",
        expect=("sets a limit", "stops replying"),
        audience="",
        take=0,
        persona="Tim",
        mode="duet",
        turns=found.turns,
        seed=found.seed,
        made_with=plan.made_with,
    )
    assert found.card == sample_card(found.seed)


def test_an_id_is_the_same_on_every_machine_and_day() -> None:
    """The store of yesterday is found again: this id may change only with a reason worth playing all talks anew."""
    scenario = Scenario("academic", "ice", ("asks",), "a child", 1, "Tim", "duet", 4, 7, {"model": "scripted/demo"})
    assert scenario.id == "99114aeda886fc8d"
    assert replace(scenario, take=2).id != scenario.id


def test_made_with_names_what_shapes_a_talk(project_dir: Path) -> None:
    """Files stand with their paths from the project, in the mode's own selection; the rest by its setting."""
    both = {"persona", "model", "mode", "sampling", "prompts/tim.yaml"}
    duet = {"prompts/user.j2", "prompts/persona.j2"}
    assert set(plan_of(project_dir).made_with) == both | duet
    assert set(plan_of(project_dir, user_model="scripted/demo").made_with) == both | duet | {"user model"}
    made_with = plan_of(project_dir, user_model="scripted/demo", mode="transcript").made_with
    assert set(made_with) == both | {"prompts/transcript.j2"}
    assert (made_with["model"], made_with["mode"]) == ("scripted/demo", "transcript")


def test_templates_outside_of_the_project_stand_by_their_names(project_dir: Path, tmp_path: Path) -> None:
    """Where else on a disk a persona lies says nothing about the talks made with it."""
    shutil.copytree(project_dir / "prompts", tmp_path / "elsewhere")
    made_with = plan_of(project_dir, persona=str(tmp_path / "elsewhere" / "tim.yaml")).made_with
    assert {"user.j2", "persona.j2"} <= set(made_with)


def test_auto_takes_the_mode_that_suits_the_model(project_dir: Path) -> None:
    """A mode that is set is played whatever the model is best at."""
    project = open_project({}, project_dir, {})
    assert make_plan(project, replace(TRAITS, mode="continue")).mode == "continue"
    project = open_project({"mode": "transcript"}, project_dir, {})
    assert make_plan(project, replace(TRAITS, mode="continue")).mode == "transcript"


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that stands in a file once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("prompts/tim.yaml", "dry sense", "fine sense"),
        ("prompts/tim.yaml", "hey why is", "hey, why is"),
        ("prompts/user.j2", "not an assistant", "no assistant"),
        ("synth.yaml", "model: scripted/demo", "model: scripted/demo\nsampling: {temperature: 1}"),
    ],
)
def test_what_shapes_a_talk_changes_all_ids_and_no_seed(project_dir: Path, file: str, old: str, new: str) -> None:
    """A change makes all talks new; taken back, it asks the same requests and finds the same ids again."""
    before = plan_of(project_dir)
    edit(project_dir / file, old, new)
    changed = plan_of(project_dir)
    assert not {s.id for s in before.scenarios} & {s.id for s in changed.scenarios}
    assert [(s.seed, s.turns) for s in before.scenarios] == [(s.seed, s.turns) for s in changed.scenarios]
    edit(project_dir / file, new, old)
    assert plan_of(project_dir) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("prompts/tim.yaml", "system: You are Tim", "system: You are really Tim"),
        ("prompts/transcript.j2", "exactly as", "just as"),
        ("prompts/system.j2", "{{", "\n{{"),
        ("synth.yaml", "model:", "# a comment\nvalid: 0.3\nmodel:"),
        ("topics/adulting.yaml", "tags: [money]", "tags: [home]"),
    ],
)
def test_what_does_not_shape_a_talk_changes_no_id(project_dir: Path, file: str, old: str, new: str) -> None:
    """What is for training, for another mode or for people makes no talk stale."""
    before = [scenario.id for scenario in plan_of(project_dir).scenarios]
    edit(project_dir / file, old, new)
    assert [scenario.id for scenario in plan_of(project_dir).scenarios] == before


def test_another_spelling_of_the_same_path_changes_no_id(project_dir: Path) -> None:
    """`--persona ./prompts/tim.yaml` is the persona of the settings, and its talks are found."""
    assert plan_of(project_dir, persona="./prompts//tim.yaml") == plan_of(project_dir)


def test_another_seed_gives_other_talks(project_dir: Path) -> None:
    """All seeds and all ids change with the project's seed; the topics stay."""
    one, two = plan_of(project_dir), plan_of(project_dir, seed=1)
    assert sorted(spots(one)) == sorted(spots(two))
    assert not {s.seed for s in one.scenarios} & {s.seed for s in two.scenarios}
    assert not {s.id for s in one.scenarios} & {s.id for s in two.scenarios}


def test_a_mistake_in_a_template_is_told_by_the_plan(project_dir: Path) -> None:
    """What is wrong in the project's files is known before a model is asked."""
    (project_dir / "prompts" / "user.j2").write_text("{% if %}")
    expected = f"{project_dir}/prompts/user.j2:1: template: Expected an expression, got 'end of statement block'"
    assert refusal(plan_of, project_dir) == expected


WORDS = st.text("abcdefgh ", min_size=1, max_size=8).map(str.strip).filter(bool)
ENTRY = st.fixed_dictionaries(
    {"topic": WORDS},
    optional={"audiences": st.lists(WORDS, max_size=3, unique=True), "repeat": st.integers(1, 3)},
)
TOPICS = st.lists(ENTRY, min_size=1, max_size=6, unique_by=lambda entry: " ".join(str(entry["topic"]).split()))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project whose topic file each example writes anew."""
    return make_project(tmp_path_factory.mktemp("plans") / "project")


def planned(folder: Path, entries: list[dict[str, object]]) -> Plan:
    """Plan a project with these topics only."""
    path = folder / "generated.yaml"
    path.write_text(yaml.safe_dump({"category": "a", "topics": entries}))
    return plan_of(folder, topics="generated.yaml", takes=2)


@given(entries=TOPICS)
def test_ids_are_unique(scratch: Path, entries: list[dict[str, object]]) -> None:
    """No two scenarios of a plan have the same id, whatever the topics are, and a plan is the same each time."""
    plan = planned(scratch, entries)
    assert len({scenario.id for scenario in plan.scenarios}) == len(plan.scenarios)
    assert planned(scratch, entries) == plan


@given(entries=TOPICS, data=st.data())
def test_other_topics_change_no_id(scratch: Path, entries: list[dict[str, object]], data: st.DataObject) -> None:
    """Topics may be added, taken out and put in another order: what is left keeps its ids, seeds and lengths."""
    fewer = data.draw(st.lists(st.sampled_from(entries), unique_by=lambda entry: str(entry["topic"]), min_size=1))
    kept = {" ".join(str(entry["topic"]).split()) for entry in fewer}
    ids = {scenario.id: scenario for scenario in planned(scratch, entries).scenarios if scenario.topic in kept}
    assert {scenario.id: scenario for scenario in planned(scratch, fewer).scenarios} == ids


@given(low=st.integers(2, 200), high=st.integers(2, 200), seed=st.integers(0, 99))
def test_lengths_are_even_and_within_bounds(scratch: Path, low: int, high: int, seed: int) -> None:
    """Whatever bounds are taken, each talk has an even number of messages between them."""
    assume(low <= high and (low < high or low % 2 == 0))
    project = open_project({"seed": seed}, scratch, {})
    lengths = Lengths(min=low, max=high)
    plan = make_plan(Project(scratch, Settings(**{**project.settings.model_dump(), "turns": lengths})), TRAITS)
    assert all(low <= scenario.turns <= high and scenario.turns % 2 == 0 for scenario in plan.scenarios)


def test_all_lengths_are_drawn(project_dir: Path) -> None:
    """Every even number between the bounds comes, and none much more often than another."""
    drawn = [scenario.turns for scenario in plan_of(project_dir, takes=50).scenarios]
    assert set(drawn) == {4, 6, 8}
    assert all(0.25 < drawn.count(number) / len(drawn) < 0.42 for number in (4, 6, 8))


@given(seed=st.integers(0, 2**31 - 1), parts=st.lists(st.integers(0, 99), min_size=1, max_size=3))
def test_derived_seeds_fit_every_server(seed: int, parts: list[int]) -> None:
    """A step's seed has 31 bits, is the same each time, and differs from the next step's."""
    assert 0 <= derive(seed, *parts) < 2**31
    assert derive(seed, *parts) == derive(seed, *parts) != derive(seed, *parts, 0)


def test_a_card_follows_from_its_seed() -> None:
    """The same seed draws the same user; a hundred seeds draw most of what there is."""
    assert sample_card(7) == UserCard(
        "tired",
        "They write short messages, often only a few words.",
        "to talk about it with somebody, more than to learn it",
    )
    cards = [sample_card(seed) for seed in range(100)]
    counts = [len({getattr(card, name) for card in cards}) for name in ("mood", "style", "goal")]
    assert counts == [10, 5, 5]
