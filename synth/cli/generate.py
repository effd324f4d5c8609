"""``synth generate``: play what is not played yet."""

import asyncio
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from synth.cli.common import Session, count, open_session, settings_options, wanted_option
from synth.dataset import stale
from synth.errors import SynthError
from synth.generate.run import Progress, Run
from synth.store import Store

#: Exit status: finished, but less than was asked for.
SHORT = 3


@click.command(name="generate")
@wanted_option
@settings_options
def command(wanted: int | None, **settings: Any) -> None:
    """Play the conversations that are not played yet, and keep them in the store.

    With -n, until there are N accepted ones in all, drawn evenly from the categories; a topic that is new since the
    last run is played first, even where N is reached. Ctrl-C stops after the replies in flight; the same command
    goes on from there.
    """
    session = open_session(settings)
    with session.store(writing=True) as store:
        progress = generate(session, store, wanted)
    sys.exit(status(progress))


def status(progress: Progress) -> int:
    """Return the exit status of a run; raises SynthError when it made nothing that can be used."""
    if progress.accepted == 0:
        rejected = ", ".join(f"{reason} {n}" for reason, n in progress.reasons.most_common())
        earlier = "every scenario was given up in earlier runs; raise attempts" if progress.closed else "stopped"
        raise SynthError(f"no conversation was accepted ({progress.last_error or rejected or earlier})")
    return 0 if progress.accepted >= progress.asked else SHORT


def generate(session: Session, store: Store, wanted: int | None) -> Progress:
    """Play with progress on stderr; say what is done and what was rejected."""
    from synth.cli.progress import Display, duration

    run = Run(session.project, session.plan, store, session.providers, wanted)
    _announce(session, store, run)
    start = time.monotonic()
    with Display(price(session)) as display:
        try:
            progress = asyncio.run(_play(run, session, display))
        except asyncio.CancelledError as error:
            raise click.Abort from error
    for line in _report(progress, session, duration(time.monotonic() - start)):
        say(line)
    if run.stop.is_set():
        say("stopped; everything answered so far is saved, and the same command goes on from here")
    return progress


def _report(progress: Progress, session: Session, took: str) -> Iterator[str]:
    meter = progress.meter
    made = progress.accepted - progress.before
    yield (
        f"{progress.accepted} of {count(progress.wanted, 'conversation')} accepted ({made} in this run), "
        f"{progress.rejected} rejected and played again, {progress.failed} failed · "
        f"{meter.calls:,} calls, {meter.from_store:,} from the store, "
        f"{meter.tokens_in + meter.tokens_out:,} tokens, {took} · {price(session)}"
    )
    if progress.reasons:
        yield "rejected: " + ", ".join(f"{reason} {number}" for reason, number in progress.reasons.most_common())
    if progress.given_up:
        yield f"{count(progress.given_up, 'scenario')} given up after {session.project.settings.attempts} attempts each"
    if progress.closed:
        yield f"{count(progress.closed, 'scenario')} given up in earlier runs; raise attempts in synth.yaml to go on"
    if progress.asked > progress.wanted and not progress.closed:
        yield f"{progress.asked:,} were asked for and there are {progress.wanted:,}: add topics, or raise --takes"
    if progress.last_error:
        yield f"the last failure: {progress.last_error}"


def price(session: Session) -> str:
    """Say what a run costs, as far as that is known."""
    paid = [model for model, provider in session.providers.items() if provider.traits.paid]
    return f"price of {' and '.join(paid)} unknown here" if paid else "free, on this machine"


def say(text: str) -> None:
    """Write a line of report to stderr."""
    click.echo(text, err=True)


def _announce(session: Session, store: Store, run: Run) -> None:
    settings = session.project.settings
    todo = max(0, run.progress.wanted - run.progress.accepted)
    say(
        f"{session.project.persona.name} with {settings.model}, mode {session.plan.mode}: "
        f"{count(todo, 'conversation')} to make, {run.progress.accepted} there already"
    )
    for topic in run.fresh[:5]:
        say(f"new topic, played first: {topic.text} ({topic.category})")
    if len(run.fresh) > 5:
        say(f"… and {count(len(run.fresh) - 5, 'new topic')} more")
    for reason, number in sorted(stale(session.plan, store).items()):
        say(f"{count(number, 'conversation')} set aside, kept in the store: {reason}")


async def _play(run: Run, session: Session, display: Any) -> Progress:
    """Play; the first Ctrl-C lets what is in flight end, the second one does not wait."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def interrupt() -> None:
        if run.stop.is_set() and task:
            task.cancel()
        run.stop.set()

    try:
        loop.add_signal_handler(signal.SIGINT, interrupt)
    except NotImplementedError:  # Windows: Ctrl-C raises KeyboardInterrupt, and loses what is in flight
        say("Ctrl-C stops at once on this system")
    try:
        return await run.play(display)
    finally:
        for provider in session.providers.values():
            await provider.close()
