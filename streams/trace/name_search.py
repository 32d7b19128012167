"""What goes by a name in the service states of all services. Pure."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final, Literal, NamedTuple

from streams.core.change import ChangeState
from streams.core.deployment import DeploymentState
from streams.core.facts import CommitFact
from streams.core.incident import IncidentState
from streams.core.joins import Entity
from streams.core.service_state import ServiceState

Kind = Literal["commit", "change", "deployment", "incident"]

SHORTEST: Final = 7
"""Characters of an abbreviated SHA, as git writes it at the least."""
_ABBREVIATED: Final = re.compile(rf"[0-9a-f]{{{SHORTEST},63}}")
_REQUEST: Final = re.compile(r"[#!]?[0-9]+")
_ALIKE: Final = 5


class NamedRecord(NamedTuple):
    """A thing of a service by its name. What only a rollback or an incident names is one, too."""

    kind: Kind
    name: str
    service: str


class NotFound(Exception):
    """Nothing goes by the name; says what is alike."""


class Ambiguous(Exception):
    """A shortened name is that of several; says which."""


def find(services: Iterable[ServiceState], what: str) -> tuple[NamedRecord, ...]:
    """Whatever has exactly this name, in every service; else the one commit or request that it is short for.

    Raises:
        NotFound: there is none.
        Ambiguous: it is short for several.
    """
    known = sorted({named for state in services for entity in state.records() for named in _names(entity, state)})
    exact = tuple(one for one in known if one.name == (what.lower() if one.kind == "commit" else what))
    if exact:
        return exact
    meant = tuple(one for one in known if _shortened(what, one))
    names = sorted({(one.kind, one.name) for one in meant})
    if len(names) > 1:
        listed = ", ".join(f"{kind} {name}" for kind, name in names[:_ALIKE])
        more = f" and {len(names) - _ALIKE} more" if len(names) > _ALIKE else ""
        raise Ambiguous(f"{what} is short for several: {listed}{more}; write more of it, or give --service")
    if not meant:
        raise NotFound(_unknown(what, known))
    return meant


def _names(entity: Entity, state: ServiceState) -> Iterator[NamedRecord]:
    """Yield the names that a record goes by, and those that it speaks of."""
    shas: set[str | None] = set()
    if isinstance(entity, ChangeState):
        shas.update(entity.shas(), (fact.body.merge_sha for fact in entity.facts if isinstance(fact.body, CommitFact)))
        if entity.name not in shas | state.commits.members(entity.name):
            yield NamedRecord("change", entity.name, state.service)
    elif isinstance(entity, DeploymentState):
        shas.update(entity.shas)
        if entity.name not in shas:
            yield NamedRecord("deployment", entity.name, state.service)
    elif entity.claim is not None:
        shas.add(entity.claim.sha)
        if entity.claim.deployment_id is not None:
            yield NamedRecord("deployment", entity.claim.deployment_id, state.service)
    if isinstance(entity, IncidentState):
        yield NamedRecord("incident", entity.name, state.service)
    yield from (NamedRecord("commit", sha, state.service) for sha in shas if sha is not None)


def _shortened(what: str, one: NamedRecord) -> bool:
    if one.kind == "commit":
        return one.name.startswith(what.lower()) and _ABBREVIATED.fullmatch(what.lower()) is not None
    if one.kind == "change" and _REQUEST.fullmatch(what):
        signs = what[0] if what[0] in "#!" else "#!"
        return one.name.endswith(tuple(f"{sign}{what.lstrip('#!')}" for sign in signs))
    return False


def _unknown(what: str, known: list[NamedRecord]) -> str:
    if not known:
        return "there is no event to search"
    hint = ""
    alike = get_close_matches(what, {one.name for one in known}, _ALIKE)
    if re.fullmatch(r"[0-9A-Fa-f]+", what) and len(what) < SHORTEST:
        hint = f"; an abbreviated SHA has {SHORTEST} characters at least"
    elif alike:
        hint = f"; did you mean {' or '.join(alike)}?"
    count = len({one.service for one in known})
    where = "1 service" if count == 1 else f"{count} services"
    return f"{what} is no commit, change, deployment or incident in the events of {where}{hint}"
