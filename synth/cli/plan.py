"""``synth plan``: a dry run."""

import asyncio
import json
from collections import Counter
from typing import Any

import click

from synth.cli.common import Session, count, open_session, settings_options
from synth.cli.generate import price
from synth.dataset import stale
from synth.generate.plan import Scenario
from synth.generate.rehearse import MESSAGE_TOKENS, Rehearsal, rehearse
from synth.generate.run import make_cast
from synth.providers.base import Request

#: Scenarios that the estimate is made from.
SAMPLE = 20


@click.command(name="plan")
@click.option(
    "-n", "wanted", type=click.IntRange(1), metavar="N", help="Plan N accepted conversations; default: every scenario."
)
@click.option(
    "--show",
    type=click.IntRange(0),
    default=0,
    metavar="K",
    help="Print the first requests of K talks, as they would be sent.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@settings_options
def command(wanted: int | None, show: int, *, as_json: bool, **settings: Any) -> None:
    """Say what a run would do: scenarios, calls, tokens, cost. No model is asked and no key is needed."""
    session = open_session(settings)
    figures, sample = asyncio.run(_figures(session, wanted))
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    else:
        _print(session, figures)
    for scenario, rehearsal in sample[:show]:
        _print_requests(scenario, rehearsal)


async def _figures(session: Session, wanted: int | None) -> tuple[dict[str, Any], list[tuple[Scenario, Rehearsal]]]:
    with session.store() as store:
        accepted = store.accepted_ids()
        left_out = dict(stale(session.plan, store))
    pending = [scenario for scenario in session.plan.scenarios if scenario.id not in accepted]
    there = len(session.plan.scenarios) - len(pending)
    todo = len(pending) if wanted is None else min(len(pending), max(0, wanted - there))
    cast = make_cast(session.project, session.providers)
    # Spread over the plan, so that every category is in the sample.
    chosen = pending[:: max(1, len(pending) // SAMPLE)][:SAMPLE]
    sample = [(scenario, await rehearse(scenario, cast)) for scenario in chosen]
    talks = max(1, len(sample))
    calls = sum(len(rehearsal.requests) for _, rehearsal in sample) / talks
    tokens_in = sum(rehearsal.tokens_in for _, rehearsal in sample) / talks
    messages = sum(scenario.turns for scenario in chosen) / talks
    figures = {
        "persona": session.project.persona.name,
        "model": session.project.settings.model,
        "mode": session.plan.mode,
        "scenarios": len(session.plan.scenarios),
        "categories": dict(Counter(scenario.category for scenario in session.plan.scenarios)),
        "accepted": there,
        "set_aside": left_out,
        "to_make": todo,
        "calls": round(calls * todo),
        "tokens_in": round(tokens_in * todo),
        "tokens_out": round(max(messages, calls) * MESSAGE_TOKENS * todo),
        "cost": price(session),
    }
    return figures, sample


def _print(session: Session, figures: dict[str, Any]) -> None:
    categories = ", ".join(f"{name} {number}" for name, number in figures["categories"].items())
    click.echo(f"{figures['persona']} with {figures['model']}, mode {figures['mode']}")
    click.echo(f"{count(figures['scenarios'], 'scenario')}: {categories}")
    click.echo(f"{count(figures['accepted'], 'conversation')} there, {figures['to_make']:,} to make")
    for reason, number in figures["set_aside"].items():
        click.echo(f"{count(number, 'conversation')} set aside, kept in the store: {reason}")
    click.echo(
        f"about {figures['calls']:,} calls, {figures['tokens_in']:,} tokens in and {figures['tokens_out']:,} out, "
        f"without what is played again; {figures['cost']}"
    )
    click.echo(f"the model: {session.provider.traits.note}")


def _print_requests(scenario: Scenario, rehearsal: Rehearsal) -> None:
    click.echo(
        f"\n━━ {scenario.topic} ({scenario.category}), {count(scenario.turns, 'message')}, scenario {scenario.id}"
    )
    seen = set()
    for request in rehearsal.requests:
        # One request of each kind: the later ones differ by the talk so far.
        kind = (bool(request.prompt), request.messages[0].role if request.messages else request.prompt[:40])
        if kind not in seen:
            seen.add(kind)
            _print_request(request)


def _print_request(request: Request) -> None:
    click.echo(f"── {request.model} · {request.sampling.model_dump(exclude_none=True)} · seed {request.seed}")
    if request.prompt:
        click.echo(request.prompt)
    for message in request.messages:
        click.echo(f"[{message.role}]\n{message.content}")
