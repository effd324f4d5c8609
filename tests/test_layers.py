"""Who may import whom: the table below is the documentation of the layers, and these tests hold the code to it."""

import ast
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from synth.cli import COMMANDS
from tests.helpers import ROOT

#: Each unit of the package (a module, or a folder with all in it), from the values up to the command line, with the
#: units that it may import.
LAYERS: dict[str, set[str]] = {
    "errors": set(),
    "conversation": set(),
    "identity": set(),
    "registry": {"errors"},
    "yamlfile": {"errors"},
    "topics": {"errors", "yamlfile"},
    "prompts": {"errors", "conversation", "yamlfile", "topics"},
    "project": {"errors", "yamlfile", "topics", "prompts"},
    "providers": {"errors", "conversation", "identity", "registry", "project"},
    "store": {"errors", "conversation", "topics", "providers"},
    "generate": {"errors", "conversation", "identity", "topics", "prompts", "project", "providers", "store"},
    "normalize": {"conversation"},
    "exporters": {"conversation", "registry"},
    "dataset": {
        *("errors", "conversation", "topics", "prompts", "project", "store", "generate", "normalize", "exporters"),
    },
    "cli": {
        *("errors", "conversation", "yamlfile", "topics", "prompts", "project", "providers", "store", "generate"),
        *("exporters", "dataset"),
    },
}

#: Sets that grow: none of their members may know a member of another one.
OPEN_SETS = {"importers", "exporters", "providers"}

#: Packages that only some units may import.
ONLY = {
    "click": {"cli"},
    "rich": {"cli"},
    "asyncio": {"providers", "generate", "cli"},
    "sqlite3": {"store"},
    "yaml": {"yamlfile"},
    "jinja2": {"prompts"},
    "openai": {"providers"},
    "httpx2": {"providers"},
    "xllamacpp": {"providers"},
    "pydantic": {"yamlfile", "topics", "prompts", "project", "cli"},
}

#: What is not needed to print `--help`, and takes long to import.
HEAVY = ("openai", "pydantic", "jinja2", "rich", "xllamacpp", "yaml", "tenacity", "jsonlines", "asyncio", "sqlite3")


class Module(NamedTuple):
    """A module of the package and what it imports, wherever in it the import stands."""

    name: str
    tree: ast.Module
    imports: set[str]


def unit(name: str) -> str:
    """Return the unit that a module of ours is in."""
    return name.split(".")[1]


def _names() -> dict[str, Path]:
    files = {path.relative_to(ROOT).with_suffix(""): path for path in sorted((ROOT / "synth").rglob("*.py"))}
    return {".".join(part for part in name.parts if part != "__init__"): path for name, path in files.items()}


def _imports(tree: ast.Module, known: set[str]) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            full = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else str(node.module) for name in full.values()}
    return found


NAMES = _names()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in NAMES.items()}
MODULES = [Module(name, tree, _imports(tree, set(NAMES))) for name, tree in TREES.items()]
INNER = [module for module in MODULES if module.name != "synth"]


def test_each_module_has_its_layer() -> None:
    """A new module or folder is not in before somebody has said which layer it belongs to; none is listed in vain."""
    assert {unit(module.name) for module in INNER} == set(LAYERS)


def test_the_table_goes_one_way() -> None:
    """A unit may import only units that stand above it in the table: from the values up to the command line."""
    order = list(LAYERS)
    assert [name for name, below in LAYERS.items() if not below <= set(order[: order.index(name)])] == []


def test_each_module_imports_only_what_its_layer_may() -> None:
    """The table is what the code does."""
    wrong = [
        f"{module.name} imports {name}"
        for module in INNER
        for name in sorted(module.imports)
        if name.startswith("synth.") and unit(name) not in {unit(module.name), *LAYERS[unit(module.name)]}
    ]
    assert wrong == []


def test_the_sets_that_grow_do_not_know_each_other() -> None:
    """A provider knows no exporter and no importer, and the other way round, and the table allows none."""
    assert [name for name in OPEN_SETS & set(LAYERS) if LAYERS[name] & (OPEN_SETS - {name})] == []


def test_members_of_a_set_that_grows_know_only_its_contract() -> None:
    """Taking one provider or exporter out breaks no other one."""
    shared = {"base", "client"}
    wrong = [
        f"{module.name} imports {name}"
        for module in INNER
        if unit(module.name) in OPEN_SETS
        for name in module.imports
        if name.startswith(f"synth.{unit(module.name)}.") and name.split(".")[2] not in shared
    ]
    assert wrong == []


def test_a_command_shares_with_others_by_name_only() -> None:
    """The folder's own module, which every command runs through, imports no command."""
    face = next(module for module in MODULES if module.name == "synth.cli")
    assert [name for name in face.imports if name.startswith("synth.cli.")] == []


@pytest.mark.parametrize("package", sorted(ONLY))
def test_a_package_is_imported_only_where_it_belongs(package: str) -> None:
    """What another package brings stays behind one door."""
    users = {unit(module.name) for module in INNER if package in {name.split(".")[0] for name in module.imports}}
    assert users <= ONLY[package]


def test_nothing_below_the_command_line_prints() -> None:
    """A library returns and raises; what is shown, and where, is for the command line to say."""
    wrong = [
        f"{module.name}:{node.lineno}"
        for module in INNER
        if unit(module.name) != "cli"
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Name) and node.id in {"print", "input"})
        or (isinstance(node, ast.Attribute) and node.attr in {"stdout", "stderr"} and ast.unparse(node.value) == "sys")
    ]
    assert wrong == []


def test_nobody_imports_the_face_of_the_package() -> None:
    """`from synth import x` makes circles; only the version stands there, and it imports nothing."""
    wrong = [
        f"{module.name}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Import) and any(alias.name == "synth" for alias in node.names))
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "synth"
            and {alias.name for alias in node.names} != {"__version__"}
        )
    ]
    assert wrong == []
    assert next(module for module in MODULES if module.name == "synth").imports == set()


def test_there_is_no_import_circle() -> None:
    """The modules have an order in which each comes after all that it imports, lazy imports too."""
    graph = {module.name: {name for name in module.imports if name in NAMES} for module in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["-h"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """What one types first answers at once: importing the command line and showing its help loads no big package."""
    code = (
        "import sys, synth.cli\n"
        f"sys.argv = ['synth', *{arguments!r}]\n"
        "try:\n    synth.cli.main()\n"
        f"finally:\n    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    # Measuring coverage would put packages of its own into the process.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, env=env)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert "synth" in done.stdout


def test_help_lists_every_command_with_its_line() -> None:
    """`synth --help` shows the table of commands, and nothing is cut off."""
    done = subprocess.run(
        [sys.executable, "-c", "from synth.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    shown = " ".join(done.stdout.split())
    assert [name for name, line in COMMANDS.items() if f"{name} {line}" not in shown] == []


def has_command(module: Module) -> bool:
    """Whether a module defines `command`."""
    return any(isinstance(node, ast.FunctionDef) and node.name == "command" for node in module.tree.body)


def test_each_command_has_a_file_and_each_file_a_line() -> None:
    """The table of `synth --help` and the files of the folder are the same set."""
    files = {module.name.split(".")[2] for module in INNER if unit(module.name) == "cli" and has_command(module)}
    assert files == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_can_be_called_by_its_name(name: str) -> None:
    """A command is called what its file is called, and says in a line of its own what it does."""
    command = import_module(f"synth.cli.{name}").command
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help
    assert COMMANDS[name] == COMMANDS[name].strip()
    assert 0 < len(COMMANDS[name]) <= 80
