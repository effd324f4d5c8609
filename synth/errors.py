"""Every error of ours, on one page.

::

    SynthError
    ├── InputError (ValueError)          what the user wrote is wrong: file:line, what was expected, how to mend it
    ├── StoreError (OSError)             the project's database: another run holds it, newer version, full disk
    └── ProviderError (RuntimeError)     a model did not answer
        ├── TransientError               asking again may help (429, 5xx, timeouts, a body that does not parse)
        ├── RequestRefusedError          this request will never be answered; others may be
        │   └── UnsupportedError         the server does not know one of the parameters
        └── SetupError                   no request will be answered: key, model name, server that is down

Errors of other packages are translated where they enter (``raise ... from``) and caught in one place, the
command line. Generation alone turns a :class:`ProviderError` into a recorded failure.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


class SynthError(Exception):
    """What the command line shows as one line, with exit status 1."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file something stands; line and column count from 1."""

    path: Path
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return ``path``, ``path:line`` or ``path:line:column``."""
        return ":".join([str(self.path), *(str(n) for n in (self.line, self.column) if n)])


class InputError(SynthError, ValueError):
    """Something the user wrote is wrong; the message opens with the place, where there is one."""

    def __init__(self, problem: str, place: Place | None = None) -> None:
        super().__init__(f"{place}: {problem}" if place else problem)
        self.problem = problem
        self.place = place


class StoreError(SynthError, OSError):
    """The store cannot be opened or written."""


class ProviderError(SynthError, RuntimeError):
    """A model did not answer."""


class TransientError(ProviderError):
    """Asking again may help, after ``retry_after`` seconds where the server named them."""

    def __init__(self, problem: str, retry_after: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


class RequestRefusedError(ProviderError):
    """The server will not answer this request however often it is asked."""


class UnsupportedError(RequestRefusedError):
    """The server does not know the parameter ``name``."""

    def __init__(self, problem: str, name: str) -> None:
        super().__init__(problem)
        self.name = name


class SetupError(ProviderError):
    """Nothing can be asked before the user has mended something."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known name closest to ``name``, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
