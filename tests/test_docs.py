"""The documentation cannot lie: its commands run, and what is made from the code is up to date."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from docs import generate
from tests.cli import Shell
from tests.helpers import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def blocks(page: Path) -> list[list[str]]:
    """Return the shell blocks of a page, without comments; then each `synth` command in the text, as one of its own."""
    text = page.read_text(encoding="utf-8")
    found = [
        [line.removeprefix("$ ").split("  #")[0].strip() for line in block.splitlines()]
        for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]
    inline = re.findall(r"`(synth [a-z][^`]*)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [*found, *([line] for line in inline)]


def commands(block: list[str]) -> list[list[str]]:
    """Return the words of the lines that run here: `synth`, and `cd`, which says where the next ones do."""
    words = [shlex.split(line.removeprefix(".venv/bin/")) for line in block]
    return [line for line in words if line and line[0] in {"synth", "cd"}]


def test_pages_made_from_the_code_are_up_to_date() -> None:
    """`make docs` would change nothing."""
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == generate.commands()
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == generate.settings()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(map(commands, blocks(page)))], ids=lambda page: page.name
)
def test_commands_in_the_docs_run(page: Path, synth: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command on a page ends well where the page runs it, with the model replaced by the one that needs none."""
    monkeypatch.setenv("SYNTH_MODEL", "scripted/demo")
    for name in ("prompts/brina.yaml", "topics/adversarial.yaml"):
        shutil.copy(ROOT / name, synth.folder / name)
    synth("run", "-n", "3")
    for block in blocks(page):
        monkeypatch.chdir(synth.folder)
        for name, *words in commands(block):
            if name == "cd":
                monkeypatch.chdir(words[0])
                continue
            if "--model" in words:
                words[words.index("--model") + 1] = "scripted/demo"
            ended = synth(*words)
            assert ended.status == 0, f"{words}: {ended.err}"


def test_own_persona_is_made_and_played_as_the_readme_says(synth: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block finds the command before it uses it, and what it plays is the new persona in its own folder."""
    block = next(block for block in blocks(ROOT / "README.md") if any(line.startswith("synth init") for line in block))
    assert block[:3] == [". .venv/bin/activate", "synth init my-bot --name Mia", "cd my-bot"]
    monkeypatch.setenv("SYNTH_MODEL", "scripted/demo")
    for name, *words in commands(block):
        if name == "cd":
            monkeypatch.chdir(words[0])
        else:
            assert synth(*words).status == 0
    train = (synth.folder / "my-bot" / "data" / "dataset" / "train.jsonl").read_text(encoding="utf-8")
    assert "You are Mia." in train
    assert not (synth.folder / "data").exists()


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
