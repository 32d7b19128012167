"""`candora doctor prometheus URL`: a line for each finding, and an exit code."""

import argparse
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Final

import yaml

from streams.doctor.prometheus import PrometheusStatus, examine
from streams.terminal.os_errors import in_words

PROBLEM: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
_WITHIN: Final = 10.0


class NoAnswerError(Exception):
    """Prometheus does not answer, or the answer is not from a Prometheus."""


def run_doctor(given: argparse.Namespace) -> int:
    """Run the checks. Returns 0 without problems, 1 with, 2 for wrong usage, 3 if Prometheus does not answer."""
    if not given.url.startswith(("http://", "https://")):
        print(f"candora: {given.url!r} is no URL: write http://prometheus:9090", file=sys.stderr)
        return USAGE
    try:
        findings = list(examine(ask(given.url.rstrip("/")), given.job))
    except NoAnswerError as error:
        print(f"candora: {error}", file=sys.stderr)
        return UNREACHABLE
    if given.json:
        print(json.dumps([finding._asdict() for finding in findings], indent=1))
    else:
        for finding in findings:
            print(f"{finding.status:<8} {finding.text}" + (f"; {finding.advice}" if finding.advice else ""))
    return PROBLEM if any(finding.status == "problem" for finding in findings) else 0


def ask(url: str) -> PrometheusStatus:
    """What the Prometheus at this address says of itself.

    Raises:
        NoAnswerError: it says nothing, or nothing that Prometheus says.
    """
    answered = _get(url, "query", {"query": "delivery_serving_ready"})["result"]
    config = yaml.safe_load(_get(url, "status/config")["yaml"])
    return PrometheusStatus(
        version=str(_get(url, "status/buildinfo")["version"]),
        flags=_get(url, "status/flags"),
        config=config if isinstance(config, dict) else {},
        targets=_get(url, "targets", {"state": "active"})["activeTargets"],
        rules=_get(url, "rules")["groups"],
        instances=sorted({str(one["metric"].get("instance", "")) for one in answered}),
    )


def _get(url: str, path: str, query: dict[str, str] | None = None) -> Any:
    asked = f"{url}/api/v1/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
    try:
        with urllib.request.urlopen(asked, timeout=_WITHIN) as answer:  # noqa: S310 - http or https, checked above
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise NoAnswerError(f"{asked} answers {error.code} {error.reason}: is it a Prometheus?") from error
    except OSError as error:
        cause = getattr(error, "reason", error)
        reason = in_words(cause) if isinstance(cause, OSError) else cause
        raise NoAnswerError(f"{asked} does not answer: {reason}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NoAnswerError(f"{asked} does not answer as Prometheus does") from error
