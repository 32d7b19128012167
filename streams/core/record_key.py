"""Name records: one key for each record of a service, as state rows and outputs are filed under it.

The text is stored, so its form never changes: a letter for the kind, then the names.
"""

from typing import Final, NewType

RecordKey = NewType("RecordKey", str)
"""Unique within a service. `kind_of` tells what it names."""

CHANGE: Final = "c"
DEPLOYMENT: Final = "d"
INCIDENT: Final = "i"
ROLLBACK: Final = "r"
CAUSE_LINK: Final = "l"


def change_key(change_id: str) -> RecordKey:
    """Return the key of a change; a commit without a request is a change named by its SHA."""
    return RecordKey(f"c/{change_id}")


def deployment_key(env: str, name: str) -> RecordKey:
    """Return the key of a deployment to an environment."""
    return RecordKey(f"d/{env}/{name}")


def incident_key(incident_id: str) -> RecordKey:
    """Return the key of an incident."""
    return RecordKey(f"i/{incident_id}")


def rollback_key(event_id: str) -> RecordKey:
    """Return the key of a rollback, which has no name but that of its event."""
    return RecordKey(f"r/{event_id}")


def cause_link_key(origin: str, incident_id: str) -> RecordKey:
    """Return the key of an incident of the service `origin` whose cause is looked for here."""
    return RecordKey(f"l/{origin} {incident_id}")  # services have no spaces


def kind_of(key: RecordKey) -> str:
    """Return the kind of record: CHANGE, DEPLOYMENT, INCIDENT, ROLLBACK or CAUSE_LINK."""
    return key[0]


def names_of(key: RecordKey) -> str:
    """Return what stands behind the kind: the record's name, with its environment or origin in front."""
    return key[2:]
