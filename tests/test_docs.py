"""The documentation cannot lie: its commands run, and what is made from the code is up to date."""

import re
import shlex
from pathlib import Path

import pytest

from docs import generate
from tests.cli import Shell
from tests.helpers import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def commands(page: Path) -> list[str]:
    """Return the `synth` commands in a page: lines of shell blocks, and code in the text."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.removeprefix("$ ").split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`(synth [a-z][^`]*)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    found = [line.removeprefix(".venv/bin/") for line in [*lines, *inline]]
    return [line for line in found if line.startswith("synth ")]


def test_pages_made_from_the_code_are_up_to_date() -> None:
    """`make docs` would change nothing."""
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == generate.commands()
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == generate.settings()


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_commands_in_the_docs_run(page: Path, synth: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command on a page ends well in a project, with the model replaced by the one that needs none."""
    monkeypatch.setenv("SYNTH_MODEL", "scripted/demo")
    for name in ("brina.yaml",):
        (synth.folder / "prompts" / name).write_text(
            (ROOT / "prompts" / name).read_text(encoding="utf-8"), encoding="utf-8"
        )
    synth("run", "-n", "3")
    for line in commands(page):
        words = shlex.split(line)[1:]
        if "--model" in words:
            words[words.index("--model") + 1] = "scripted/demo"
        ended = synth(*words)
        assert ended.status == 0, f"{line}: {ended.err}"


def test_make_targets_in_the_readme_exist() -> None:
    """Every `make` command of the README is a target of the Makefile."""
    named = set(re.findall(r"make ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= targets


def test_links_lead_somewhere() -> None:
    """Relative links of all pages lead to files."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
