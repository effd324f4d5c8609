"""`synth init`: a project of one's own, in any folder, under any name that a chat can show."""

import resource
import shlex
from pathlib import Path

import pytest
import yaml

from synth.cli.schema import SCHEMAS, text
from synth.prompts import load_persona
from tests.cli import Shell
from tests.helpers import ROOT

WRITTEN = [
    *("synth.yaml", "topics/first.yaml", "prompts/persona.yaml"),
    *(f"prompts/{name}.j2" for name in ("continue", "opener", "persona", "system", "transcript", "user")),
    *("schemas/topics.json", "schemas/persona.json", "schemas/project.json"),
]


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_init_makes_a_project_that_runs(synth: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new project has everything it needs, under the persona's own name, and plays at once."""
    ended = synth("init", "mia", "--name", "Mia")
    assert ended.status == 0
    folder = synth.folder / "mia"
    assert yaml.safe_load((folder / "prompts" / "persona.yaml").read_text(encoding="utf-8"))["name"] == "Mia"
    assert sorted(path.name for path in (folder / "prompts").glob("*.j2")) == sorted(
        path.name for path in (ROOT / "prompts").glob("*.j2")
    )
    monkeypatch.chdir(folder)
    assert synth("run", "-n", "4", "--model", "scripted/demo").status == 0


def test_init_prints_every_file_and_what_to_type_next(synth: Shell) -> None:
    """The list is what is there afterwards, and the line to try can be pasted, whatever the folder is called."""
    ended = synth("init", "my bot's")
    *listed, empty, try_it, edit = ended.out.splitlines()
    assert listed == [f"my bot's/{name}" for name in [*WRITTEN, ".gitignore"]]
    assert set(contents(synth.folder / "my bot's")) == {*WRITTEN, ".gitignore"}
    assert empty == ""
    assert try_it == """Try it:        cd 'my bot'"'"'s' && synth run -n 6"""
    assert shlex.split(try_it)[3] == "my bot's"
    assert shlex.split(edit)[4] == "my bot's/prompts/persona.yaml"
    assert shlex.split(edit)[-1] == "my bot's/topics"


@pytest.mark.parametrize(
    "name", ["007", "Yes", "null", "~", "@x", "#x", "'\"q", '"', "-", "&a", "*a", "%", "{", "]", "`", "Robinson", "Zoë"]
)
def test_init_takes_every_name_that_a_chat_can_show(synth: Shell, name: str) -> None:
    """A name that YAML would read as something else is the persona's name nevertheless."""
    assert synth("init", "x", "--name", name).err == ""
    persona = load_persona(synth.folder / "x" / "prompts" / "persona.yaml")
    assert persona.name == name
    assert persona.description.startswith(f"{name} lives in an old house ")
    assert persona.system.startswith(f"You are {name}. ")


@pytest.mark.parametrize("name", ["Mia Lu", " Mia", "", "a:b", "x" * 65, "a\x01b", "\udc80"])
def test_init_refuses_names_that_no_chat_can_show(synth: Shell, name: str) -> None:
    """A persona's name has no spaces, no label characters, and none that a file cannot hold; nothing is written."""
    ended = synth("init", "x", "--name", name)
    rule = "a name is up to 64 characters long, with no spaces and none of < > | \\ / : in it"
    assert (ended.status, ended.err) == (1, f"synth: --name: {rule}, not {name!r}\n")
    assert not (synth.folder / "x").exists()


def test_init_refuses_the_name_of_the_other_side(synth: Shell) -> None:
    """The starter's user is called Friend, so the persona is not."""
    ended = synth("init", "x", "--name", "friend")
    assert (ended.status, ended.err) == (
        1,
        "synth: --name: name and user are both 'friend'; the other side needs a name of its own\n",
    )
    assert not (synth.folder / "x").exists()


def test_init_overwrites_nothing(synth: Shell) -> None:
    """Where a file of a project is already, init stops before it writes any."""
    before = contents(synth.folder)
    ended = synth("init", ".")
    assert ended.status == 1
    assert ended.err == "synth: synth.yaml: is there already; init overwrites nothing, so choose another folder\n"
    assert contents(synth.folder) == before


@pytest.mark.parametrize("name", [f"schemas/{name}.json" for name in SCHEMAS])
def test_init_overwrites_no_schema(synth: Shell, name: str) -> None:
    """A schema that somebody has put there is a file of theirs like any other."""
    path = synth.folder / "new" / name
    path.parent.mkdir(parents=True)
    path.write_text("{}", encoding="utf-8")
    ended = synth("init", "new")
    assert ended.err == f"synth: new/{name}: is there already; init overwrites nothing, so choose another folder\n"
    assert contents(synth.folder / "new") == {name: b"{}"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"*.log", b"*.log\ndata/\n"),
        (b"*.log\n", b"*.log\ndata/\n"),
        (b"", b"data/\n"),
        (b"caf\xe9\r\n", b"caf\xe9\r\ndata/\n"),
        (b"*.log\n/data\n", b"*.log\n/data\n"),
        (b"data/\r\n", b"data/\r\n"),
    ],
)
def test_init_in_a_fresh_clone(synth: Shell, before: bytes, after: bytes) -> None:
    """A README, .git and a .gitignore are not in the way; git ignores data/ afterwards, and keeps what it ignored."""
    folder = synth.folder / "clone"
    (folder / ".git").mkdir(parents=True)
    (folder / "README.md").write_text("# mine\n", encoding="utf-8")
    (folder / ".gitignore").write_bytes(before)
    ended = synth("init", "clone")
    assert (ended.status, ended.err) == (0, "")
    assert (folder / ".gitignore").read_bytes() == after
    assert (folder / "README.md").read_text(encoding="utf-8") == "# mine\n"
    assert ("clone/.gitignore" in ended.out.splitlines()) == (before != after)


