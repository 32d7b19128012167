"""Reasons to reject a request other than its credentials, each with a metric label and a response."""

from typing import Final, NamedTuple

from schemas.errors import ContractError


class RejectionResponse(NamedTuple):
    """A status and a message for the sender, which repeats nothing of the request."""

    status: int
    error: str
    retry_after: int | None = None
    """Seconds."""


LIMITS: Final[dict[str, RejectionResponse]] = {
    "unknown_source": RejectionResponse(401, "not authorized"),
    "too_large": RejectionResponse(413, "the body is too large"),
    "too_many_events": RejectionResponse(413, "too many events in one request; send several requests"),
    "slow_body": RejectionResponse(408, "the body did not arrive in time"),
    "encoded": RejectionResponse(415, "a Content-Encoding is not accepted; send the body as it is"),
    "media_type": RejectionResponse(
        415,
        "send application/json, application/x-ndjson, application/cloudevents+json or "
        "application/cloudevents-batch+json",
    ),
    "not_json": RejectionResponse(400, "the body is not JSON in UTF-8"),
    "too_deep": RejectionResponse(400, "the JSON is nested too deep"),
    "not_cloudevents": RejectionResponse(400, "the CloudEvent lacks specversion 1.0, id, source, type or data"),
    "invalid": RejectionResponse(422, "the contract refuses the event"),
    "busy": RejectionResponse(503, "too many requests at a time", 1),
    "rate": RejectionResponse(429, "too many requests of this caller", 1),
    "source_rate": RejectionResponse(503, "too many requests of this source", 1),
    "spool_full": RejectionResponse(503, "the spool is full; Kafka does not take its messages", 30),
    "spool_unusable": RejectionResponse(503, "the disk does not take the event", 10),
    "spool_slow": RejectionResponse(503, "the disk did not take the event in time", 5),
    "stopping": RejectionResponse(503, "shutting down", 5),
    "internal": RejectionResponse(500, "a fault of the sidecar; its log says more"),
}
"""By the reason label of `delivery_sidecar_rejected_total`. Webhooks never get 429: some senders drop events on it."""


class RequestRejected(Exception):
    """A request is rejected. `detail` goes to the sender and repeats nothing of the body."""

    def __init__(self, reason: str, detail: str | None = None, fault: ContractError | None = None) -> None:
        self.answer: Final = LIMITS[reason]
        super().__init__(detail or self.answer.error)
        self.reason: Final = reason
        self.fault: Final = fault
        """The violation of the contract, if that is the reason."""
