"""``synth plan``: a dry run."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import click

from synth.cli.common import Session, count, open_session, settings_options, wanted_option
from synth.cli.generate import price
from synth.dataset import stale
from synth.generate.plan import Scenario
from synth.generate.rehearse import MESSAGE_TOKENS, Rehearsal, rehearse
from synth.generate.run import make_cast
from synth.providers.base import Request

#: Scenarios that the estimate is made from.
SAMPLE = 20

T = TypeVar("T")
Talk = tuple[Scenario, Rehearsal]


@click.command(name="plan")
@wanted_option
@click.option(
    "--show",
    type=click.IntRange(0),
    default=0,
    metavar="K",
    help="Print the first requests of K talks, as they would be sent.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures, and the requests of --show, as JSON.")
@settings_options
def command(wanted: int | None, show: int, *, as_json: bool, **settings: Any) -> None:
    """Say what a run would do: scenarios, calls, tokens, cost. No model is asked and no key is needed."""
    session = open_session(settings)
    with session.store() as store:
        accepted = store.accepted_ids()
        left_out = dict(stale(session.plan, store))
    pending = [scenario for scenario in session.plan.scenarios if scenario.id not in accepted]
    done = [scenario for scenario in session.plan.scenarios if scenario.id in accepted]
    shown = spread(pending, show)
    shown += spread(done, show - len(shown))
    todo = len(pending) if wanted is None else min(len(pending), max(0, wanted - len(done)))
    figures = _counts(session, len(done), left_out, todo) | _estimate(session, pending, todo)
    talks = _rehearse(session, shown)
    if as_json:
        figures["requests"] = [_row(*talk) for talk in talks]
        click.echo(json.dumps(figures, indent=2, ensure_ascii=False))
        return
    _print(session, figures)
    for talk in talks:
        _print_requests(*talk)


def spread(items: Sequence[T], number: int) -> list[T]:
    """Take that many of the items at even distances from the first one on, or all where there are fewer."""
    number = min(number, len(items))
    return [items[index * len(items) // number] for index in range(number)]


def _rehearse(session: Session, scenarios: Iterable[Scenario]) -> list[Talk]:
    cast = make_cast(session.project, session.providers)

    async def play() -> list[Talk]:
        return [(scenario, await rehearse(scenario, cast)) for scenario in scenarios]

    return asyncio.run(play())


def _counts(session: Session, there: int, left_out: dict[str, int], todo: int) -> dict[str, Any]:
    return {
        "persona": session.project.persona.name,
        "model": session.project.settings.model,
        "mode": session.plan.mode,
        "scenarios": len(session.plan.scenarios),
        "categories": dict(Counter(scenario.category for scenario in session.plan.scenarios)),
        "accepted": there,
        "set_aside": left_out,
        "to_make": todo,
    }


def _estimate(session: Session, pending: Sequence[Scenario], todo: int) -> dict[str, Any]:
    # The plan goes category by category: a sample from all of it has each with its weight.
    sample = _rehearse(session, spread(pending, SAMPLE))
    talks = max(1, len(sample))
    calls = sum(len(rehearsal.requests) for _, rehearsal in sample) / talks
    tokens_in = sum(rehearsal.tokens_in for _, rehearsal in sample) / talks
    messages = sum(scenario.turns for scenario, _ in sample) / talks
    return {
        "calls": round(calls * todo),
        "tokens_in": round(tokens_in * todo),
        "tokens_out": round(max(messages, calls) * MESSAGE_TOKENS * todo),
        "cost": price(session),
    }


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
    for request in _first_of_each_kind(rehearsal):
        _print_request(request)


def _first_of_each_kind(rehearsal: Rehearsal) -> list[Request]:
    """Leave out the later requests of a kind, which differ by the talk so far."""
    first: dict[tuple[bool, str], Request] = {}
    for request in rehearsal.requests:
        kind = (bool(request.prompt), request.messages[0].role if request.messages else request.prompt[:40])
        first.setdefault(kind, request)
    return list(first.values())


def _print_request(request: Request) -> None:
    click.echo(f"── {request.model} · {request.sampling.model_dump(exclude_none=True)} · seed {request.seed}")
    if request.prompt:
        click.echo(request.prompt)
    for message in request.messages:
        click.echo(f"[{message.role}]\n{message.content}")


def _row(scenario: Scenario, rehearsal: Rehearsal) -> dict[str, Any]:
    return {
        "scenario": scenario.id,
        "topic": scenario.topic,
        "category": scenario.category,
        "requests": [_request_row(request) for request in _first_of_each_kind(rehearsal)],
    }


def _request_row(request: Request) -> dict[str, Any]:
    row = {
        "model": request.model,
        "sampling": request.sampling.model_dump(exclude_none=True),
        "seed": request.seed,
    }
    if request.prompt:
        return row | {"prompt": request.prompt}
    return row | {"messages": [{"role": message.role, "content": message.content} for message in request.messages]}
