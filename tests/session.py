"""Playing in tests: one talk, or runs over a project, with replies by script and settings laid over it."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.conversation import PERSONA, USER, Turn
from synth.generate.guards import Rejected
from synth.generate.plan import Plan, make_plan
from synth.generate.run import MODES, Progress, Run, make_cast
from synth.project import Project, open_project
from synth.providers import open_provider
from synth.providers.base import Options, Provider, Reply, Request
from synth.store import Failure, Made, Reject, Store

TURNS = (Turn(USER, "how does that go?"), Turn(PERSONA, "Take one piece of it first."))


def as_json(*turns: Turn) -> str:
    """Write turns the way a structured answer holds them."""
    return json.dumps({"turns": [{"speaker": turn.speaker, "text": turn.text} for turn in turns]})


FOSSILS = "how fossils form in mud"

GOOD = {"reply": as_json(*TURNS)}


def nothing(run: Run, progress: Progress) -> None:
    """Watch a run without a word."""


class Session:
    """A project of which any number of runs are played; every setting can be laid over it."""

    def __init__(self, folder: Path, *rows: dict[str, str], **settings: Any) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = {"concurrency": 1, "turns": {"min": 2, "max": 4}, **settings}
        self.wrap: Callable[[Provider], Provider] = lambda provider: provider
        self.watch: Callable[[Run, Progress], None] = nothing
        if rows:
            self.script(*rows)

    def script(self, *rows: dict[str, str]) -> None:
        """Answer from these rows, a whole talk in each, from now on."""
        path = self.folder / "replies.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        self.settings |= {"model": f"scripted/{path}", "mode": "transcript"}

    @property
    def project(self) -> Project:
        """The project as its files are now."""
        return open_project(self.settings, self.folder, {})

    @property
    def plan(self) -> Plan:
        """Its plan."""
        return make_plan(self.project, open_provider(self.project.settings.model, Options()).traits)

    @property
    def store(self) -> Store:
        """Its store, opened."""
        return Store(self.project.store_path, writing=True)

    def run(self, wanted: int | None = None) -> Progress:
        """Play once."""
        settings = self.project.settings
        options = Options(settings.base_url)
        models = {settings.model, settings.user_model or settings.model}
        providers = {model: self.wrap(open_provider(model, options)) for model in models}

        async def play(store: Store) -> Progress:
            run = Run(self.project, self.plan, store, providers, wanted)
            try:
                async with asyncio.timeout(20):
                    return await run.play(lambda progress: self.watch(run, progress))
            finally:
                for provider in providers.values():
                    await provider.close()

        with self.store as store:
            return asyncio.run(play(store))

    def made(self) -> list[Made]:
        """Return what is accepted."""
        with self.store as store:
            return list(store.made())

    def rejects(self) -> list[Reject]:
        """Return what is rejected."""
        with self.store as store:
            return list(store.rejects())

    def failures(self) -> list[Failure]:
        """Return what failed."""
        with self.store as store:
            return list(store.failures())

    def topics(self) -> set[str]:
        """Return the topics of what is accepted."""
        return {made.transcript.topic for made in self.made()}

    def add_topic(self, text: str) -> None:
        """Add a line to a topic file."""
        path = self.folder / "topics" / "academic.yaml"
        path.write_text(f"{path.read_text(encoding='utf-8')}  - {text}\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a talk, and what was asked for it."""

    turns: tuple[Turn, ...]
    rejected: tuple[str, str] | None
    requests: list[Request]


def play(folder: Path, mode: str, *replies: str | dict[str, str], topic: str = FOSSILS) -> Played:
    """Play the topic's first scenario with a file of replies."""
    path = folder / "replies.jsonl"
    rows = [row if isinstance(row, dict) else {"reply": row} for row in replies]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return play_with(folder, mode, f"scripted/{path}", topic)


def play_with(folder: Path, mode: str, model: str, topic: str = FOSSILS, base_url: str | None = None) -> Played:
    """Play the topic's first scenario, four messages long, with a model."""
    project = open_project({"model": model, "mode": mode, "turns": {"min": 4, "max": 4}}, folder, {})
    provider = open_provider(model, Options(base_url=base_url))
    scenario = next(s for s in make_plan(project, provider.traits).scenarios if s.topic == topic)
    requests: list[Request] = []

    async def ask(request: Request) -> Reply:
        requests.append(request)
        return await provider.complete(request)

    async def run() -> Played:
        try:
            turns = await MODES[mode](scenario, make_cast(project, {model: provider}), ask, 0)
        except Rejected as rejected:
            return Played(rejected.turns, (rejected.reason, rejected.detail), requests)
        finally:
            await provider.close()
        return Played(turns, None, requests)

    return asyncio.run(run())
