"""A cause in another service, followed there: the message that one service state sends to another (semantics.md, 5).

It is an event of the same log, so that it has one place in it and a replay finds it where it was. Its id follows from
the message that caused it: a replay sends the same event again, and the other service state knows it already.
"""

from typing import Final, Literal
from uuid import UUID, uuid5

from schemas.values import EventValue, plain_event
from streams.core.claims import Claim

_IDS: Final = UUID("3d0d3a2c-6d0e-5b8f-9a55-3f1f0c6f9b11")

Link = tuple[str, Claim, str | None]
"""The claim that an incident makes on another service: (service, claim, severity)."""


def link_event(service: str, incident_id: str, link: Link, version: int, *, holds: bool) -> EventValue:
    """Tell the named service of an incident here, or, if the link no longer holds, that there is none.

    `version` is the offset of the message that caused it: of several, the highest counts.
    """
    target, claim, severity = link
    state: Literal["true", "false"] = "true" if holds else "false"
    event_id = str(uuid5(_IDS, f"{service}|{incident_id}|{target}|{version}|{state}"))
    return {
        **plain_event("cause_linked", event_id, claim.at, target),
        "env": claim.env,
        "commit_sha": claim.sha,
        "deployment_id": claim.deployment_id,
        "incident_id": incident_id,
        "incident": {
            "severity": severity,
            "title": None,
            "slo_met_at": None,
            "alert_cleared_at": None,
            "cause": None,
            "escaped_gates": None,
            "regression_test": None,
        },
        "attributes": {"origin": service, "version": str(version), "holds": state},
    }
