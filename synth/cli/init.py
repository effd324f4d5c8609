"""``synth init``: a new project for a persona of one's own."""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from synth.cli.schema import write_schemas
from synth.errors import InputError, Place
from synth.prompts import TEMPLATES, TRAINING

#: What the starter's persona is called before it gets its own name.
NOBODY = "Robin"


@click.command(name="init")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", default=NOBODY, show_default=True, metavar="NAME", help="What the persona is called.")
def command(folder: Path, name: str) -> None:
    """Make a project in FOLDER that runs at once: settings, topics, a persona to rewrite, its templates.

    Nothing that is there already is overwritten.
    """
    written = make_project(folder, name)
    for path in written:
        click.echo(path)
    where = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    click.echo(f"\nTry it:      {where}synth run -n 6")
    click.echo(f"Make it yours: edit {folder / 'prompts/persona.yaml'} and the files in {folder / 'topics'}")


def make_project(folder: Path, name: str) -> list[Path]:
    """Write the starter into ``folder``; returns what was written. Raises InputError where files are in the way."""
    if not re.fullmatch(r"[^\s<|\\/>:]{1,64}", name):
        raise InputError(f"--name: a name has no spaces and none of < > | \\ / : in it, not {name!r}")
    starter = files("synth") / "starter"
    sources = {path: starter / path for path in ("synth.yaml", "topics/first.yaml", "prompts/persona.yaml")}
    names = {TRAINING, *(template for group in TEMPLATES.values() for template in group)}
    sources |= {f"prompts/{template}": _templates() / template for template in sorted(names)}
    present = [folder / path for path in [*sources, ".gitignore"] if (folder / path).exists()]
    if present:
        raise InputError("is there already; init overwrites nothing, so choose an empty folder", Place(present[0]))
    written = []
    for path, source in sources.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.read_text(encoding="utf-8").replace(NOBODY, name), encoding="utf-8")
        written.append(target)
    (folder / ".gitignore").write_text("data/\n", encoding="utf-8")
    write_schemas(folder / "schemas")
    return written


def _templates() -> Traversable:
    """In a wheel they are packed into the starter; in a checkout they are those of the example project."""
    packed = files("synth") / "starter" / "prompts"
    return packed if (packed / TRAINING).is_file() else files("synth") / ".." / "prompts"
