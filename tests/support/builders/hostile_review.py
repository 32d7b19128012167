"""A review of events whose titles and names are markup, control characters and links."""

from schemas.values import DAY, EventValue
from streams.core.settings import MetricSettings
from streams.replay.loop import event_time
from streams.report.periods import last
from streams.report.review import Review, ReviewRequest, review
from tests.support.events import DAY_1, commit, event, promoted, rollback, told

HOSTILE = '<script>alert("1")</script> | `$x$` \x1b[31m\u202e [a](http://b) &amp;'


def hostile_events() -> list[EventValue]:
    detail = {**told(severity="sev1"), "title": HOSTILE}
    named = {"severity": "sev1", "incident_id": "x|y`<b>"}
    first = event("incident_opened", "12:30", incident_id=named["incident_id"], env="prod", incident=detail)
    undone = rollback("d2 10:00", deployment="<img src=x onerror=1>|", env="prod")
    if undone["rollback"] is not None:
        undone["rollback"]["reason"] = HOSTILE
    return [
        commit("c1", "09:00"),
        promoted("D1", "12:00", sha="c1"),
        first,
        promoted("<img src=x onerror=1>|", "d2 09:00", sha="c2"),
        undone,
    ]


def hostile_review() -> Review:
    pair = last(7 * DAY, DAY_1 + 6 * DAY)
    return review(
        sorted(hostile_events(), key=event_time), ReviewRequest(pair, ("prod",), ("sh*", "<b>")), MetricSettings()
    )
