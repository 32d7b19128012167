"""A real Prometheus (from PATH) that scrapes what a test serves, and answers queries about it."""

import json
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from tests.support.missing import not_run
from tests.support.servers.processes import POLL, Process, free_port, start

SHIPPED: Final = Path(__file__).parents[3] / "deploy" / "prometheus"
HOW_TO_GET_IT: Final = "Install Prometheus 2.40 or newer (Debian: apt-get install prometheus)."


class Sample(NamedTuple):
    """One series at one time (seconds since 1970)."""

    labels: Mapping[str, str]
    value: float
    at: float


class Series(NamedTuple):
    """One series over time: (seconds since 1970, value)."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


class QueryRefused(AssertionError):
    """Prometheus did not accept an expression."""


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str
    process: Process

    def query(self, expr: str, at: float | None = None) -> list[Sample]:
        """What `expr` gives now, or at `at`. A scalar is one sample without labels."""
        data = self._get("query", {"query": expr} | ({} if at is None else {"time": repr(at)}))
        if data["resultType"] == "scalar":
            return [_sample({}, data["result"])]
        return [_sample(each["metric"], each["value"]) for each in data["result"]]

    def query_range(self, expr: str, begin: float, end: float, step: float) -> list[Series]:
        """What `expr` gives every `step` seconds from `begin` to `end`."""
        data = self._get("query_range", {"query": expr, "start": repr(begin), "end": repr(end), "step": repr(step)})
        return [Series(each["metric"], [(at, float(value)) for at, value in each["values"]]) for each in data["result"]]

    def exemplars(self, expr: str, begin: float, end: float) -> list[dict[str, Any]]:
        """The exemplars of the series in `expr`, as the HTTP API gives them."""
        found: list[dict[str, Any]] = self._get(
            "query_exemplars", {"query": expr, "start": repr(begin), "end": repr(end)}
        )
        return found

    def rules(self) -> list[dict[str, Any]]:
        """The rule groups, with the state and last error of each rule."""
        groups: list[dict[str, Any]] = self._get("rules", {})["groups"]
        return groups

    def targets(self) -> list[dict[str, Any]]:
        """The scraped targets, with `health` and `lastError`."""
        active: list[dict[str, Any]] = self._get("targets", {})["activeTargets"]
        return active

    def wait_until(
        self, expr: str, predicate: Callable[[list[Sample]], object] = bool, timeout: float = 30.0
    ) -> list[Sample]:
        """What `expr` gives once `predicate` holds for it (by default: once it gives anything)."""
        deadline = time.monotonic() + timeout
        while not predicate(samples := self.query(expr)):
            if time.monotonic() > deadline:
                scraped = [(each["scrapeUrl"], each["health"], each["lastError"]) for each in self.targets()]
                raise self.process.failure(f"after {timeout:g} s {expr} still gives {samples}; targets: {scraped}")
            time.sleep(POLL)
        return samples

    def stop(self) -> None:
        """Stop it; its data stays in the test's folder."""
        self.process.terminate()

    def _get(self, what: str, params: Mapping[str, str]) -> Any:
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(params)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - a server of ours
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise QueryRefused(f"{what} {dict(params)}: {error.read().decode(errors='replace')}") from None


@dataclass
class PrometheusStarter:
    """Starts Prometheus servers that end with the test."""

    folder: Path
    running: list[Prometheus] = field(default_factory=list)

    def __call__(
        self, *targets: str, interval: str = "1s", rule_files: Sequence[Path] = (), metrics_path: str = "/metrics"
    ) -> Prometheus:
        """Scrape `targets` ("host:port") every `interval`; returns when the server is ready."""
        return self._start(self._home(), scrape_config(targets, interval, rule_files, metrics_path))

    def over(self, data: Path, rule_files: Sequence[Path] = ()) -> Prometheus:
        """A server over a copy of a data folder, that scrapes nothing: for questions about a past."""
        home = self._home()
        shutil.copytree(data, home / "data")
        return self._start(home, scrape_config((), "1m", rule_files, "/metrics"))

    def as_shipped(self, data: Path, target: str, interval: str) -> Prometheus:
        """A server over a copy of a data folder, that scrapes "host:port" as deploy/prometheus says, but more often."""
        home = self._home()
        shutil.copytree(data, home / "data")
        config = yaml.safe_load((SHIPPED / "prometheus.yml").read_text(encoding="utf-8"))
        config["global"] = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
        config["rule_files"] = [str(SHIPPED / name) for name in config["rule_files"]]
        config["scrape_configs"] = [one for one in config["scrape_configs"] if one["job_name"] == "candora"]
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
        return self._start(home, config)

    def _home(self) -> Path:
        home = self.folder / f"prometheus-{len(self.running)}"
        home.mkdir()
        return home

    def _start(self, home: Path, config: Mapping[str, object]) -> Prometheus:
        binary = shutil.which("prometheus")
        if binary is None:
            not_run("a real Prometheus", HOW_TO_GET_IT)
        written = home / "prometheus.json"
        written.write_text(json.dumps(config))
        url = f"http://127.0.0.1:{free_port()}"
        process = start(
            [
                binary,
                f"--config.file={written}",
                f"--storage.tsdb.path={home / 'data'}",
                "--storage.tsdb.retention.time=400d",
                f"--web.listen-address={url.removeprefix('http://')}",
                "--enable-feature=exemplar-storage",
                "--log.level=warn",
            ],
            home / "log",
            name="prometheus",
        )
        self.running.append(Prometheus(url, process))
        process.wait_for_url(f"{url}/-/ready")
        return self.running[-1]


def scrape_config(
    targets: Sequence[str], interval: str, rule_files: Sequence[Path], metrics_path: str
) -> dict[str, object]:
    """The configuration, as JSON, which is YAML too. Late samples (incidents of last week) are accepted for 31 days."""
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "storage": {"tsdb": {"out_of_order_time_window": "31d"}, "exemplars": {"max_exemplars": 100_000}},
        "rule_files": [str(path) for path in rule_files],
        "scrape_configs": [
            {
                "job_name": "candora",
                "honor_labels": True,
                "honor_timestamps": True,
                "metrics_path": metrics_path,
                "static_configs": [{"targets": list(targets)}],
            }
        ],
    }


def _sample(labels: Mapping[str, str], value: Sequence[Any]) -> Sample:
    at, text = value
    return Sample(labels, float(text), float(at))


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[PrometheusStarter]:
    """Starts a real Prometheus: `prometheus("localhost:9100", interval="1s")`. Needs the marker `prometheus`."""
    starter = PrometheusStarter(tmp_path)
    yield starter
    for server in starter.running:
        server.process.kill()
