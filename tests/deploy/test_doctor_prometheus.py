"""`candora doctor prometheus` against a real one: what is well, what is not, and how it ends."""

import json

import pytest

from streams.cli import main
from tests.support.servers.prometheus import PrometheusStarter


def test_a_real_one_is_read(prometheus: PrometheusStarter, capsys: pytest.CaptureFixture[str]) -> None:
    """Its one target does not answer."""
    server = prometheus("127.0.0.1:1")
    assert main(["doctor", "prometheus", server.url, "--json"]) == 1
    findings = {one["text"]: one["status"] for one in json.loads(capsys.readouterr().out)}
    assert findings["honor_labels is true"] == "ok"
    assert findings["out_of_order_time_window is 31d"] == "ok"
    assert findings["exemplars are stored"] == "ok"
    assert findings["samples are kept for 400 days"] == "ok"
    assert findings["the recording rules are not loaded"] == "warning"
    assert findings["there is no sample of candora"] == "problem"
