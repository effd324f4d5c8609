"""A project: its ``synth.yaml`` with the environment and the flags laid over it, and where its files are."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator

from synth.errors import InputError, Place, nearest
from synth.prompts import Persona, Templates, load_persona
from synth.topics import Text, Topic, load_topics
from synth.yamlfile import Strict, explain, read, read_value

SETTINGS = "synth.yaml"

Mode = Literal["auto", "duet", "transcript", "continue"]


class Lengths(Strict):
    """How many messages a talk has, both sides together; sampled evenly between the two, always even."""

    min: Annotated[int, Field(ge=2, le=200)] = 4
    max: Annotated[int, Field(ge=2, le=200)] = 8

    @model_validator(mode="after")
    def _ordered(self) -> "Lengths":
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max})")
        if self.min == self.max and self.min % 2:
            raise ValueError(f"there is no even number from min ({self.min}) to max ({self.max})")
        return self


class Sampling(Strict):
    """How the model draws its words; what is left out is left to the model's own default."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0.5, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None

    def over(self, other: "Sampling") -> "Sampling":
        """Return ``other`` with what is set here laid over it."""
        return other.model_copy(update=self.model_dump(exclude_none=True))


_Paths = Annotated[
    list[Text],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    Field(min_length=1),
]


class Settings(Strict):
    """All settings of a project; paths are relative to ``synth.yaml``."""

    persona: Text = Field("prompts/tim.yaml", description="The persona file; its templates lie beside it")
    topics: _Paths = Field(["topics"], description="Topic files, or folders of them")
    model: Text = Field("local/smollm2-135m", description="PROVIDER/MODEL that plays the persona")
    user_model: Text | None = Field(None, description="PROVIDER/MODEL that plays the user; by default the same")
    base_url: Text | None = Field(None, description="Of an OpenAI-compatible server, e.g. http://localhost:8000/v1")
    mode: Mode = Field("auto", description="How a talk is made; auto takes what suits the model")
    takes: Annotated[int, Field(ge=1, le=1000)] = Field(1, description="How often each topic is played")
    seed: int = Field(0, description="Another seed gives other conversations")
    turns: Lengths = Field(Lengths(), description="How many messages a talk has, both sides together")
    attempts: Annotated[int, Field(ge=1, le=100)] = Field(4, description="Plays of a scenario until one is accepted")
    retries: Annotated[int, Field(ge=1, le=100)] = Field(6, description="Tries of one request that fails in passing")
    concurrency: Annotated[int, Field(ge=1, le=1024)] | None = Field(None, description="Talks that play at once")
    threads: Annotated[int, Field(ge=1, le=256)] | None = Field(None, description="CPU threads of the embedded model")
    sampling: Sampling = Field(Sampling(), description="How the model draws its words")
    valid: Annotated[float, Field(ge=0, le=0.5)] = Field(0.1, description="Share of the topics in valid.jsonl")
    data: Text = Field("data", description="Where the store and the dataset are written")


@dataclass(frozen=True)
class Project:
    """Settings, and what they name."""

    root: Path
    settings: Settings

    @cached_property
    def persona(self) -> Persona:
        """The persona, read and checked."""
        return load_persona(self.persona_path)

    @property
    def persona_path(self) -> Path:
        """Where the persona file is."""
        return self.root / self.settings.persona

    @cached_property
    def templates(self) -> Templates:
        """The templates beside the persona."""
        return Templates(self.persona_path.parent)

    @cached_property
    def topics(self) -> list[Topic]:
        """All topics, read and checked."""
        return load_topics(self.root / path for path in self.settings.topics)

    @property
    def data(self) -> Path:
        """The folder of the store and the dataset."""
        return self.root / self.settings.data

    @property
    def store_path(self) -> Path:
        """The SQLite file."""
        return self.data / "synth.db"

    @property
    def dataset_path(self) -> Path:
        """The folder that trainers are pointed at."""
        return self.data / "dataset"


def open_project(
    flags: Mapping[str, Any], root: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Project:
    """Open the project in ``root``, by default the folder one stands in.

    A setting comes from the flags, else the environment (``SYNTH_MODEL`` and so on, ``OPENAI_BASE_URL``), else
    ``synth.yaml``, else its default. Raises InputError.
    """
    root = root or Path()
    path = root / SETTINGS
    if not path.exists():
        raise InputError(f"no {SETTINGS} here; go to a project's folder, or make one with: synth init DIR", Place(path))
    settings = read(path, Settings)[0]
    settings = _over(settings, _from_environment(environ), lambda name: f"{_variable(name)} in the environment")
    settings = _over(settings, flags, lambda name: f"--{name.replace('_', '-')}")
    return Project(root, settings)


def _variable(name: str) -> str:
    return f"SYNTH_{name.upper()}"


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if environ.get("OPENAI_BASE_URL"):
        found["base_url"] = environ["OPENAI_BASE_URL"]
    known = {_variable(name): name for name in Settings.model_fields}
    for variable, text in environ.items():
        if not variable.startswith("SYNTH_"):
            continue
        if variable not in known:
            raise InputError(f"no setting for {variable} in the environment{nearest(variable, known)}")
        try:
            found[known[variable]] = read_value(text)
        except InputError as error:
            raise InputError(f"{variable} in the environment: {error}") from error
    return found


def _over(settings: Settings, values: Mapping[str, Any], source: Any) -> Settings:
    given = {name: value for name, value in values.items() if value is not None}
    if not given:
        return settings
    try:
        return Settings.model_validate({**settings.model_dump(), **given})
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0])
        raise InputError(f"{source(name)}: {explain(problem, Settings)}") from error
