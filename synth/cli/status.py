"""``synth status``: what is in the store."""

import json
from collections import Counter
from typing import Any

import click

from synth.cli.common import Session, count, open_session, settings_options
from synth.dataset import stale
from synth.generate.run import given_up
from synth.store import Store


@click.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@settings_options
def command(*, as_json: bool, **settings: Any) -> None:
    """Say what is in the store: accepted and pending by category, rejected by reason, failed, tokens by model."""
    session = open_session(settings)
    with session.store() as store:
        figures = _figures(session, store)
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    else:
        _print(session, figures)


def _figures(session: Session, store: Store) -> dict[str, Any]:
    accepted = store.accepted_ids()
    ids = {scenario.id for scenario in session.plan.scenarios}
    closed = given_up(ids - accepted, store.attempts(), session.project.settings.attempts)
    categories = {
        name: {
            "accepted": sum(scenario.id in accepted for scenario in scenarios),
            "pending": sum(scenario.id not in accepted | closed for scenario in scenarios),
            "given_up": sum(scenario.id in closed for scenario in scenarios),
        }
        for name, scenarios in session.plan.by_category().items()
    }
    return {
        "store": str(session.project.store_path),
        "categories": categories,
        "set_aside": dict(sorted(stale(session.plan, store).items())),
        "rejected": dict(Counter(reject.reason for reject in store.rejects() if reject.id in ids).most_common()),
        "failed": dict(Counter(failure.error for failure in store.failures() if failure.id in ids).most_common()),
        "models": {
            model: {"calls": calls, "tokens_in": tokens_in, "tokens_out": tokens_out}
            for model, (calls, tokens_in, tokens_out) in sorted(store.totals().items())
        },
    }


def _print(session: Session, figures: dict[str, Any]) -> None:
    click.echo(f"{figures['store']}: {session.project.persona.name} with {session.project.settings.model}")
    for name, numbers in figures["categories"].items():
        gone = f" {numbers['given_up']:>6,} given up" if numbers["given_up"] else ""
        click.echo(f"  {name:<14} {numbers['accepted']:>6,} accepted {numbers['pending']:>6,} pending{gone}")
    for reason, number in figures["set_aside"].items():
        click.echo(f"set aside: {count(number, 'conversation')}: {reason}")
    for reason, number in figures["rejected"].items():
        click.echo(f"rejected: {number:,} {reason}")
    for error, number in figures["failed"].items():
        click.echo(f"failed: {number:,} {error}")
    for model, used in figures["models"].items():
        tokens = f"{used['tokens_in']:,} tokens in, {used['tokens_out']:,} out"
        click.echo(f"asked: {model}, {count(used['calls'], 'call')}, {tokens}")
