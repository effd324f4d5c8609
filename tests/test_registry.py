"""Tables of names: our own rows, and those of other packages."""

from pathlib import Path

import pytest

from synth.conversation import Conversation, Message
from synth.exporters import EXPORTERS
from synth.exporters.messages import record
from synth.providers import PROVIDERS
from synth.registry import Registry
from tests.helpers import ROOT, refusal

SHAPES = Registry("shape", {"square": "math:sqrt", "circle": "math:pi"})


def test_a_row_is_imported_when_it_is_asked_for() -> None:
    """A row that cannot be imported does no harm to the others."""
    rows = Registry("shape", {"root": "math:sqrt", "broken": "no_such_module:x"})
    assert rows.names() == ["broken", "root"]
    assert rows.load("root")(9.0) == 3.0
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        rows.load("broken")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sqare", "no shape named 'sqare' (did you mean 'square'?); there are: circle, square"),
        ("", "no shape named ''; there are: circle, square"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_one(name: str, expected: str) -> None:
    """The message lists what there is."""
    assert refusal(SHAPES.load, name) == expected


def test_another_package_adds_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package's entry point is a row like ours; it cannot take the name of one of ours."""
    info = tmp_path / "more_shapes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: more-shapes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[synth.shape]\ncone = more_shapes:CONE\nsquare = more_shapes:CONE\n")
    (tmp_path / "more_shapes.py").write_text("CONE = 'a cone'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert SHAPES.names() == ["circle", "cone", "square"]
    assert SHAPES.load("cone") == "a cone"
    assert SHAPES.load("square")(4.0) == 2.0


@pytest.mark.parametrize("registry", [EXPORTERS, PROVIDERS], ids=lambda registry: registry.kind)
def test_each_of_our_rows_is_there(registry: Registry) -> None:
    """No row of a table points to nothing, and each is a file of its own named after it."""
    for name, target in registry.rows.items():
        assert target.partition(":")[0].endswith(f".{name}")
        assert callable(registry.load(name))


@pytest.mark.parametrize("registry", [EXPORTERS, PROVIDERS], ids=lambda registry: registry.kind)
def test_each_file_has_a_row(registry: Registry) -> None:
    """A file with an opener or an exporter that no table names would never be found."""
    package = next(iter(registry.rows.values())).rpartition(".")[0]
    files = {path.stem for path in (ROOT / package.replace(".", "/")).glob("*.py")}
    assert files - set(registry.rows) <= {"__init__", "base", "client"}


def test_the_messages_format_is_roles_and_contents() -> None:
    """The record holds what trainers read, and nothing else."""
    talk = Conversation(
        "id", "academic", "ice", (Message("system", "s"), Message("user", "u"), Message("assistant", "a"))
    )
    assert record(talk) == {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": "a"},
        ]
    }
