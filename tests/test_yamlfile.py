"""Reading YAML files: what is refused, and where the complaint points."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.errors import InputError, Place, nearest
from synth.yamlfile import Strict, parse, place_of, read, read_value
from tests.helpers import refusal


class Leaf(Strict):
    """A mapping in a list in a mapping."""

    colour: str = ""


class Tree(Strict):
    """The smallest model with all that complaints are about."""

    name: str
    size: int = 1
    leaves: tuple[Leaf, ...] = ()


def complaint(folder: Path, content: str | bytes) -> str:
    """Return what is said about a file with this content, with the folder taken off."""
    path = folder / "tree.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as caught:
        read(path, Tree)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "tree.yaml: the file is empty"),
        ("# only a comment\n", "tree.yaml: the file is empty"),
        ("name: [a\n", "tree.yaml:2:1: not YAML: did not find expected ',' or ']'"),
        ("name: a: b\n", "tree.yaml:1:8: not YAML: mapping values are not allowed in this context"),
        ("name: *nobody\n", "tree.yaml:1:7: not YAML: found undefined alias"),
        (
            "name: a\n---\nname: b\n",
            "tree.yaml:2:1: not YAML: expected a single document in the stream, but found another document",
        ),
        ("name: a\nleaves:\n\t- {}\n", "tree.yaml:3:1: a tab; YAML is indented with spaces only"),
        ("leaves:\n  - colour: a\n\t  x: y\n", "tree.yaml:3:1: a tab; YAML is indented with spaces only"),
        ("name: a\tb: c\n", "tree.yaml:1:10: not YAML: mapping values are not allowed in this context"),
        ("name: a\nsize: 1\nname: b\n", "tree.yaml:3:1: 'name' is here twice (first on line 1)"),
        ("leaves:\n  - colour: a\n    colour: b\n", "tree.yaml:3:5: 'colour' is here twice (first on line 2)"),
        (b"\xff\xfen\x00", "tree.yaml: not UTF-8 text (byte 0); save the file as UTF-8"),
        (b"name: caf\xe9\n", "tree.yaml: not UTF-8 text (byte 9); save the file as UTF-8"),
        (
            "name: a\0b\n",
            "tree.yaml: not YAML: unacceptable character #x0000: control characters are not allowed",
        ),
        (
            "name: !!python/x:os y\n",
            "tree.yaml:1:7: not YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/x:os'",
        ),
        (
            "- 0x_\n",
            "tree.yaml:1:3: not YAML: '0x_' looks like a value of kind 'int' and is none; put text in quotes",
        ),
        (
            "name: !!bool perhaps\n",
            "tree.yaml:1:7: not YAML: 'perhaps' looks like a value of kind 'bool' and is none; put text in quotes",
        ),
        ("name: a\nsize: 0xffffffffffffffffff\n", "tree.yaml:2:7: not YAML: a number too large"),
        ("[" * 9999, "tree.yaml:1:51: lists and mappings stand in each other more than 50 deep"),
    ],
)
def test_what_is_not_yaml_is_refused_at_its_place(tmp_path: Path, content: str | bytes, expected: str) -> None:
    """A file that is no YAML, or that YAML forbids, gives one line with the place and what is wrong there."""
    assert complaint(tmp_path, content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("- a\n", "tree.yaml:1:1: expected a mapping of fields"),
        ("text\n", 'tree.yaml:1:1: expected a mapping of fields, not "text"'),
        ("size: 2\n", "tree.yaml:1:1: 'name' is missing"),
        ("name: a\nsise: 2\n", "tree.yaml:2:1: unknown field 'sise' (did you mean 'size'?)"),
        ("name: a\nqqq: 2\n", "tree.yaml:2:1: unknown field 'qqq'"),
        ("name: a\n1: 2\n", "tree.yaml:1:1: 1: Keys should be strings, not 1"),
        (
            "name: a\nleaves:\n  - colour: x\n  - color: y\n",
            "tree.yaml:4:5: unknown field 'color' (did you mean 'colour'?)",
        ),
        ("name: 7\n", "tree.yaml:1:7: name: expected text, and YAML reads 7 as something else; put it in quotes"),
        ("name: no\n", "tree.yaml:1:7: name: expected text, and YAML reads false as something else; put it in quotes"),
        (
            "name: 2024-01-02\n",
            'tree.yaml:1:7: name: expected text, and YAML reads "2024-01-02" as something else; put it in quotes',
        ),
        ("name: a\nleaves: ä\n", 'tree.yaml:2:9: leaves: expected a list, not "ä"'),
        ("name: a\nleaves: &a [*a]\n", "tree.yaml:2:9: leaves.0: expected a mapping of fields"),
        (
            "name: a\nsize: big\n",
            'tree.yaml:2:7: size: Input should be a valid integer, unable to parse string as an integer, not "big"',
        ),
    ],
)
def test_what_the_model_refuses_is_told_at_its_place(tmp_path: Path, content: str, expected: str) -> None:
    """A wrong field is told with line, column, what was expected and the nearest right name."""
    assert complaint(tmp_path, content) == expected


def test_all_problems_of_a_file_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Nobody has to mend a file one error at a time."""
    assert complaint(tmp_path, "size: a\nnmae: b\nleaves: [{}, {colr: x, col: y}]\n").splitlines() == [
        "tree.yaml:1:1: 'name' is missing",
        'tree.yaml:1:7: size: Input should be a valid integer, unable to parse string as an integer, not "a"',
        "tree.yaml:2:1: unknown field 'nmae' (did you mean 'name'?)",
        "tree.yaml:3:15: unknown field 'colr' (did you mean 'colour'?)",
        "tree.yaml:3:24: unknown field 'col' (did you mean 'colour'?)",
    ]


