"""A settings file in YAML, checked against a model: what is wrong is told with its file, line and field."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from producers.errors import UsageError

Settings = TypeVar("Settings", bound=BaseModel)

_PROBLEMS: Final = {
    "missing": "is missing",
    "too_short": "should not be empty",
    "string_too_short": "should not be empty",
    "extra_forbidden": "is not a setting; known are {known}",
    "string_type": "should be text; put it in quotes",
    "dict_type": "should be entries of the form NAME: VALUE",
    "model_type": "should be entries of the form NAME: VALUE",
    "list_type": "should be a list, one entry a line after a dash",
    "tuple_type": "should be a list, one entry a line after a dash",
}
"""What pydantic finds, as one would say it of a file."""


def read_yaml(text: str, model: type[Settings], file: str) -> Settings:
    """Return the settings that a file's text gives; an empty file gives the defaults.

    Raises:
        UsageError: it is no YAML, or not of the model's shape; one line for each fault, "FILE:LINE: FIELD: problem".
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(_no_yaml(error, file)) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: is no YAML that can be read: {error}") from None
    twice = [f"{file}:{line}: {field}: is given twice; leave one out" for line, field in _repeated(node, ())]
    if twice:
        raise UsageError("\n".join(twice))
    try:
        return model.model_validate({} if data is None else data)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise UsageError("\n".join(_fault(fault, node, model, file) for fault in faults)) from None


def _no_yaml(error: yaml.YAMLError, file: str) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{file}:{error.problem_mark.line + 1}: is no YAML: {error.problem or error.context}"
    return f"{file}: is no YAML: {error}"


def _fault(fault: ErrorDetails, node: yaml.Node | None, model: type[BaseModel], file: str) -> str:
    path, line = _place(node, fault["loc"])
    own = fault.get("ctx", {}).get("error")
    problem = str(own) if isinstance(own, ValueError) else _PROBLEMS.get(fault["type"], fault["msg"])
    known = ", ".join(_known(model, fault["loc"][:-1]))
    field = f"{_dotted(path)}: " if path else ""
    problem = problem.replace("Input should be", "should be").replace("{known}", known)
    return f"{file}:{line}: {field}{problem}"


def _place(node: yaml.Node | None, loc: Sequence[str | int]) -> tuple[list[str | int], int]:
    """The path of a fault without the branches of a union that pydantic names, and the line where it is."""
    path: list[str | int] = []
    line = node.start_mark.line + 1 if node is not None else 1
    for position, step in enumerate(loc):
        inner = _child(node, step)
        if inner is not None:
            node, line = inner
            path.append(step)
        elif position == len(loc) - 1 and isinstance(node, yaml.MappingNode | None) and step != "[key]":
            path.append(step)  # a field that is missing
    return path, line


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        entry = node.value[step]
        return entry, entry.start_mark.line + 1
    return None


def _repeated(node: yaml.Node | None, path: tuple[str | int, ...]) -> Iterator[tuple[int, str]]:
    """Line and path of each key that a mapping has twice; YAML itself would take the last without a word."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            here = (*path, str(key.value))
            if str(key.value) in seen:
                yield key.start_mark.line + 1, _dotted(here)
            seen.add(str(key.value))
            yield from _repeated(value, here)
    if isinstance(node, yaml.SequenceNode):
        for position, entry in enumerate(node.value):
            yield from _repeated(entry, (*path, position))


def _dotted(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _known(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """The settings that there are at a path."""
    found: Any = model
    for step in loc:
        field = found.model_fields.get(step) if isinstance(step, str) else None
        inner = _model_in(field.annotation) if field is not None else None
        found = inner or found
    return list(found.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, getattr(annotation, "__args__", ()))), None)
