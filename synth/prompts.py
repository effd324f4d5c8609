"""The persona file and the Jinja templates beside it."""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import jinja2
import jinja2.meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import Field, model_validator

from synth.conversation import PERSONA, USER, Turn
from synth.errors import InputError, Place, nearest
from synth.topics import Text
from synth.yamlfile import Strict, read

#: What trainers take as the name of a speaker, and what can stand before a colon.
_Name = Annotated[str, Field(pattern=r"^[^\s<|\\/>:]{1,64}$")]


class Line(Strict):
    """One message of a worked example: ``user: ...`` or ``persona: ...``."""

    user: Text | None = None
    persona: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> "Line":
        if (self.user is None) == (self.persona is None):
            raise ValueError("expected one of 'user: ...' and 'persona: ...'")
        return self

    @property
    def turn(self) -> Turn:
        """The same as a turn."""
        return Turn(PERSONA, self.persona) if self.persona else Turn(USER, self.user or "")


class Example(Strict):
    """A worked example: a talk as it should be."""

    topic: Text
    audience: str = ""
    turns: Annotated[tuple[Line, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _takes_turns(self) -> "Example":
        for index, line in enumerate(self.turns):
            if (line.persona is None) != (index % 2 == 0):
                raise ValueError("user and persona take turns, and the user begins")
        if self.turns[-1].persona is None:
            raise ValueError("the last word is the persona's")
        return self


class Silence(Strict):
    """When the persona does not answer, and the mark that stands for it in training files."""

    when: Text
    mark: Text = "<silence>"


class Persona(Strict):
    """A character: who it is, how it speaks, what it never does, and worked examples of it."""

    name: Annotated[_Name, Field(description="As it stands in chats")]
    description: Text
    style: tuple[Text, ...] = ()
    rules: tuple[Text, ...] = ()
    user: Annotated[_Name, Field(description="What the other side is called")] = "User"
    system: Text = Field(description="The system prompt of every training example, and of the tuned model")
    silence: Silence | None = None
    examples: Annotated[tuple[Example, ...], Field(min_length=2, description="At least two; eight and more are better")]

    @model_validator(mode="after")
    def _two_names(self) -> "Persona":
        if self.name.casefold() == self.user.casefold():
            raise ValueError(f"name and user are both {self.name!r}; the other side needs a name of its own")
        return self

    def for_generation(self) -> dict[str, Any]:
        """Return what templates that make talks may use: all but what is for training alone."""
        return self.model_dump(exclude={"system", "examples"})


def load_persona(path: Path) -> Persona:
    """Read a persona file; raises InputError."""
    return read(path, Persona)[0]


#: The templates that each way of making a talk is rendered from.
TEMPLATES = {
    "duet": ("user.j2", "persona.j2"),
    "transcript": ("transcript.j2",),
    "continue": ("opener.j2", "continue.j2"),
}
TRAINING = "system.j2"


class Templates:
    """The ``*.j2`` files of one folder, compiled once, in Jinja's sandbox, with undefined names as errors."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environment = ImmutableSandboxedEnvironment(
            loader=jinja2.FileSystemLoader(folder),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
            autoescape=False,  # prompts are plain text, not HTML
        )

    def render(self, name: str, **values: Any) -> str:
        """Render one template; raises InputError that names the file, the line and the unknown variable."""
        path = self.folder / name
        try:
            return self._environment.get_template(name).render(values).strip("\n")
        except jinja2.TemplateNotFound as error:
            problem = f"the template {error.name} is missing; `synth init` shows a complete set"
            raise InputError(problem, self._line(path, error)) from error
        except jinja2.TemplateSyntaxError as error:
            place = Place(self.folder / (error.name or name), error.lineno)
            raise InputError(f"template: {error.message}", place) from error
        except jinja2.UndefinedError as error:
            raise InputError(_undefined(error, values), self._line(path, error)) from error
        except jinja2.exceptions.SecurityError as error:
            problem = f"template: {str(error).rstrip('.')}; templates run no code"
            raise InputError(problem, self._line(path, error)) from error
        except Exception as error:
            # A template is the user's text: whatever it does when rendered is a mistake at its line.
            raise InputError(f"template: {type(error).__name__}: {error}", self._line(path, error)) from error

    def fingerprint(self, name: str) -> str:
        """Return the hash of a template and of all that it includes."""
        digest = hashlib.blake2b(digest_size=8)
        for part in sorted(self._with_includes(name, set())):
            digest.update((self.folder / part).read_bytes())
        return digest.hexdigest()

    def _with_includes(self, name: str, seen: set[str]) -> Iterator[str]:
        if name in seen:
            return
        seen.add(name)
        try:
            source = (self.folder / name).read_text(encoding="utf-8")
            tree = self._environment.parse(source, name)
        except OSError as error:
            problem = f"the template {name} is missing; `synth init` shows a complete set"
            raise InputError(problem, Place(self.folder / name)) from error
        except UnicodeDecodeError as error:
            problem = f"not UTF-8 text (byte {error.start}); save the file as UTF-8"
            raise InputError(problem, Place(self.folder / name)) from error
        except jinja2.TemplateSyntaxError as error:
            raise InputError(f"template: {error.message}", Place(self.folder / name, error.lineno)) from error
        yield name
        for part in jinja2.meta.find_referenced_templates(tree):
            if part:
                yield from self._with_includes(part, seen)

    def _line(self, path: Path, error: BaseException) -> Place:
        """Jinja's compiled templates keep their line numbers: the deepest frame in our folder is the line."""
        line, trace = 0, error.__traceback__
        where = path
        while trace is not None:
            file = Path(trace.tb_frame.f_code.co_filename)
            if file.suffix == ".j2":
                where, line = file, trace.tb_lineno
            trace = trace.tb_next
        return Place(where, line)


def _undefined(error: jinja2.UndefinedError, values: dict[str, Any]) -> str:
    quoted = str(error).split("'")[1::2]
    if "has no attribute" in str(error):
        return f"template: {error}{nearest(quoted[-1], _fields(values.values()))}"
    return f"template: {error}{nearest(quoted[0] if quoted else '', values)}; there are: {', '.join(sorted(values))}"


def _fields(values: Iterable[Any]) -> Iterator[str]:
    """Give the names of what is in mappings and dataclasses."""
    for value in values:
        if isinstance(value, Mapping):
            yield from map(str, value)
        elif dataclasses.is_dataclass(value):
            yield from (field.name for field in dataclasses.fields(value))