@pytest.mark.parametrize(
    ("folder", "complaint"),
    [
        ("synth.yaml", "synth.yaml: cannot be written: File exists"),
        ("synth.yaml/below", "synth.yaml/below: cannot be written: Not a directory"),
        ("x" * 300, f"{'x' * 300}: cannot be written: File name too long"),
    ],
)
def test_init_where_no_folder_can_be(synth: Shell, folder: str, complaint: str) -> None:
    """A file in the place of the folder, and what the system refuses, is one line with the path."""
    ended = synth("init", folder)
    assert (ended.status, ended.out, ended.err) == (1, "", f"synth: {complaint}\n")


def test_init_that_fails_half_way_leaves_no_file(synth: Shell) -> None:
    """Where something else has a folder's or a file's name, what was written goes again: init can be tried again."""
    folder = synth.folder / "new"
    folder.mkdir()
    (folder / "schemas").write_text("mine", encoding="utf-8")
    assert synth("init", "new").err == "synth: new/schemas: cannot be written: File exists\n"
    assert contents(folder) == {"schemas": b"mine"}
    (folder / "schemas").unlink()
    (folder / ".gitignore").mkdir()
    assert synth("init", "new").err == "synth: new/.gitignore: cannot be written: Is a directory\n"
    assert contents(folder) == {}
    (folder / ".gitignore").rmdir()
    assert synth("init", "new").status == 0


def test_init_where_no_more_fits(synth: Shell) -> None:
    """A file that can be begun and not ended is taken back too; the limit here stands for a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        ended = synth("init", "new")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (ended.status, ended.out, ended.err) == (
        1,
        "",
        "synth: new/prompts/persona.yaml: cannot be written: File too large\n",
    )
    assert contents(synth.folder / "new") == {}


def test_schemas_of_a_new_project(synth: Shell) -> None:
    """The schemas that init writes are those that `synth schema --write` writes."""
    synth("init", "new")
    synth("schema", "--write", "written")
    expected = {f"{name}.json": text(name).encode() for name in SCHEMAS}
    assert contents(synth.folder / "new" / "schemas") == expected
    assert contents(synth.folder / "written") == expected
