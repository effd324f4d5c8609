"""Tokens a second of the embedded model: slots, threads and the prompt cache, against one slot.

Each row asks the same 16 turns (prompts as `synth run` sends them, 40 tokens each) of a server of its own. The baseline
is one slot and one thread. A busy machine makes more than one thread slower, not faster: see the load that is printed.
"""

import asyncio
import os
import time
from dataclasses import replace

from synth.conversation import USER, Turn
from synth.generate.plan import make_plan
from synth.generate.run import make_cast
from synth.project import open_project
from synth.providers import local, open_provider
from synth.providers.base import Options, Request

TURNS, TOKENS = 16, 40
MODEL = f"local/{local.BUNDLED}"


def requests() -> list[Request]:
    """Return second turns of talks from all over the plan."""
    project = open_project({"model": MODEL}, environ={})
    provider = open_provider(MODEL, Options())
    cast = make_cast(project, {MODEL: provider})
    scenarios = make_plan(project, provider.traits).scenarios
    sampling = provider.traits.sampling.model_copy(update={"max_tokens": TOKENS})
    asked = []
    for scenario in scenarios[:: len(scenarios) // TURNS][:TURNS]:
        opener = [Turn(USER, f"tell me about {scenario.topic}")]
        prompt = cast.render("continue.j2", scenario, 0, shown=3, turns=opener, next="persona")
        asked.append(Request(MODEL, prompt=prompt, seed=scenario.seed, sampling=sampling))
    return asked


async def tokens_a_second(slots: int, threads: int, rounds: int = 1) -> float:
    """Ask all requests ``rounds`` times, ``slots`` at a time; return the written tokens a second of the last round."""
    provider = open_provider(MODEL, Options(threads=threads, concurrency=slots))
    gate = asyncio.Semaphore(slots)

    async def one(request: Request) -> int:
        async with gate:
            return (await provider.complete(request)).tokens_out

    asked = requests()
    # The first request starts the server and is not measured.
    await one(replace(asked[0], prompt="Hello", sampling=asked[0].sampling.model_copy(update={"max_tokens": 1})))
    for _ in range(rounds):
        start = time.monotonic()
        written = sum(await asyncio.gather(*(one(request) for request in asked)))
        seconds = time.monotonic() - start
    await provider.close()
    return written / seconds


ROWS: tuple[tuple[str, dict[str, int]], ...] = (
    ("1 slot, 1 thread", {"slots": 1, "threads": 1}),
    ("1 slot, 2 threads", {"slots": 1, "threads": 2}),
    ("4 slots, 1 thread", {"slots": 4, "threads": 1}),
    ("4 slots, 2 threads", {"slots": 4, "threads": 2}),
    ("8 slots, 2 threads", {"slots": 8, "threads": 2}),
    ("16 slots, 2 threads", {"slots": 16, "threads": 2}),
    ("16 slots, 2 threads, prompts cached", {"slots": 16, "threads": 2, "rounds": 2}),
)


def main() -> None:
    """Measure and print."""
    print(f"\n{'embedded model':<38} {'tokens/s':>9} {'ratio':>6}   load")
    baseline = 0.0
    for name, row in ROWS:
        load = os.getloadavg()[0]
        speed = asyncio.run(tokens_a_second(**row))
        baseline = baseline or speed
        print(f"{name:<38} {speed:>9.1f} {speed / baseline:>6.2f}   {load:.1f}", flush=True)


if __name__ == "__main__":
    main()
