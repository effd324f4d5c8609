"""The training files: their whole content, and what is left when they cannot be written."""

import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synth import __version__
from synth.conversation import PERSONA, USER, Turn
from synth.dataset import Built, build, stale
from synth.errors import StoreError, SynthError
from tests.helpers import ROOT
from tests.session import GOOD, Session, as_json

FILES = ["README.md", "manifest.json", "rejected.jsonl", "train.jsonl", "valid.jsonl"]
TOPICS = {
    "academic": "category: academic\ntopics: [why ice floats]\n",
    "adulting": "category: adulting\ntopics: [how to cook rice, reading a payslip]\n",
    "adversarial": "category: adversarial\ntopics: [{topic: user insults the tutor, expect: stops replying}]\n",
}
SCRIPT = (
    {
        "when": "why ice floats",
        "reply": as_json(Turn(USER, "why?"), Turn(PERSONA, "It is lighter \U0001f9ca.\nGuess why.")),
    },
    {"when": "how to cook rice", "reply": "Sure!"},
    {"when": "reading a payslip", "reply": as_json(Turn(USER, "2100?"), Turn(PERSONA, "From the top."))},
    {"when": "user insults", "reply": as_json(Turn(USER, "toaster"), Turn(PERSONA, "<silence>"))},
)


def line(user: str, persona: str) -> str:
    """Return the line of a talk of one question and one answer."""
    system = '{"role": "system", "content": "You are Tim, a patient tutor."}'
    talk = f'{{"role": "user", "content": "{user}"}}, {{"role": "assistant", "content": "{persona}"}}'
    return f'{{"messages": [{system}, {talk}]}}\n'


@pytest.fixture
def tiny(project_dir: Path) -> Session:
    """Play a project of four topics: three talks, and a topic that is given up."""
    for name, text in TOPICS.items():
        (project_dir / "topics" / f"{name}.yaml").write_text(text, encoding="utf-8")
    session = Session(project_dir, *SCRIPT, attempts=1)
    session.run()
    return session


def built(session: Session) -> Built:
    """Build the dataset of what the session has played."""
    with session.store as store:
        return build(session.project, session.plan, store, "Only a test.")


