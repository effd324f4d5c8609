"""The command line, called in this process."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from synth.cli import main


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


class Shell:
    """A folder that one stands in, with an environment that nothing outside the test has shaped."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.chdir(folder)
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "SYNTH_THREADS"):
            monkeypatch.delenv(name, raising=False)

    def __call__(self, *args: str) -> Ended:
        """Run ``synth`` with these arguments."""
        self._monkeypatch.setattr(sys, "argv", ["synth", *args])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        written = self._capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, written.out, written.err)
