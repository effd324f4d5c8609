"""Progress on stderr: a live line in a terminal, a plain line now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from synth.generate.run import Progress

#: Seconds between plain lines.
PLAIN_EVERY = 10.0
#: Talks that must be made before the time to come is guessed.
SETTLED = 4


class Display:
    """Shows a Progress; use as a context manager and call it with each change."""

    def __init__(self, price: str) -> None:
        self._console = Console(stderr=True)
        self._live = (
            Live(console=self._console, refresh_per_second=8, transient=True) if self._console.is_terminal else None
        )
        self._price = price
        self._start = self._shown = time.monotonic()

    def __enter__(self) -> Self:
        """Start to show."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the live line off the screen."""
        if self._live:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show the progress, as often as is good to look at."""
        now = time.monotonic()
        if self._live:
            if now - self._shown > 0.1:
                self._shown = now
                self._live.update(self._row(progress))
        elif now - self._shown > PLAIN_EVERY:
            self._shown = now
            print(self._words(progress), file=sys.stderr, flush=True)  # noqa: T201 - this is the command line

    def _row(self, progress: Progress) -> Table:
        row = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(1, progress.wanted), completed=progress.accepted, width=24)
        row.add_row(Text(f"{progress.accepted}/{progress.wanted}"), bar, Text(self._details(progress), style="dim"))
        return row

    def _words(self, progress: Progress) -> str:
        return f"{progress.accepted}/{progress.wanted} accepted · {self._details(progress)}"

    def _details(self, progress: Progress) -> str:
        meter = progress.meter
        seconds = time.monotonic() - self._start
        parts = [f"{progress.playing} playing"]
        parts += [f"{progress.rejected} rejected"] if progress.rejected else []
        parts += [f"{progress.failed} failed"] if progress.failed else []
        parts += [f"{meter.retries} retries"] if meter.retries else []
        parts += [f"{meter.from_store} from store"] if meter.from_store else []
        parts += [f"{meter.tokens_out:,} tokens", f"{meter.tokens_out / max(seconds, 0.001):.0f}/s", self._price]
        made = progress.accepted - progress.before
        # The first talks end late, since all of them begin at once: they say little about the rest.
        if made >= SETTLED and progress.wanted > progress.accepted:
            left = seconds / made * (progress.wanted - progress.accepted)
            parts.append(f"about {duration(left)} left")
        return " · ".join(parts)


def duration(seconds: float) -> str:
    """Return ``40 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
