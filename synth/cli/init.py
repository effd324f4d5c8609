"""``synth init``: a new project for a persona of one's own."""

import json
import shlex
from contextlib import ExitStack
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click
from pydantic import ValidationError

from synth.cli.common import writing
from synth.cli.schema import SCHEMAS, text
from synth.errors import InputError, Place
from synth.prompts import TEMPLATES, TRAINING, Persona
from synth.yamlfile import explain, read_value

#: What the starter's persona is called before it gets its own name.
NOBODY = "Robin"

PERSONA = "prompts/persona.yaml"

#: Ways in which a .gitignore can name the folder of the store and the dataset.
IGNORED = {b"data", b"data/", b"/data", b"/data/"}


@click.command(name="init")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", default=NOBODY, show_default=True, metavar="NAME", help="What the persona is called.")
def command(folder: Path, name: str) -> None:
    """Make a project in FOLDER that runs at once: settings, topics, a persona to rewrite, its templates.

    Nothing that is there already is overwritten; a .gitignore gets a line for data/ where it has none.
    """
    for path in make_project(folder, name):
        click.echo(path)
    where = "" if folder.resolve() == Path.cwd() else f"cd {_quoted(folder)} && "
    click.echo(f"\nTry it:        {where}synth run -n 6")
    click.echo(f"Make it yours: edit {_quoted(folder / PERSONA)} and the files in {_quoted(folder / 'topics')}")


def make_project(folder: Path, name: str) -> list[Path]:
    """Write the starter into ``folder``, all of its files or none; returns what was written.

    Raises InputError where files are in the way, where nothing can be written, and for a name that no persona has.
    """
    texts = {folder / path: content for path, content in _starter(name).items()}
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        present = [path for path in texts if path.exists() or path.is_symlink()]
    if present:
        raise InputError("is there already; init overwrites nothing, so choose another folder", Place(present[0]))
    ignore = folder / ".gitignore"
    with ExitStack() as undo:
        for path, content in texts.items():
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("x", encoding="utf-8", newline="\n") as file:
                    undo.callback(path.unlink, missing_ok=True)
                    file.write(content)
        with writing(ignore):
            ignored = _ignore_data(ignore)
        undo.pop_all()
    return [*texts, ignore] if ignored else list(texts)


def _starter(name: str) -> dict[str, str]:
    starter = files("synth") / "starter"
    texts = {path: (starter / path).read_text(encoding="utf-8") for path in ("synth.yaml", "topics/first.yaml")}
    texts[PERSONA] = _persona((starter / PERSONA).read_text(encoding="utf-8"), name)
    for template in sorted({TRAINING, *(template for group in TEMPLATES.values() for template in group)}):
        texts[f"prompts/{template}"] = (_templates() / template).read_text(encoding="utf-8")
    return texts | {f"schemas/{schema}.json": text(schema) for schema in SCHEMAS}


def _persona(starter: str, name: str) -> str:
    """Give the starter's persona another name; raises InputError where it would not be read with that name."""
    head, field, rest = starter.partition(f"name: {NOBODY}\n")
    assert field
    # JSON's quotes are YAML's: 007, Yes and @x are text within them.
    renamed = f"{head}name: {json.dumps(name, ensure_ascii=False)}\n{rest.replace(NOBODY, name)}"
    problem = f"a name is up to 64 characters long, with no spaces and none of < > | \\ / : in it, not {name!r}"
    try:
        persona = Persona.model_validate(read_value(renamed))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"--name: {problem if first['loc'] else explain(first, Persona)}") from error
    except (InputError, UnicodeEncodeError) as error:  # what no YAML file can hold: control characters, half characters
        raise InputError(f"--name: {problem}") from error
    if persona.name != name:
        raise InputError(f"--name: {problem}")
    return renamed


def _ignore_data(path: Path) -> bool:
    """Make git leave the project's data alone; returns whether that took a new line."""
    there = path.read_bytes() if path.exists() else b""
    if IGNORED & {line.strip() for line in there.splitlines()}:
        return False
    with path.open("ab") as file:
        file.write(b"data/\n" if not there or there.endswith(b"\n") else b"\ndata/\n")
    return True


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _templates() -> Traversable:
    """In a wheel they are packed into the starter; in a checkout they are those of the example project."""
    packed = files("synth") / "starter" / "prompts"
    return packed if (packed / TRAINING).is_file() else files("synth") / ".." / "prompts"
