"""``synth build``: write the training files."""

from typing import Any

import click

from synth.cli.common import Session, count, open_session, settings_options
from synth.dataset import Built, build
from synth.store import Store


@click.command(name="build")
@settings_options
def command(**settings: Any) -> None:
    """Write data/dataset/: train.jsonl, valid.jsonl, rejected.jsonl, manifest.json and a card.

    What the present topics, persona and settings ask for is written; what was made with others stays in the store.
    """
    session = open_session(settings)
    with session.store() as store:
        report(build_with(session, store))


def build_with(session: Session, store: Store) -> Built:
    """Build the dataset of a session."""
    return build(session.project, session.plan, store, session.provider.traits.note)


def report(built: Built) -> None:
    """Say what was written, and what was left out."""
    for name, lines in sorted(built.lines.items()):
        click.echo(f"{built.folder / name}: {count(lines, 'line')}")
    click.echo("categories: " + ", ".join(f"{name} {number}" for name, number in sorted(built.categories.items())))
    for reason, number in sorted(built.left_out.items()):
        click.echo(f"left out: {count(number, 'conversation')} ({reason})")
