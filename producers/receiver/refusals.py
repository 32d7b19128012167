"""Why the sidecar does not take a request, apart from who sends it: a word for the metric, and an answer."""

from typing import Final, NamedTuple

from schemas.errors import ContractError


class Answer(NamedTuple):
    """A status, and what the sender is told. Nothing of what they sent is in it."""

    status: int
    error: str
    retry_after: int | None = None
    """Seconds."""


LIMITS: Final[dict[str, Answer]] = {
    "unknown_source": Answer(401, "not authorized"),
    "too_large": Answer(413, "the body is too large"),
    "too_many_events": Answer(413, "too many events in one request; send several requests"),
    "slow_body": Answer(408, "the body did not arrive in time"),
    "encoded": Answer(415, "a Content-Encoding is not accepted; send the body as it is"),
    "media_type": Answer(
        415,
        "send application/json, application/x-ndjson, application/cloudevents+json or "
        "application/cloudevents-batch+json",
    ),
    "not_json": Answer(400, "the body is not JSON in UTF-8"),
    "too_deep": Answer(400, "the JSON is nested too deep"),
    "not_cloudevents": Answer(400, "the CloudEvent lacks specversion 1.0, id, source, type or data"),
    "invalid": Answer(422, "the contract refuses the event"),
    "busy": Answer(503, "too many requests at a time", 1),
    "rate": Answer(429, "too many requests of this caller", 1),
    "source_rate": Answer(503, "too many requests of this source", 1),
    "spool_full": Answer(503, "the spool is full; Kafka does not take its messages", 30),
    "spool_unusable": Answer(503, "the disk does not take the event", 10),
    "spool_slow": Answer(503, "the disk did not take the event in time", 5),
    "stopping": Answer(503, "shutting down", 5),
    "internal": Answer(500, "a fault of the sidecar; its log says more"),
}
"""By the word that `delivery_sidecar_rejected_total` has for it. No webhook is told 429: some senders drop then."""


class Rejected(Exception):
    """A request that is not taken. `detail` is for the sender's eyes, and has nothing of the body in it."""

    def __init__(self, reason: str, detail: str | None = None, fault: ContractError | None = None) -> None:
        self.answer: Final = LIMITS[reason]
        super().__init__(detail or self.answer.error)
        self.reason: Final = reason
        self.fault: Final = fault
        """What the contract says against an event."""
