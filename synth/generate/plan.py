"""Topics, audiences, takes and a persona → scenarios, whose id is the hash of what they are."""

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from synth.generate.cards import UserCard, sample_card
from synth.identity import fingerprint
from synth.project import Lengths, Project, Sampling
from synth.prompts import TEMPLATES, TRAINING
from synth.providers.base import Traits
from synth.topics import Topic


@dataclass(frozen=True)
class Scenario:
    """One talk to be played.

    ``turns`` counts the messages of both sides together. ``made_with`` maps each thing beyond the topic that shapes
    the talk (persona, templates, model, sampling) to its fingerprint. ``seed`` follows from the topic, the audience,
    the take and the project's seed alone, so a template that is edited back asks the same requests again.
    """

    category: str
    topic: str
    expect: tuple[str, ...]
    audience: str
    take: int
    persona: str
    mode: str
    turns: int
    seed: int
    made_with: Mapping[str, str] = field(hash=False)

    @cached_property
    def id(self) -> str:
        """The hash of the content: resume key and record id in one."""
        return fingerprint(asdict(self))

    @cached_property
    def card(self) -> UserCard:
        """Who the simulated user is this time."""
        return sample_card(self.seed)


@dataclass(frozen=True, slots=True)
class Plan:
    """All scenarios of a project, in the order they are played within their category."""

    scenarios: tuple[Scenario, ...]
    mode: str
    made_with: Mapping[str, str]

    def by_category(self) -> dict[str, list[Scenario]]:
        """Return the scenarios by category, in order."""
        groups: dict[str, list[Scenario]] = {}
        for scenario in self.scenarios:
            groups.setdefault(scenario.category, []).append(scenario)
        return groups


def make_plan(project: Project, traits: Traits) -> Plan:
    """Multiply topics by audiences and takes; raises InputError where a file of the project is wrong."""
    # Only a build needs the training prompt: a mistake in it is better known before anything is played.
    project.templates.render(TRAINING, persona=project.persona.model_dump())
    mode = traits.mode if project.settings.mode == "auto" else project.settings.mode
    made_with = _made_with(project, mode, project.settings.sampling.over(traits.sampling))
    groups: dict[str, list[tuple[tuple[int, int, str], Scenario]]] = {}
    for topic in project.topics:
        groups.setdefault(topic.category, []).extend(_scenarios(topic, project, mode, made_with))
    ordered = (scenario for group in groups.values() for _, scenario in sorted(group, key=lambda item: item[0]))
    return Plan(tuple(ordered), mode, made_with)


def _made_with(project: Project, mode: str, sampling: Sampling) -> dict[str, str]:
    settings = project.settings
    made_with = {
        "persona": project.persona.name,
        "model": settings.model,
        "mode": mode,
        "sampling": fingerprint(sampling.model_dump(exclude_none=True)),
    }
    if settings.user_model and mode != "transcript":
        made_with["user model"] = settings.user_model
    # However the path is written, and wherever the project lies, the same files have the same names.
    path, root = project.persona_path.resolve(), project.root.resolve()
    shown = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    made_with[shown.as_posix()] = fingerprint(project.persona.model_dump(exclude={"system"}))
    for name in TEMPLATES[mode]:
        made_with[shown.with_name(name).as_posix()] = project.templates.fingerprint(name)
    return made_with


def _scenarios(
    topic: Topic, project: Project, mode: str, made_with: Mapping[str, str]
) -> Iterator[tuple[tuple[int, int, str], Scenario]]:
    """Give each scenario with its place in the order: every topic once before any topic twice."""
    settings, persona = project.settings, project.persona
    shift = _number(topic.key) % len(topic.audiences)
    for take in range(settings.takes * topic.repeat):
        for index, audience in enumerate(topic.audiences):
            spot = (*topic.key, audience, take, persona.name)
            seed = _number((settings.seed, *spot))
            scenario = Scenario(
                category=topic.category,
                topic=topic.text,
                expect=topic.expect,
                audience=audience,
                take=take,
                persona=persona.name,
                mode=mode,
                turns=_length(settings.turns, seed),
                seed=seed,
                made_with=made_with,
            )
            yield (take, (index + shift) % len(topic.audiences), fingerprint(spot)), scenario


def _length(lengths: Lengths, seed: int) -> int:
    """Sample an even number of messages: the user begins, the persona has the last word."""
    return 2 * random.Random(seed).randint((lengths.min + 1) // 2, lengths.max // 2)


def _number(parts: Iterable[object]) -> int:
    """Hash to 31 bits, which every server takes as a seed."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1


def derive(seed: int, *parts: int) -> int:
    """Return the seed of one step: of an attempt, of a turn, of a try."""
    return _number((seed, *parts))
