"""The JSON Schemas: they are the ones in the repository, and they accept what the tool accepts."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from synth.cli.schema import SCHEMAS, command, text
from synth.topics import load_topics
from tests.helpers import ROOT, make_project, refusal

FILES = {
    "project": [ROOT / "synth.yaml"],
    "persona": sorted((ROOT / "prompts").glob("*.yaml")),
    "topics": sorted((ROOT / "topics").glob("*.yaml")),
}
PAIRS = [pytest.param(name, path, id=str(path.relative_to(ROOT))) for name, paths in FILES.items() for path in paths]


def problems(name: str, data: Any) -> list[str]:
    """Return what a schema says about plain data."""
    return sorted(error.message for error in Draft202012Validator(json.loads(text(name))).iter_errors(data))


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_schemas_in_the_repository_are_the_present_ones(name: str) -> None:
    """Editors check with what the tool checks; `make schemas` writes them anew."""
    assert (ROOT / "schemas" / f"{name}.json").read_text(encoding="utf-8") == text(name)
    Draft202012Validator.check_schema(json.loads(text(name)))


def test_every_schema_of_the_repository_is_generated() -> None:
    """No file in schemas/ is left over from an older name."""
    assert {path.name for path in (ROOT / "schemas").iterdir()} == {f"{name}.json" for name in SCHEMAS}


@pytest.mark.parametrize(("name", "path"), PAIRS)
def test_each_file_of_the_example_names_its_schema_and_fits_it(name: str, path: Path) -> None:
    """The first line leads an editor to the schema, from where the file lies, and the file is valid."""
    content = path.read_text(encoding="utf-8")
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", content)
    assert named is not None
    assert (path.parent / named[1]).resolve() == ROOT / "schemas" / f"{name}.json"
    assert problems(name, yaml.safe_load(content)) == []


@pytest.mark.parametrize(("name", "path"), [("topics", "topics/academic.yaml"), ("persona", "prompts/tim.yaml")])
def test_the_small_project_fits_the_schemas(tmp_path: Path, name: str, path: str) -> None:
    """What the tests work on is valid too: files with other choices than the example's."""
    content = (make_project(tmp_path / "project") / path).read_text(encoding="utf-8")
    assert problems(name, yaml.safe_load(content)) == []


@pytest.mark.parametrize(
    "topics",
    [
        ["a plain line"],
        ["a plain line", {"topic": "a mapping"}],
        [{"topic": "a", "expect": "one phrase", "tags": [], "audiences": ["x"], "repeat": 3}],
        [{"topic": "a", "expect": ["one", "two"]}],
    ],
)
def test_editors_accept_what_the_tool_accepts(tmp_path: Path, topics: list[Any]) -> None:
    """Plain lines, mappings, and one phrase or a list of them are valid for both."""
    data = {"category": "a", "topics": topics}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(data))
    assert problems("topics", data) == []
    assert refusal(load_topics, [tmp_path]) == ""


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"category": "a"},
        {"category": "a", "topics": []},
        {"category": "A", "topics": ["x"]},
        {"category": "a", "topics": [""]},
        {"category": "a", "topics": [7]},
        {"category": "a", "topics": [{"tags": ["x"]}]},
        {"category": "a", "topics": [{"topic": "x", "tag": ["x"]}]},
        {"category": "a", "topics": [{"topic": "x", "repeat": 0}]},
        {"category": "a", "topics": [{"topic": "x", "audiences": ["y", "y"]}]},
        {"category": "a", "topics": ["x"], "default": {}},
    ],
)
def test_editors_refuse_what_the_tool_refuses(tmp_path: Path, data: dict[str, Any]) -> None:
    """A mistake is shown while one writes, not only when one runs."""
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(data))
    assert problems("topics", data) != []
    assert refusal(load_topics, [tmp_path]) != ""


@pytest.mark.parametrize(("arguments", "name"), [([], "topics"), (["persona"], "persona"), (["project"], "project")])
def test_the_command_prints_a_schema(arguments: list[str], name: str) -> None:
    """`synth schema NAME` prints it; without a name it is that of topic files."""
    result = CliRunner().invoke(command, arguments)
    assert (result.exit_code, result.output) == (0, text(name))


def test_the_command_writes_all_schemas(tmp_path: Path) -> None:
    """`synth schema --write FOLDER` makes the folder and writes one file a schema, and prints nothing."""
    folder = tmp_path / "deep" / "schemas"
    result = CliRunner().invoke(command, ["--write", str(folder)])
    assert (result.exit_code, result.output) == (0, "")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {f"{n}.json": text(n) for n in SCHEMAS}
