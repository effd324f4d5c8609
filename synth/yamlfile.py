"""YAML files that people write, read into pydantic models with ``file:line:column`` in every complaint."""

import json
import re
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from synth.errors import InputError, Place, nearest


class Strict(BaseModel):
    """A mapping in a file: unknown fields are errors, and nothing is changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


M = TypeVar("M", bound=BaseModel)

# libyaml is six times faster; PyYAML's own wheels all have it.
_Base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: How deep lists and mappings may stand in each other; libyaml itself goes on until the stack is full.
DEEPEST = 50


class _Loader(_Base):  # type: ignore[misc] # which of the two it is, is known when it runs
    """Says where a value stands that looks like a date or a number and is none; PyYAML only fails."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's signature
        try:
            value = super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError) as error:
            kind = node.tag.rpartition(":")[2]
            problem = f"{str(node.value)[:40]!r} looks like a value of kind {kind!r} and is none; put text in quotes"
            raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark) from error
        if isinstance(value, int) and value.bit_length() > 63:
            raise yaml.constructor.ConstructorError(problem="a number too large", problem_mark=node.start_mark)
        return value


def read(path: Path, model: type[M]) -> tuple[M, yaml.Node]:
    """Read ``path`` into ``model``.

    Returns the model and the YAML node tree, from which :func:`place_of` tells where an item stands.
    Raises InputError with all problems of the file, one a line.
    """
    root, data = parse(path)
    try:
        return model.model_validate(data), root
    except ValidationError as error:
        lines = sorted({_complaint(path, root, problem, model) for problem in error.errors() if not _follows(problem)})
        raise InputError("\n".join(text for *_, text in lines)) from error


def read_value(text: str) -> Any:
    """Read one value that stands outside of a file, as in an environment variable; raises InputError."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a safe loader
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {getattr(error, 'problem', None) or str(error).splitlines()[0]}") from error


def parse(path: Path) -> tuple[yaml.Node, Any]:
    """Return the node tree and the plain data of a YAML file; raises InputError if it is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text (byte {error.start}); save the file as UTF-8", Place(path)) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", Place(path)) from error
    loader = _Loader(text)
    try:
        _refuse_depth(path, text)
        root = loader.get_single_node()
        if root is None:
            raise InputError("the file is empty", Place(path))
        _refuse_duplicate_keys(path, root, set())
        return root, loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        raise _syntax(path, text, error) from error
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {str(error).splitlines()[0]}", Place(path)) from error
    finally:
        loader.dispose()


def place_of(path: Path, root: yaml.Node, loc: Sequence[str | int]) -> Place:
    """Return where the item at ``loc`` (keys and indexes from the root) stands, or the nearest node above it."""
    node = root
    for step in loc:
        child = _child(node, step)
        if child is None:
            break
        node = child
    return Place(path, node.start_mark.line + 1, node.start_mark.column + 1)


def _child(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step]  # type: ignore[no-any-return] # the stubs leave a node's value open
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    return None


def _key_place(path: Path, root: yaml.Node, loc: Sequence[str | int]) -> Place:
    """Like place_of, but for the key itself, where an unknown field is to be shown."""
    node: yaml.Node = root
    for step in loc[:-1]:
        node = _child(node, step) or node
    if isinstance(node, yaml.MappingNode):
        for key, _ in node.value:
            if key.value == loc[-1]:
                return Place(path, key.start_mark.line + 1, key.start_mark.column + 1)
    return place_of(path, root, loc)


def _complaint(path: Path, root: yaml.Node, problem: Any, model: type[BaseModel]) -> tuple[int, int, str]:
    loc, kind = problem["loc"], problem["type"]
    place = _key_place(path, root, loc) if kind == "extra_forbidden" else place_of(path, root, loc)
    text = explain(problem, model)
    if loc and kind not in {"extra_forbidden", "missing"}:
        text = f"{'.'.join(str(step) for step in loc)}: {text}"
    return place.line, place.column, f"{place}: {text}"


