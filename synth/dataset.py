"""From the store to training files: what the present plan asks for, renamed, in roles, split by topic."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from synth import __version__
from synth.conversation import PERSONA, USER, Conversation
from synth.errors import StoreError, SynthError
from synth.exporters import EXPORTERS, Exporter
from synth.generate.plan import Plan
from synth.normalize.rename import rename
from synth.normalize.roles import to_conversation
from synth.normalize.split import valid_topics
from synth.project import Project
from synth.prompts import TRAINING
from synth.store import Made, Reject, Store

TRAIN, VALID, REJECTED, MANIFEST, CARD = "train.jsonl", "valid.jsonl", "rejected.jsonl", "manifest.json", "README.md"


@dataclass(frozen=True, slots=True)
class Built:
    """What a build wrote: lines by file, conversations by category, and what it left out."""

    folder: Path
    lines: dict[str, int]
    categories: dict[str, int]
    left_out: dict[str, int]
    first: Conversation


def build(project: Project, plan: Plan, store: Store, note: str) -> Built:
    """Write the dataset of the present plan, each file beside its place and then moved into it.

    ``note`` says how good the model is; it goes on the card. Raises SynthError when there is nothing to write.
    """
    accepted = store.accepted_ids()
    wanted = [scenario for scenario in plan.scenarios if scenario.id in accepted]
    if not wanted:
        raise SynthError("there is no accepted conversation to build from; make some with: synth generate")
    held_out = valid_topics(((s.category, s.topic) for s in wanted), project.settings.valid)
    folder = project.dataset_path
    tally = _Tally()
    export: Exporter = EXPORTERS.load("messages")
    try:
        with _Files(folder) as files:
            for conversation in tally.watch(_conversations(project, store, (s.id for s in wanted))):
                held = (conversation.category, conversation.topic) in held_out
                files.write(VALID if held else TRAIN, export(conversation))
            for row in _rejected(plan, store):
                files.write(REJECTED, row)
            left_out = stale(plan, store)
            manifest = _manifest(project, plan, store, tally, files, left_out)
            files.write_text(MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
            files.write_text(CARD, _card(manifest, note))
            files.move()
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}; the files that were there are as they were") from error
    assert tally.first is not None
    return Built(folder, dict(files.lines), dict(tally.categories), dict(left_out), tally.first)


def stale(plan: Plan, store: Store) -> Counter[str]:
    """Count accepted talks that the present plan does not ask for, by what has changed since they were made."""
    ids = {scenario.id for scenario in plan.scenarios}
    topics = {(scenario.category, scenario.topic) for scenario in plan.scenarios}
    reasons: Counter[str] = Counter()
    for made in store.made():
        if made.transcript.id not in ids:
            known = (made.transcript.category, made.transcript.topic) in topics
            otherwise = (
                "expect, audiences, repeat, takes, turns or seed changed" if known else "topic changed or removed"
            )
            reasons[_change(made, plan, otherwise)] += 1
    return reasons


def _change(made: Made, plan: Plan, otherwise: str) -> str:
    changed = [
        name
        for name in plan.made_with.keys() | made.made_with.keys()
        if plan.made_with.get(name) != made.made_with.get(name)
    ]
    # Another persona, model or mode brings other files and sampling with it: the cause is named, not what follows.
    for cause in ("persona", "model", "mode"):
        if cause in changed and cause in made.made_with:
            return f"made with another {cause} ({made.made_with[cause]})"
    return f"{', '.join(sorted(changed))} changed" if changed else otherwise


def _conversations(project: Project, store: Store, ids: Iterable[str]) -> Iterator[Conversation]:
    persona = project.persona
    names = {USER: persona.user, PERSONA: persona.name}
    system = project.templates.render(TRAINING, persona=persona.model_dump())
    silence = persona.silence.mark if persona.silence else ""
    for id_ in ids:
        transcript = rename(store.transcript(id_), names)
        yield to_conversation(transcript, persona.name, system, silence)


class _Tally:
    def __init__(self) -> None:
        self.categories: Counter[str] = Counter()
        self.messages = 0
        self.first: Conversation | None = None

    def watch(self, conversations: Iterable[Conversation]) -> Iterator[Conversation]:
        for conversation in conversations:
            self.first = self.first or conversation
            self.categories[conversation.category] += 1
            self.messages += len(conversation.messages) - 1
            yield conversation


class _Files:
    """Files written under another name, hashed on the way, and moved into place all together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._open: dict[str, Callable[[str], Any]] = {}
        self._hashes: dict[str, Any] = {}
        self.lines: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stack.close()
        finally:
            for name in self._open:
                self._part(name).unlink(missing_ok=True)

    def _part(self, name: str) -> Path:
        return self._folder / f".{name}.{os.getpid()}.part"

    def write_text(self, name: str, text: str) -> None:
        if name not in self._open:
            file = self._stack.enter_context(self._part(name).open("w", encoding="utf-8", newline="\n"))
            self._open[name] = file.write
            self._hashes[name] = hashlib.sha256()
        self._open[name](text)
        self._hashes[name].update(text.encode())

    def write(self, name: str, row: Any) -> None:
        self.write_text(name, json.dumps(row, ensure_ascii=False) + "\n")
        self.lines[name] += 1

    def sha256(self) -> dict[str, str]:
        return {name: digest.hexdigest() for name, digest in sorted(self._hashes.items())}

    def move(self) -> None:
        """Put all files in their places; one that this build has not written goes."""
        self._stack.close()
        for name in self._open:
            self._part(name).replace(self._folder / name)
        for name in {TRAIN, VALID, REJECTED} - self._open.keys():
            (self._folder / name).unlink(missing_ok=True)


