"""``synth run``: generate, then build, then show what came of it. This is what ``make synth`` does."""

import re
import shlex
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from synth.cli.build import build_with, report
from synth.cli.common import Session, open_session, settings_options, wanted_option
from synth.cli.generate import generate, price, status
from synth.conversation import Conversation
from synth.providers.local import BUNDLED

#: The options that `make synth` takes, and as what.
MAKE = {"persona": "PERSONA", "model": "MODEL", "base_url": "BASE_URL"}


@click.command(name="run")
@wanted_option
@settings_options
def command(wanted: int | None, **settings: Any) -> None:
    """Play what is not played yet, write the training files, and show one of the conversations."""
    session = open_session(settings)
    with session.store(writing=True) as store:
        progress = generate(session, store, wanted)
        code = status(progress)
        built = build_with(session, store)
    click.echo()
    show(built.first, session)
    click.echo()
    report(built)
    click.echo()
    click.echo(_fill(f"Cost: {price(session)}. The model: {session.provider.traits.note}"))
    click.echo()
    click.echo(_advice(session, progress.wanted, settings))
    sys.exit(code)


def show(conversation: Conversation, session: Session) -> None:
    """Print a conversation as a chat."""
    persona = session.project.persona
    names = {"user": persona.user, "assistant": persona.name}
    width = max(len(name) for name in names.values()) + 2
    click.echo(f"One of them, on “{conversation.topic}” ({conversation.category}):")
    for message in conversation.messages:
        if message.role != "system":
            label = f"{names[message.role]}:".ljust(width)
            click.echo(
                textwrap.fill(message.content, 100, initial_indent=f"  {label}", subsequent_indent="  " + " " * width)
            )


def _fill(text: str) -> str:
    return textwrap.fill(text, 100)


def _advice(session: Session, wanted: int, flags: Mapping[str, Any]) -> str:
    root, model = session.project.root, session.project.settings.model
    given = {name: str(value) for name, value in flags.items() if value is not None}
    there = len(session.plan.scenarios)
    more = _run(root, given, min(max(2 * wanted, 50), there)) if wanted < there else "add topics, or raise --takes"
    lines = [f"More of them:    {more}"]
    if model == f"local/{BUNDLED}" or model.startswith("scripted/"):
        real = {name: value for name, value in given.items() if name != "base_url"} | {"model": "openai/NAME"}
        server = real | {"base_url": "http://localhost:8000/v1"}
        lines.append(f"For real data:   OPENAI_API_KEY=… {_run(root, real)}")
        lines.append(f"                 {_run(root, server)}   (vLLM, Ollama, llama.cpp …)")
    lines.append(f"What is there:   {_synth(root, 'status', given)}")
    return "\n".join(lines)


def _run(root: Path, given: Mapping[str, str], wanted: int | None = None) -> str:
    """Return the command of a run with these options, as one types it in this project."""
    # The Makefile hands on three options, and as they are: what would need quotes there goes without it.
    plain = all(name in MAKE and shlex.quote(value) == value for name, value in given.items())
    if plain and _is_made(root):
        number = [f"N={wanted}"] if wanted else []
        return " ".join(["make synth", *number, *(f"{MAKE[name]}={value}" for name, value in given.items())])
    return _synth(root, f"run -n {wanted}" if wanted else "run", given)


def _synth(root: Path, command: str, given: Mapping[str, str]) -> str:
    options = [f"--{name.replace('_', '-')} {shlex.quote(value)}" for name, value in given.items()]
    return " ".join([".venv/bin/synth" if _is_made(root) else "synth", command, *options])


def _is_made(root: Path) -> bool:
    """Whether the project is run with `make synth`, as the one of the repository is."""
    try:
        text = (root / "Makefile").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return re.search(r"^synth\s*:(?!=)", text, re.MULTILINE) is not None
