"""``synth schema``: JSON Schemas of the YAML files."""

import json
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from synth.cli.common import writing
from synth.project import Settings
from synth.prompts import Persona
from synth.topics import TopicFile

SCHEMAS: dict[str, type[BaseModel]] = {"topics": TopicFile, "persona": Persona, "project": Settings}


@click.command(name="schema")
@click.argument("name", type=click.Choice(sorted(SCHEMAS)), default="topics")
@click.option("--write", "folder", type=click.Path(path_type=Path), help="Write all of them into this folder instead.")
def command(name: str, folder: Path | None) -> None:
    """Print the JSON Schema of topic files, persona files or synth.yaml.

    A file names it in its first line, and editors complete and check it: # yaml-language-server: $schema=...
    """
    if folder:
        write_schemas(folder)
    else:
        click.echo(text(name), nl=False)


def write_schemas(folder: Path) -> None:
    """Write every schema as ``NAME.json``; raises InputError where that cannot be done."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name in SCHEMAS:
        path = folder / f"{name}.json"
        with writing(path):
            path.write_text(text(name), encoding="utf-8")


def text(name: str) -> str:
    """Return one schema as JSON."""
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(schema | SCHEMAS[name].model_json_schema(), indent=2) + "\n"
