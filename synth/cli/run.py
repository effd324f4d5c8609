"""``synth run``: generate, then build, then show what came of it. This is what ``make synth`` does."""

import sys
import textwrap
from typing import Any

import click

from synth.cli.build import build_with, report
from synth.cli.common import Session, open_session, settings_options
from synth.cli.generate import generate, price, status
from synth.conversation import Conversation


@click.command(name="run")
@click.option(
    "-n", "wanted", type=click.IntRange(1), metavar="N", help="Accepted conversations in all; default: every scenario."
)
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
    click.echo(_advice(session, progress.wanted))
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


def _advice(session: Session, wanted: int) -> str:
    more = f"More of them:    make synth N={max(2 * wanted, 50)}"
    if session.provider.traits.paid:
        return f"{more}\nWhat is there:   synth status"
    return f"""{more}
For real data:   OPENAI_API_KEY=… make synth MODEL=openai/NAME
                 make synth MODEL=openai/NAME BASE_URL=http://localhost:8000/v1   (vLLM, Ollama, llama.cpp …)
What is there:   .venv/bin/synth status"""