def _rejects(plan: Plan, store: Store) -> Iterator[Reject]:
    ids = {scenario.id for scenario in plan.scenarios}
    return (reject for reject in store.rejects() if reject.id in ids)


def _rejected(plan: Plan, store: Store) -> Iterator[dict[str, Any]]:
    for reject in _rejects(plan, store):
        yield {
            "reason": reject.reason,
            "detail": reject.detail,
            "category": reject.category,
            "topic": reject.topic,
            "model": reject.model,
            "turns": [{"speaker": turn.speaker, "text": turn.text} for turn in reject.turns],
        }


def _manifest(
    project: Project, plan: Plan, store: Store, tally: _Tally, files: _Files, left_out: Counter[str]
) -> dict[str, Any]:
    settings = project.settings
    ids = {scenario.id for scenario in plan.scenarios}
    shown = settings.model_dump(exclude_none=True, exclude={"base_url", "concurrency", "threads", "data"})
    return {
        "synth": __version__,
        "made_by": "a language model, both sides; no real person wrote any of it",
        "persona": project.persona.name,
        "model": settings.model,
        "mode": plan.mode,
        "conversations": {"train": files.lines[TRAIN], "valid": files.lines[VALID]},
        "messages": tally.messages,
        "categories": dict(sorted(tally.categories.items())),
        "rejected": dict(sorted(Counter(reject.reason for reject in _rejects(plan, store)).items())),
        "failed": sum(failure.id in ids for failure in store.failures()),
        "left_out": dict(sorted(left_out.items())),
        "settings": shown,
        "made_with": dict(sorted({**plan.made_with, "system.j2": project.templates.fingerprint(TRAINING)}.items())),
        "sha256": files.sha256(),
    }


def _card(manifest: dict[str, Any], note: str) -> str:
    counts, categories = manifest["conversations"], manifest["categories"]
    rows = "\n".join(f"| {name} | {count} |" for name, count in categories.items())
    return f"""# Conversations with {manifest["persona"]}

Made by a language model, both sides: no real person wrote any of it, and nobody has checked what it claims.

* Model: `{manifest["model"]}`, mode `{manifest["mode"]}`. {note}
* {counts["train"]} conversations in `{TRAIN}`, {counts["valid"]} in `{VALID}`; no topic is in both.
* Each line is `{{"messages": [...]}}`: a system prompt, then user and assistant in turns, the assistant last.
* Settings, hashes and what was rejected: `{MANIFEST}`, `{REJECTED}`.

| category | conversations |
|---|---|
{rows}
"""
