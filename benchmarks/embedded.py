"""The embedded model at its real work: eight talks of four messages, by slots and threads, against one slot.

A slot is a talk that plays at once. Every row plays the same eight scenarios into an empty store, over a server of its
own; "written" are the tokens that the model wrote, which is what a reader waits for. A busy machine makes more than one
thread slower, not faster: see the load that is printed.
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path

from synth.generate.plan import make_plan
from synth.generate.run import Progress, Run
from synth.project import open_project
from synth.providers import local, open_provider
from synth.providers.base import Options
from synth.store import Store

TALKS = 8
MODEL = f"local/{local.BUNDLED}"

#: Slots and threads; the first row is the baseline.
ROWS = ((1, 1), (1, 2), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2))


def play(slots: int, threads: int, folder: Path) -> tuple[float, Progress]:
    """Play the talks; return the seconds it took, without the start of the server, and what was done."""
    flags = {"model": MODEL, "data": str(folder), "turns": {"min": 4, "max": 4}, "concurrency": slots}
    project = open_project(flags, environ={})
    provider = open_provider(MODEL, Options(threads=threads, concurrency=slots))
    plan = make_plan(project, provider.traits)
    start: list[float] = []

    def watch(progress: Progress) -> None:
        """Begin to count with the first reply, when the server is up."""
        if progress.meter.calls and not start:
            start.append(time.monotonic())

    async def run(store: Store) -> Progress:
        progress = await Run(project, plan, store, {MODEL: provider}, TALKS).play(watch)
        await provider.close()
        return progress

    with Store(project.store_path, writing=True) as store:
        progress = asyncio.run(run(store))
    return time.monotonic() - start[0], progress


def main() -> None:
    """Measure and print."""
    print(f"\n{'embedded model':<22} {'seconds':>8} {'written/s':>10} {'× one slot':>11}   load")
    baseline = 0.0
    for slots, threads in ROWS:
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as folder:
            seconds, progress = play(slots, threads, Path(folder))
        speed = progress.meter.tokens_out / seconds
        baseline = baseline or speed
        name = f"{slots} slot{'s' * (slots > 1)}, {threads} thread{'s' * (threads > 1)}"
        print(f"{name:<22} {seconds:>8.1f} {speed:>10.1f} {speed / baseline:>11.2f}   {load:.1f}", flush=True)


if __name__ == "__main__":
    main()
