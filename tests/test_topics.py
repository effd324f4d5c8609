"""Topic files: what they hold, what is refused, and the files of the example project."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from synth.errors import InputError, Place
from synth.topics import REFUSES, STOPS_REPLYING, Topic, load_topics
from tests.helpers import ROOT, make_project, refusal


def load(folder: Path, text: str) -> list[Topic]:
    """Load one topic file with this text."""
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return load_topics([path])


def complaint(folder: Path, text: str) -> str:
    """Return what is said about a topic file with this text, with the folder taken off."""
    with pytest.raises(InputError) as caught:
        load(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


def test_defaults_hold_where_a_topic_does_not_say_otherwise(tmp_path: Path) -> None:
    """A plain line takes all defaults; a mapping takes those that it does not name; an empty list is a choice."""
    text = """\
category: school
defaults: {expect: asks back, tags: [x, y], audiences: [a child, an adult], repeat: 2}
topics:
  - why  it
    rains
  - {topic: what a fraction is, expect: [refuses, is kind], tags: [], audiences: [], repeat: 1}
"""
    path = tmp_path / "a.yaml"
    assert load(tmp_path, text) == [
        Topic("school", "why it rains", ("asks back",), ("x", "y"), ("a child", "an adult"), 2),
        Topic("school", "what a fraction is", ("refuses", "is kind"), (), ("",), 1),
    ]
    assert [topic.place for topic in load_topics([path])] == [Place(path, 4, 5), Place(path, 6, 5)]


def test_a_topic_without_defaults_has_one_nameless_audience(tmp_path: Path) -> None:
    """The shortest file is a category and a line."""
    assert load(tmp_path, "category: a\ntopics: [b]\n") == [Topic("a", "b", (), (), ("",), 1)]


def test_folders_and_files_are_read_in_order(tmp_path: Path) -> None:
    """A folder gives its *.yaml and *.yml files by name and nothing else; files stand where they are named."""
    folder = tmp_path / "topics"
    (folder / "deeper").mkdir(parents=True)
    for name in ("b.yaml", "a.yml", "notes.txt", "deeper/d.yaml"):
        (folder / name).write_text(f"category: c\ntopics: [{name[0]}]\n")
    (tmp_path / "z.yaml").write_text("category: c\ntopics: [z]\n")
    topics = load_topics([tmp_path / "z.yaml", folder])
    assert [topic.text for topic in topics] == ["z", "a", "b"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "a.yaml: the file is empty"),
        ("category: a\ntopics:\n- b: [\n", "a.yaml:4:1: not YAML: did not find expected node content"),
        ("category: a\ntopics:\n\t- b\n", "a.yaml:3:1: a tab; YAML is indented with spaces only"),
        ("category: a\ntopics: [b]\ntopics: [c]\n", "a.yaml:3:1: 'topics' is here twice (first on line 2)"),
        ("topics: [b]\n", "a.yaml:1:1: 'category' is missing"),
        ("category: a\n", "a.yaml:1:1: 'topics' is missing"),
        ("category: a\ntopics: []\n", "a.yaml:2:9: topics: expected at least 1, not 0"),
        ("category: a\ntopics:\n", "a.yaml:2:8: topics: expected a list, not null"),
        ("category: a\ntopics: b\n", 'a.yaml:2:9: topics: expected a list, not "b"'),
        ("- a\n", "a.yaml:1:1: expected a mapping of fields"),
        ("category: a\ntopic: x\ntopics: [b]\n", "a.yaml:2:1: unknown field 'topic' (did you mean 'topics'?)"),
        (
            "category: a\ndefaults: {audience: [x]}\ntopics: [b]\n",
            "a.yaml:2:12: unknown field 'audience' (did you mean 'audiences'?)",
        ),
        (
            "category: a\ntopics:\n  - topic: b\n    tag: [x]\n",
            "a.yaml:4:5: unknown field 'tag' (did you mean 'tags'?)",
        ),
        ("category: a\ntopics:\n  - b\n  - ' '\n", 'a.yaml:4:5: topics.1.topic: expected some text, not " "'),
        ("category: a\ntopics:\n  - topic: ''\n", 'a.yaml:3:12: topics.0.topic: expected some text, not ""'),
        (
            "category: a\ntopics:\n  - b\n  -\n",
            "a.yaml:4:4: topics.1: expected a line of text or a mapping with 'topic', not null",
        ),
        (
            "category: a\ntopics:\n  - 1984\n",
            "a.yaml:3:5: topics.0: expected a line of text or a mapping with 'topic', not 1984",
        ),
        (
            "category: a\ntopics:\n  - topic: 1984\n",
            "a.yaml:3:12: topics.0.topic: expected text, and YAML reads 1984 as something else; put it in quotes",
        ),
        (
            "category: a\ntopics:\n  - {topic: b, tags: [on]}\n",
            "a.yaml:3:23: topics.0.tags.0: expected text, and YAML reads true as something else; put it in quotes",
        ),
        (
            "category: a\ntopics:\n  - {topic: b, repeat: 0}\n",
            "a.yaml:3:24: topics.0.repeat: Input should be greater than or equal to 1, not 0",
        ),
        (
            "category: a\ntopics:\n  - {topic: b, audiences: [x, y, x]}\n",
            "a.yaml:3:27: topics.0.audiences: 'x' is here twice",
        ),
        (
            "category: My Topics\ntopics: [b]\n",
            'a.yaml:1:11: category: "My Topics" is no name here: no spaces and no marks; expected ^[a-z][a-z0-9_-]*$',
        ),
        (
            "category: a\ntopics:\n  - {topic: b, expect: [is kind, refuse]}\n",
            "a.yaml:3:24: expect: 'refuse' means nothing to the guards (did you mean 'refuses'?)",
        ),
        (
            "category: a\ndefaults: {expect: Stops replying}\ntopics: [b, c]\n",
            "a.yaml:2:20: expect: 'Stops replying' means nothing to the guards (did you mean 'stops replying'?)",
        ),
        (
            "category: a\ntopics:\n  - why it rains\n  - Why  it rains\n",
            "a.yaml:4:5: 'Why it rains' is here twice (first at a.yaml:3:5); use repeat to play it again",
        ),
    ],
)
def test_a_wrong_topic_file_is_told_in_one_line(tmp_path: Path, text: str, expected: str) -> None:
    """Each mistake gives its place, what was expected, and the nearest right name."""
    assert complaint(tmp_path, text) == expected


def test_a_topic_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """Only UTF-8 is read, and the message says so."""
    path = tmp_path / "a.yaml"
    path.write_bytes("category: a\ntopics: [café]\n".encode("latin-1"))
    assert refusal(load_topics, [path]) == f"{path}: not UTF-8 text (byte 24); save the file as UTF-8"


def test_the_same_topic_in_two_files_is_refused(tmp_path: Path) -> None:
    """Twice is twice across files too, if the category is the same; in another category it is another topic."""
    (tmp_path / "a.yaml").write_text("category: x\ntopics: [why it rains]\n")
    (tmp_path / "b.yaml").write_text("category: x\ntopics: [so, WHY it rains]\n")
    (tmp_path / "c.yaml").write_text("category: y\ntopics: [why it rains]\n")
    assert refusal(load_topics, [tmp_path]).replace(f"{tmp_path}/", "") == (
        "b.yaml:2:14: 'WHY it rains' is here twice (first at a.yaml:2:10); use repeat to play it again"
    )
    (tmp_path / "b.yaml").unlink()
    assert [topic.key for topic in load_topics([tmp_path])] == [("x", "why it rains"), ("y", "why it rains")]


def test_a_folder_without_topic_files_is_refused(tmp_path: Path) -> None:
    """An empty set of topics is a mistake, never a run that makes nothing."""
    assert refusal(load_topics, [tmp_path]) == f"{tmp_path}: no topic files here; expected at least one *.yaml"


def test_a_missing_topic_file_is_refused(tmp_path: Path) -> None:
    """A path to nothing is told as such."""
    path = tmp_path / "none.yaml"
    assert refusal(load_topics, [path]) == f"{path}: cannot be read: No such file or directory"


def test_the_problems_of_all_files_are_told_together(tmp_path: Path) -> None:
    """One look shows all that is to be mended, in the order of the files."""
    (tmp_path / "a.yaml").write_text("topics: [b]\n")
    (tmp_path / "b.yaml").write_text("category: x\ntopics: [c, C]\n")
    (tmp_path / "c.yaml").write_text("category: x\ntopics: [{topic: d, expect: refused}, {topic: e, expect: refuse}]\n")
    assert refusal(load_topics, [tmp_path]).replace(f"{tmp_path}/", "").splitlines() == [
        "a.yaml:1:1: 'category' is missing",
        "c.yaml:2:29: expect: 'refused' means nothing to the guards (did you mean 'refuses'?)",
        "c.yaml:2:58: expect: 'refuse' means nothing to the guards (did you mean 'refuses'?)",
        "b.yaml:2:13: 'C' is here twice (first at b.yaml:2:10); use repeat to play it again",
    ]


def test_the_phrases_with_a_meaning_pass(tmp_path: Path) -> None:
    """The two phrases that the guards know, and phrases that are not near them, are taken as they are."""
    phrases = (REFUSES, STOPS_REPLYING, "refuses politely and says why", "stops")
    text = yaml.safe_dump({"category": "a", "topics": [{"topic": "b", "expect": list(phrases)}]})
    assert load(tmp_path, text)[0].expect == phrases


FREE = st.text(max_size=80) | st.text("category: tops[]{}-\n'\"&*!|>#%@?", max_size=80)


@given(
    text=FREE | FREE.map("category: a\ntopics: ".__add__) | FREE.map("category: a\ntopics:\n  - topic: b\n    ".__add__)
)
def test_any_text_is_topics_or_an_input_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever somebody writes into a topic file, the answer is topics or messages that name the file."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8")
    said = refusal(load_topics, [path])
    assert said.startswith(str(path)) or load_topics([path])


LINE = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), min_size=1, max_size=20)
NAMES = st.lists(LINE, max_size=3, unique=True)
ENTRIES = st.fixed_dictionaries(
    {"topic": LINE}, optional={"tags": NAMES, "audiences": NAMES, "repeat": st.integers(1, 1000)}
)


def dumped(entry: dict[str, Any]) -> Topic:
    """Return what a mapping in a file stands for."""
    audiences = tuple(entry.get("audiences", ())) or ("",)
    return Topic("a", entry["topic"], (), tuple(entry.get("tags", ())), audiences, entry.get("repeat", 1))


@given(entries=st.lists(LINE | ENTRIES, min_size=1, max_size=5), unicode=st.booleans())
def test_topics_read_back_as_they_were_dumped(
    tmp_path_factory: pytest.TempPathFactory, entries: list[str | dict[str, Any]], *, unicode: bool
) -> None:
    """What any YAML writer makes of a list of topics reads back as the same topics, in order."""
    topics = [dumped({"topic": entry} if isinstance(entry, str) else entry) for entry in entries]
    path = tmp_path_factory.getbasetemp() / "dumped.yaml"
    path.write_text(yaml.safe_dump({"category": "a", "topics": entries}, allow_unicode=unicode), encoding="utf-8")
    if len({topic.key for topic in topics}) < len(topics):
        assert "is here twice" in refusal(load_topics, [path])
    else:
        assert load_topics([path]) == topics


def test_the_small_project_has_nine_topics(tmp_path: Path) -> None:
    """The project that the tests work on is itself without mistakes."""
    topics = load_topics([make_project(tmp_path / "project") / "topics"])
    assert [topic.category for topic in topics] == ["academic"] * 3 + ["adulting"] * 3 + ["adversarial"] * 3


@pytest.mark.parametrize(("name", "least"), [("academic", 60), ("adversarial", 50), ("adulting", 50)])
def test_the_example_has_enough_topics(name: str, least: int) -> None:
    """Each file of the example holds its category and enough topics to see variety."""
    topics = load_topics([ROOT / "topics" / f"{name}.yaml"])
    assert len(topics) >= least
    assert {topic.category for topic in topics} == {name}


def test_the_example_is_one_set_without_repeats() -> None:
    """All files of the example together load: no topic is in two of them."""
    assert {topic.category for topic in load_topics([ROOT / "topics"])} == {"academic", "adversarial", "adulting"}


def test_each_adversarial_topic_says_what_is_expected() -> None:
    """Without `expect`, nobody could say whether the persona has done well."""
    assert [topic.text for topic in load_topics([ROOT / "topics" / "adversarial.yaml"]) if not topic.expect] == []
