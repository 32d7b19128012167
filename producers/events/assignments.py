"""Turn the command line and the environment into assignments to an event's fields. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from producers.errors import UsageError
from producers.events.event_builder import Assignment
from producers.events.flags import SHA, Flag, FlagKind, all_flags

_YES_NO: Final = {"yes": True, "true": True, "no": False, "false": False}


def assignments(
    event_type: str,
    given: Mapping[str, str | Sequence[str] | None],
    *,
    sets: Sequence[str],
    attributes: Sequence[str],
    environ: Mapping[str, str],
    now: datetime,
    chosen: Sequence[Assignment] = (),
    known: Sequence[Assignment] = (),
) -> list[Assignment]:
    """Assign the fields of one event: flags, `--set` and `--attribute` first, then the environment, then the defaults.

    `given` holds the text of each flag by its `dest`, None where it is not given. `chosen` stands for the flags and
    variables of its fields, `known` comes from the context: explicit values precede it.

    Raises:
        UsageError: a value is not of its flag's kind, or an assignment has no "=".
    """
    found = [Assignment("event_type", event_type, "argument EVENT_TYPE"), *chosen]
    for flag in all_flags():
        text = given.get(flag.dest)
        if text is not None and all(flag.path != entry.path for entry in chosen):
            found.append(Assignment(flag.path, _value(flag, text, flag.name), flag.name))
    found += [_set(text) for text in sets]
    found += [_attribute(text) for text in attributes]
    found += [entry for entry in _from_environ(environ) if not _covered(entry.path, found)]
    found += [entry for entry in known if not _covered(entry.path, found)]
    if any(entry.path.startswith("source.") for entry in found):
        found += _missing(Assignment("source.system", "candora-ci", "default"), found)
    found += _missing(Assignment("occurred_at", now.isoformat(), "default: now"), found)
    found += _missing(Assignment("emitted_at", now.isoformat(), "default: now"), found)
    return found


def _from_environ(environ: Mapping[str, str]) -> Iterable[Assignment]:
    for flag in all_flags():
        if flag.environ and (text := environ.get(flag.environ, "").strip()):
            origin = f"environment {flag.environ}"
            yield Assignment(flag.path, _value(flag, text, origin), origin)


def _set(text: str) -> Assignment:
    path, equals, value = text.partition("=")
    if not equals or not path or not all(path.split(".")):
        raise UsageError(f"--set {text}: expected FIELD=VALUE, e.g. --set tests.mutation=0.8")
    origin = f"--set {path}"
    if path.startswith("attributes."):
        return Assignment(path, value, origin)
    flag = next((flag for flag in all_flags() if flag.path == path), None)
    if flag is not None and not (flag.kind is FlagKind.TEXTS and value.startswith("[")):
        return Assignment(path, _value(flag, value, origin), origin)
    return Assignment(path, _json(value), origin)


def _attribute(text: str) -> Assignment:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--attribute {text}: expected NAME=VALUE")
    return Assignment(f"attributes.{name}", value, "--attribute")


def _value(flag: Flag, text: str | Sequence[str], origin: str) -> object:
    if not "".join(text).isascii():
        _check_utf8(text, origin)
    if not isinstance(text, str):
        return [each.lower() for each in text] if flag.metavar == SHA else list(text)
    match flag.kind:
        case FlagKind.TEXT:
            return text.lower() if flag.metavar == SHA else text
        case FlagKind.TEXTS:
            return [text]
        case FlagKind.YES_NO:
            if text.lower() in _YES_NO:
                return _YES_NO[text.lower()]
            raise UsageError(f"{origin}: {flag.path}: expected yes or no, got {text!r}")
        case FlagKind.INTEGER | FlagKind.NUMBER:
            try:
                return int(text) if flag.kind is FlagKind.INTEGER else float(text)
            except ValueError:
                wanted = "a whole number" if flag.kind is FlagKind.INTEGER else "a number"
                raise UsageError(f"{origin}: {flag.path}: expected {wanted}, got {text!r}") from None


def _check_utf8(text: str | Sequence[str], origin: str) -> None:
    try:
        "".join(text).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{origin}: the text is not UTF-8") from error


def _json(text: str) -> object:
    """Parse the text as JSON; return the text itself if it is none, so that words need no second pair of quotes."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def _covered(path: str, found: Iterable[Assignment]) -> bool:
    return any(path == entry.path or path.startswith(f"{entry.path}.") for entry in found)


def _missing(entry: Assignment, found: Iterable[Assignment]) -> list[Assignment]:
    return [] if _covered(entry.path, found) else [entry]
