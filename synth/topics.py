"""Topic files: what may come up, read and checked."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema

from synth.errors import InputError, Place
from synth.yamlfile import Strict, place_of, read

#: Phrases in ``expect`` that the guards understand; every other phrase is for the model and the judge.
REFUSES, STOPS_REPLYING = "refuses", "stops replying"

Text = Annotated[str, StringConstraints(min_length=1)]
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_Phrases = Annotated[
    list[Text],
    BeforeValidator(_one_or_many),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


def _each_once(names: list[str]) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is here twice")
    return names


_Audiences = Annotated[list[Text], AfterValidator(_each_once), Field(json_schema_extra={"uniqueItems": True})]


class _Shared(Strict):
    expect: _Phrases | None = Field(None, description="What the persona should do, in the third person")
    tags: list[Text] | None = Field(None, description="Words to find and count topics by")
    audiences: _Audiences | None = Field(None, description="Who the user is; each one is a play of its own")
    repeat: Annotated[int, Field(ge=1, le=1000)] | None = Field(None, description="How often it is played")


class TopicEntry(_Shared):
    """One topic: a plain string, or a mapping."""

    topic: Text = Field(description="One line of what may come up")

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"topic": value}
        if not isinstance(value, dict):
            raise ValueError("expected a line of text or a mapping with 'topic'")  # noqa: TRY004 - pydantic wants it
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Let editors accept the plain string as well."""
        mapping = handler.resolve_ref_schema(handler(core))
        return {"anyOf": [{"type": "string", "minLength": 1}, mapping]}


class TopicFile(Strict):
    """A file of topics: a category, what holds for all of them, and the topics."""

    category: _Name = Field(description="academic, adversarial, adulting, or one of your own")
    defaults: _Shared = Field(_Shared(), description="Hold for every topic that does not say otherwise")
    topics: Annotated[list[TopicEntry], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Topic:
    """One line of what may come up, with its file's defaults filled in."""

    category: str
    text: str
    expect: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ("",)
    repeat: int = 1
    place: Place = field(default=Place(Path()), compare=False)

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same topic: category and words, whatever their case and spacing."""
        return self.category, " ".join(self.text.casefold().split())


def load_topics(paths: Iterable[Path]) -> list[Topic]:
    """Read topic files, and folders of them, in the order given.

    Raises InputError with the problems of all files, one a line.
    """
    topics: list[Topic] = []
    problems: list[str] = []
    for path in _files(paths):
        try:
            topics += _load(path)
        except InputError as error:
            problems.append(str(error))
    problems += _twice(topics)
    if problems:
        raise InputError("\n".join(problems))
    return topics


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"} and file.name[0] != ".")
        if not found:
            raise InputError("no topic files here; expected at least one *.yaml", Place(path))
        yield from found


def _load(path: Path) -> Iterator[Topic]:
    file, root = read(path, TopicFile)
    problems = [f"{place_of(path, root, loc)}: {text}" for loc, expect in _expects(file) for text in _misspelt(expect)]
    for index, entry in enumerate(file.topics):
        yield Topic(
            category=file.category,
            text=" ".join(entry.topic.split()),
            expect=_given(entry.expect, file.defaults.expect),
            tags=_given(entry.tags, file.defaults.tags),
            audiences=_given(entry.audiences, file.defaults.audiences) or ("",),
            repeat=entry.repeat or file.defaults.repeat or 1,
            place=place_of(path, root, ("topics", index)),
        )
    if problems:
        raise InputError("\n".join(problems))


def _given(own: list[str] | None, default: list[str] | None) -> tuple[str, ...]:
    return tuple(default or () if own is None else own)


def _expects(file: TopicFile) -> Iterator[tuple[tuple[str | int, ...], list[str]]]:
    """Give what is expected, with where it stands in the file."""
    yield ("defaults", "expect"), file.defaults.expect or []
    for index, entry in enumerate(file.topics):
        yield ("topics", index, "expect"), entry.expect or []


def _misspelt(expect: Iterable[str]) -> Iterator[str]:
    """Name each phrase that nearly is one of the two with a meaning, and would silently have none."""
    for phrase in expect:
        for known in (REFUSES, STOPS_REPLYING):
            if phrase != known and difflib.SequenceMatcher(None, phrase.casefold(), known).ratio() > 0.85:
                yield f"expect: {phrase!r} means nothing to the guards (did you mean {known!r}?)"


def _twice(topics: Iterable[Topic]) -> Iterator[str]:
    first: dict[tuple[str, str], Topic] = {}
    for topic in topics:
        earlier = first.setdefault(topic.key, topic)
        if earlier is not topic:
            yield f"{topic.place}: {topic.text!r} is here twice (first at {earlier.place}); use repeat to play it again"
