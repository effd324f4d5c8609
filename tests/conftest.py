"""Fixtures, and how hypothesis is to run: the same examples every time, with no clock."""

from pathlib import Path

import hypothesis
import pytest

from tests.cli import Shell
from tests.helpers import make_project

hypothesis.settings.register_profile("synth", deadline=None, derandomize=True)
hypothesis.settings.load_profile("synth")


@pytest.fixture
def project_dir(tmp_path: Path) -> Path:
    """Make a small project, complete, in a folder of its own."""
    return make_project(tmp_path / "project")


@pytest.fixture
def synth(project_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Stand in the small project, with the command line at hand."""
    return Shell(project_dir, monkeypatch, capsys)