def explain(problem: Any, model: type[BaseModel]) -> str:
    """Say one of pydantic's problems with ``model`` in a line, with the nearest right name of a field."""
    loc = problem["loc"]
    if problem["type"] == "extra_forbidden":
        return f"unknown field {loc[-1]!r}{nearest(str(loc[-1]), _fields_at(model, loc[:-1]))}"
    if problem["type"] == "missing":
        return f"{loc[-1]!r} is missing"
    return _message(problem)


def _follows(problem: Any) -> bool:
    """Whether a list is too short only because pydantic does not count the items that are wrong."""
    return problem["type"] == "too_short" and bool(len(problem["input"]) >= problem["ctx"]["min_length"])


#: What pydantic says in words of its own.
_PLAIN = {
    "model_type": "expected a mapping of fields",
    "string_too_short": "expected some text",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
}


def _message(problem: Any) -> str:
    message = _PLAIN.get(problem["type"], str(problem["msg"]).removeprefix("Value error, "))
    given = problem["input"]
    if problem["type"] == "too_short":
        return f"expected at least {problem['ctx']['min_length']}, not {problem['ctx']['actual_length']}"
    if problem["type"] == "string_pattern_mismatch":
        return f"{_shown(given)} is no name here: no spaces and no marks; expected {problem['ctx']['pattern']}"
    if problem["type"] == "string_type" and not isinstance(given, dict | list):
        return f"expected text, and YAML reads {_shown(given)} as something else; put it in quotes"
    return message if isinstance(given, dict | list) else f"{message}, not {_shown(given)}"


def _shown(given: Any) -> str:
    return json.dumps(given, default=str, ensure_ascii=False)


def _fields_at(model: type[BaseModel], loc: Sequence[str | int]) -> set[str]:
    """All field names that the JSON Schema knows at this place; used for the nearest right name only."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    here = list(_plain(schema, definitions))
    for step in loc:
        below = [node.get("items") if isinstance(step, int) else node.get("properties", {}).get(step) for node in here]
        here = [plain for node in below if node for plain in _plain(node, definitions)]
    return {field for node in here for field in node.get("properties", {})}


def _plain(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give a schema and its alternatives, references followed."""
    if "$ref" in schema:
        yield from _plain(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    yield schema
    for alternative in schema.get("anyOf", ()):
        yield from _plain(alternative, definitions)


def _refuse_depth(path: Path, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST and event.start_mark:
            place = Place(path, event.start_mark.line + 1, event.start_mark.column + 1)
            raise InputError(f"lists and mappings stand in each other more than {DEEPEST} deep", place)


def _refuse_duplicate_keys(path: Path, node: yaml.Node, done: set[int]) -> None:
    """YAML's own rule, which PyYAML does not keep: the second of two equal keys would win in silence."""
    if id(node) in done:  # an alias: a node may stand in many places, in itself even
        return
    done.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: dict[Hashable, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.value != "<<":
                    place = Place(path, line, key.start_mark.column + 1)
                    raise InputError(f"{key.value!r} is here twice (first on line {seen[key.value]})", place)
                seen[key.value] = line
            _refuse_duplicate_keys(path, value, done)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicate_keys(path, item, done)


def _syntax(path: Path, text: str, error: yaml.MarkedYAMLError) -> InputError:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return InputError(f"not YAML: {error.problem}", Place(path))
    place = Place(path, mark.line + 1, mark.column + 1)
    lines = text.splitlines()
    # A tab is reported where it stands or on the line after it.
    for number in (mark.line, mark.line - 1):
        if 0 <= number < len(lines) and re.match(r"[ -]*\t", lines[number]):
            place = Place(path, number + 1, lines[number].index("\t") + 1)
            return InputError("a tab; YAML is indented with spaces only", place)
    problem = str(error.problem)
    if problem.startswith("but "):  # PyYAML splits some of its sentences in two
        problem = f"{error.context}, {problem}"
    return InputError(f"not YAML: {problem}", place)