def written(session: Session) -> dict[str, str]:
    """Return all files of the dataset, hidden ones too."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(session.project.dataset_path.iterdir())}


def left_out(session: Session) -> dict[str, int]:
    """Return what the present plan does not ask for."""
    with session.store as store:
        return dict(stale(session.plan, store))


def test_the_whole_dataset_of_a_tiny_project(tiny: Session) -> None:
    """Every file holds what the talks, the rejects and the settings make it hold, and nothing else."""
    result = built(tiny)
    files = written(tiny)
    assert sorted(files) == FILES
    lighter = line("why?", "It is lighter \U0001f9ca.\\nGuess why.")
    assert files["train.jsonl"] == lighter + line("toaster", "<silence>")
    assert files["valid.jsonl"] == line("2100?", "From the top.")
    model = tiny.project.settings.model
    assert json.loads(files["rejected.jsonl"]) == {
        "reason": "malformed",
        "detail": "not the JSON that was asked for: Sure!",
        "category": "adulting",
        "topic": "how to cook rice",
        "model": model,
        "turns": [],
    }
    categories = {"academic": 1, "adulting": 1, "adversarial": 1}
    assert json.loads(files["manifest.json"]) == {
        "synth": __version__,
        "made_by": "a language model, both sides; no real person wrote any of it",
        "persona": "Tim",
        "model": model,
        "mode": "transcript",
        "conversations": {"train": 2, "valid": 1},
        "messages": 6,
        "categories": categories,
        "rejected": {"malformed": 1},
        "failed": 0,
        "left_out": {},
        "settings": {
            "persona": "prompts/tim.yaml",
            "topics": ["topics"],
            "model": model,
            "mode": "transcript",
            "takes": 1,
            "seed": 0,
            "turns": {"min": 2, "max": 4},
            "attempts": 1,
            "retries": 6,
            "sampling": {},
            "valid": 0.1,
        },
        "made_with": {**tiny.plan.made_with, "system.j2": tiny.project.templates.fingerprint("system.j2")},
        "sha256": {name: hashlib.sha256(files[name].encode()).hexdigest() for name in FILES if name.endswith(".jsonl")},
    }
    assert files["README.md"].startswith("# Conversations with Tim\n\nMade by a language model, both sides")
    assert "| academic | 1 |\n| adulting | 1 |\n| adversarial | 1 |\n" in files["README.md"]
    assert f"* Model: `{model}`, mode `transcript`. Only a test.\n" in files["README.md"]
    lines = {"train.jsonl": 2, "valid.jsonl": 1, "rejected.jsonl": 1}
    assert (result.folder, result.lines, result.categories) == (tiny.project.dataset_path, lines, categories)
    assert (result.left_out, result.first.topic) == ({}, "why ice floats")


def test_every_line_alternates_and_no_topic_is_on_both_sides(project_dir: Path) -> None:
    """In a larger project: system, then user and assistant in turns, the assistant last; a topic on one side only."""
    session = Session(project_dir, concurrency=8, takes=2, valid=0.3)
    session.run()
    result = built(session)
    files = written(session)
    talks = {
        name: [json.loads(text)["messages"] for text in files[name].splitlines()]
        for name in ("train.jsonl", "valid.jsonl")
    }
    for messages in [*talks["train.jsonl"], *talks["valid.jsonl"]]:
        roles = [message["role"] for message in messages]
        assert roles == ["system", *["user", "assistant"] * (len(roles) // 2)]
        assert all(message["content"] for message in messages)
    topics = {made.transcript.turns[0].text: made.transcript.topic for made in session.made()}
    train, valid = ({topics[messages[1]["content"]] for messages in side} for side in talks.values())
    assert (train & valid, len(train | valid), result.lines["train.jsonl"]) == (set(), 9, len(talks["train.jsonl"]))


def test_the_same_store_gives_the_same_bytes(tiny: Session) -> None:
    """Built twice, every file has the same bytes."""
    built(tiny)
    before = written(tiny)
    built(tiny)
    assert written(tiny) == before


def test_a_file_that_is_not_wanted_any_more_goes(tiny: Session) -> None:
    """Without a share to hold out there is no valid.jsonl, not even an old one; other files in the folder stay."""
    built(tiny)
    (tiny.project.dataset_path / "notes.txt").write_text("mine", encoding="utf-8")
    tiny.settings["valid"] = 0
    assert built(tiny).lines == {"train.jsonl": 3, "rejected.jsonl": 1}
    assert sorted(written(tiny)) == sorted({*FILES, "notes.txt"} - {"valid.jsonl"})


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text in a file."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("prompts/tim.yaml", "dry sense", "fine sense", {"prompts/tim.yaml changed": 3}),
        ("prompts/transcript.j2", "one chat", "a chat", {"prompts/transcript.j2 changed": 3}),
        ("topics/academic.yaml", "why ice floats", "why ice swims", {"topic changed or removed": 1}),
        ("topics/adversarial.yaml", "stops replying", "sets a limit", {
            "expect, audiences, repeat, takes, turns or seed changed": 1,
        }),
        ("prompts/tim.yaml", "You are Tim, a patient tutor.", "You are Tim.", {}),
        ("prompts/system.j2", "{{ persona.system }}", "{{ persona.system }} Now.", {}),
        ("prompts/user.j2", "person", "human", {}),
    ],
)  # fmt: skip
def test_what_the_plan_does_not_ask_for_is_left_out_with_its_reason(
    tiny: Session, path: str, old: str, new: str, expected: dict[str, int]
) -> None:
    """A change of a file sets aside the talks that it shaped and names it; what shapes no talk sets nothing aside."""
    edit(tiny.folder / path, old, new)
    assert left_out(tiny) == expected


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"model": "scripted/demo"}, "made with another model ({model})"),
        ({"mode": "duet"}, "made with another mode (transcript)"),
        ({"sampling": {"temperature": 0.5}}, "sampling changed"),
        ({"seed": 1}, "expect, audiences, repeat, takes, turns or seed changed"),
        ({"turns": {"min": 20, "max": 20}}, "expect, audiences, repeat, takes, turns or seed changed"),
    ],
)
def test_a_changed_setting_is_the_reason(tiny: Session, settings: dict[str, Any], reason: str) -> None:
    """Another model, mode, sampling, seed or length sets all talks aside; the cause is named, not what follows."""
    model = tiny.project.settings.model
    tiny.settings |= settings
    assert left_out(tiny) == {reason.format(model=model): 3}


def test_what_is_left_out_is_counted_and_not_written(tiny: Session) -> None:
    """A talk about a topic that is gone is in no file, and the manifest says why."""
    edit(tiny.folder / "topics" / "adulting.yaml", "reading a payslip", "reading a bill")
    result = built(tiny)
    files = written(tiny)
    assert "From the top." not in files["train.jsonl"] + files["valid.jsonl"]
    reasons = {"topic changed or removed": 1}
    assert (result.left_out, json.loads(files["manifest.json"])["left_out"]) == (reasons, reasons)


def test_nothing_accepted_is_said_and_writes_nothing(project_dir: Path) -> None:
    """Without a single accepted talk there is no dataset, and the one line says what to do."""
    session = Session(project_dir, GOOD)
    with pytest.raises(SynthError) as caught:
        built(session)
    assert str(caught.value) == "there is no accepted conversation to build from; make some with: synth generate"
    assert not session.project.dataset_path.exists()


def test_a_dataset_folder_that_is_a_file_is_one_line(tiny: Session) -> None:
    """Where the folder should be there is a file: one line, and the file is as it was."""
    folder = tiny.project.dataset_path
    folder.write_text("mine", encoding="utf-8")
    with pytest.raises(StoreError) as caught:
        built(tiny)
    assert str(caught.value) == f"{folder}: File exists; the files that were there are as they were"
    assert folder.read_text(encoding="utf-8") == "mine"


LIMITED = """
import resource, sys
from pathlib import Path
from synth.dataset import build
from synth.errors import StoreError
from tests.session import Session
session = Session(Path(sys.argv[1]), attempts=1, mode="transcript", model=sys.argv[2], valid=0, takes=2)
with session.store as store:
    list(store.made())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), before[1]))
    try:
        build(session.project, session.plan, store, "")
    except StoreError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
