"""YAML files that people write, read into pydantic models with ``file:line:column`` in every complaint."""

import json
from collections.abc import Hashable, Sequence
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
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(path: Path, model: type[M]) -> tuple[M, yaml.Node]:
    """Read ``path`` into ``model``.

    Returns the model and the YAML node tree, from which :func:`place_of` tells where an item stands.
    Raises InputError with all problems of the file, one a line.
    """
    root, data = parse(path)
    try:
        return model.model_validate(data), root
    except ValidationError as error:
        lines = sorted({_complaint(path, root, problem, model) for problem in error.errors()})
        raise InputError("\n".join(text for _, text in lines)) from error


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
        root = loader.get_single_node()
        if root is None:
            raise InputError("the file is empty", Place(path))
        _refuse_duplicate_keys(path, root)
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


def _complaint(path: Path, root: yaml.Node, problem: Any, model: type[BaseModel]) -> tuple[int, str]:
    loc = problem["loc"]
    unknown = problem["type"] == "extra_forbidden"
    place = _key_place(path, root, loc) if unknown else place_of(path, root, loc)
    name = ".".join(str(step) for step in loc)
    if unknown:
        text = f"unknown field {loc[-1]!r}{nearest(str(loc[-1]), _fields_at(model, loc[:-1]))}"
    elif problem["type"] == "missing":
        text = f"{loc[-1]!r} is missing"
    else:
        text = f"{name}: {_message(problem)}" if name else _message(problem)
    return place.line, f"{place}: {text}"


def _message(problem: Any) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    given = problem["input"]
    if problem["type"] == "string_type" and not isinstance(given, dict | list):
        return f"expected text, and YAML reads {json.dumps(given, default=str)} as something else; put it in quotes"
    return message if isinstance(given, dict | list) else f"{message}, not {json.dumps(given, default=str)}"


def _fields_at(model: type[BaseModel], loc: Sequence[str | int]) -> set[str]:
    """All field names that the JSON Schema knows at this depth; used for the nearest right name only."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    if not loc:
        return set(schema["properties"])
    named = schema["properties"].get(loc[0], {})
    wanted = {ref.rsplit("/", 1)[-1] for ref in _refs(named)}
    return {field for name in wanted for field in definitions[name].get("properties", {})}


def _refs(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        own = {schema["$ref"]} if "$ref" in schema else set()
        return own.union(*(_refs(value) for value in schema.values()))
    if isinstance(schema, list):
        return set().union(*(_refs(value) for value in schema))
    return set()


def _refuse_duplicate_keys(path: Path, node: yaml.Node) -> None:
    """YAML's own rule, which PyYAML does not keep: the second of two equal keys would win in silence."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[Hashable, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.value != "<<":
                    place = Place(path, line, key.start_mark.column + 1)
                    raise InputError(f"{key.value!r} is here twice (first on line {seen[key.value]})", place)
                seen[key.value] = line
            _refuse_duplicate_keys(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicate_keys(path, item)


def _syntax(path: Path, text: str, error: yaml.MarkedYAMLError) -> InputError:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return InputError(f"not YAML: {error.problem}", Place(path))
    place = Place(path, mark.line + 1, mark.column + 1)
    lines = text.splitlines()
    # A tab is reported where it stands or on the line after it.
    for number in (mark.line, mark.line - 1):
        if 0 <= number < len(lines) and "\t" in lines[number]:
            place = Place(path, number + 1, lines[number].index("\t") + 1)
            return InputError("a tab; YAML is indented with spaces only", place)
    return InputError(f"not YAML: {error.problem}", place)
