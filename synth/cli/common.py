"""What the commands share: the options that lie over the settings, and the session they open."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from synth.errors import InputError, Place
from synth.generate.plan import Plan, make_plan
from synth.project import Project, open_project
from synth.providers import open_provider
from synth.providers.base import Options, Provider
from synth.store import Store

F = TypeVar("F", bound=Callable[..., Any])

wanted_option = click.option(
    "-n", "wanted", type=click.IntRange(1), metavar="N", help="Accepted conversations in all; default: every scenario."
)

_OPTIONS = (
    click.option("--model", metavar="PROVIDER/MODEL", help="Who plays, e.g. openai/gpt-5.4-mini, local//path/to.gguf."),
    click.option("--user-model", metavar="PROVIDER/MODEL", help="Who plays the user in a duet; by default the same."),
    click.option("--base-url", metavar="URL", help="An OpenAI-compatible server, e.g. http://localhost:8000/v1."),
    click.option("--persona", metavar="FILE", help="The persona file, e.g. prompts/tim.yaml."),
    click.option("--mode", type=click.Choice(["auto", "duet", "transcript", "continue"]), help="How a talk is made."),
    click.option("--takes", type=click.IntRange(1), metavar="K", help="How often each topic is played."),
    click.option("--seed", type=int, metavar="S", help="Another seed gives other conversations."),
    click.option("--concurrency", type=click.IntRange(1, 1024), metavar="C", help="Talks that play at once."),
)


def settings_options(command: F) -> F:
    """Add the options that lie over synth.yaml; the command gets them as ``**settings``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Session:
    """An opened project with its plan, and the providers behind its models."""

    project: Project
    plan: Plan
    providers: dict[str, Provider]

    @property
    def provider(self) -> Provider:
        """The provider of the persona's model."""
        return self.providers[self.project.settings.model]

    def store(self, *, writing: bool = False) -> Store:
        """Open the project's store; to look into one that is not there yet makes no file."""
        path = self.project.store_path
        return Store(path if writing or path.exists() else Path(":memory:"), writing=writing)


def open_session(flags: dict[str, Any]) -> Session:
    """Open the project of this folder; no model is started and no key is needed yet."""
    project = open_project(flags)
    settings = project.settings
    options = Options(settings.base_url, settings.threads, settings.concurrency)
    models = {settings.model, settings.user_model or settings.model}
    providers = {model: open_provider(model, options) for model in sorted(models)}
    return Session(project, make_plan(project, providers[settings.model].traits), providers)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says against writing ``path``, or what it stands in, into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", Place(Path(error.filename or path))) from error


def count(number: int, noun: str) -> str:
    """Return ``1 talk``, ``2 talks``, ``3 categories``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"