def test_a_file_that_cannot_be_opened_is_an_input_error(tmp_path: Path) -> None:
    """A missing file and a folder in its place are told like any other mistake."""
    for path, reason in ((tmp_path / "none.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError) as caught:
            read(path, Tree)
        assert str(caught.value) == f"{path}: cannot be read: {reason}"
        assert caught.value.place == Place(path)
        assert caught.value.problem == f"cannot be read: {reason}"


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    """A file that some editor has saved with a mark in front reads like one without."""
    path = tmp_path / "tree.yaml"
    path.write_text("name: a\n", encoding="utf-8-sig")
    assert read(path, Tree)[0] == Tree(name="a")


def test_aliases_and_merged_mappings_are_read(tmp_path: Path) -> None:
    """YAML's own shorthands work: what is merged in is no duplicate key."""
    path = tmp_path / "tree.yaml"
    path.write_text("name: &n a\nleaves:\n  - &l {colour: *n}\n  - <<: *l\n  - <<: *l\n    colour: b\n")
    assert read(path, Tree)[0] == Tree(name="a", leaves=(Leaf(colour="a"), Leaf(colour="a"), Leaf(colour="b")))


def test_many_aliases_of_aliases_take_no_time(tmp_path: Path) -> None:
    """A file that would unfold to a billion items is answered like any other wrong file."""
    rows = ["name: a", "a0: &a0 [x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert complaint(tmp_path, "\n".join(rows)).splitlines()[0] == "tree.yaml:2:1: unknown field 'a0'"


def test_place_of_gives_the_nearest_node_that_is_there(tmp_path: Path) -> None:
    """A path that ends in nothing points to the last thing on it that exists."""
    path = tmp_path / "tree.yaml"
    path.write_text("name: a\nleaves:\n  - colour: x\n")
    root, data = parse(path)
    assert data == {"name": "a", "leaves": [{"colour": "x"}]}
    assert place_of(path, root, ()) == Place(path, 1, 1)
    assert place_of(path, root, ("leaves", 0, "colour")) == Place(path, 3, 13)
    assert place_of(path, root, ("leaves", 0, "size", "more")) == Place(path, 3, 5)
    assert place_of(path, root, ("leaves", 7)) == Place(path, 3, 3)


def test_a_place_shows_what_is_known_of_it() -> None:
    """Line and column are left out where there are none."""
    path = Path("a.yaml")
    assert [str(place) for place in (Place(path), Place(path, 3), Place(path, 3, 4))] == [
        "a.yaml",
        "a.yaml:3",
        "a.yaml:3:4",
    ]


def test_nearest_names_one_that_is_close_or_none() -> None:
    """A suggestion is made only where it helps."""
    assert nearest("topcs", ["topics", "tags"]) == " (did you mean 'topics'?)"
    assert nearest("zzz", ["topics", "tags"]) == ""
    assert nearest("x", []) == ""


def test_a_single_value_is_read_with_the_same_rules() -> None:
    """Values from the environment are YAML: numbers are numbers, and what is none is an InputError."""
    assert read_value("{min: 4}") == {"min": 4}
    assert read_value("") is None
    for text, expected in (
        ("[a", "not YAML: did not find expected ',' or ']'"),
        ("a\0", "not YAML: unacceptable character #x0000: control characters are not allowed"),
        ("2024-13-45", "not YAML: '2024-13-45' looks like a value of kind 'timestamp' and is none; put text in quotes"),
    ):
        with pytest.raises(InputError) as caught:
            read_value(text)
        assert str(caught.value) == expected


YAMLISH = st.text(st.sampled_from("ab01:-_.~!*&<>|{}[],#'\"?% \n\t=") | st.characters(codec="utf-8"), max_size=60)


@given(text=YAMLISH)
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever stands in a file, reading it gives a model or an InputError that opens with the file's name."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8")
    assert refusal(read, path, Tree).startswith(str(path)) or isinstance(read(path, Tree)[0], Tree)


@given(content=st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """The same holds for bytes that are no text."""
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(content)
    assert refusal(read, path, Tree).startswith(str(path)) or isinstance(read(path, Tree)[0], Tree)


@given(text=YAMLISH)
def test_any_value_is_read_or_refused(text: str) -> None:
    """A value from the environment never fails with anything but an InputError of one line."""
    assert re.fullmatch(r"|not YAML: .+", refusal(read_value, text))