"""


@pytest.mark.parametrize(("room", "system"), [(10, "Short."), (600, "Short."), (5000, "Long. " * 700)])
def test_a_disk_without_room_leaves_the_old_files(tiny: Session, room: int, system: str) -> None:
    """When the system refuses to write, at whatever file, the old files are as they were and no half one is left."""
    tiny.settings["takes"] = 2
    tiny.run()
    built(tiny)
    before = written(tiny)
    edit(tiny.folder / "prompts" / "tim.yaml", "You are Tim, a patient tutor.", system)
    command = [sys.executable, "-c", LIMITED, str(tiny.folder), tiny.project.settings.model, str(room)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    folder = tiny.project.dataset_path
    expected = f"{folder}: File too large; the files that were there are as they were\n"
    assert (done.stdout, done.stderr, done.returncode) == (expected, "", 0)
    assert written(tiny) == before


def test_a_talk_that_says_little_of_how_it_was_made_is_left_out_too(tiny: Session) -> None:
    """What an older store has not noted is no reason to stop: all that is not known to be the same has changed."""
    with tiny.store as store:
        before = len(list(store.made()))
    with sqlite3.connect(tiny.project.store_path) as db:
        db.execute("update transcript set made_with = '{}', id = 'old' || id")
    db.close()
    names = ", ".join(sorted(tiny.plan.made_with))
    assert left_out(tiny) == {f"{names} changed": before}
