"""What `promtool check metrics` thinks of the names, types and help texts."""

import shutil
import subprocess

import pytest

from tests.support.builders.scrapes import LINE, STAMPED, scrape, text
from tests.support.builders.snapshots import full_value, metrics_value
from tests.support.missing import not_run
from tests.support.servers.prometheus import HOW_TO_GET_IT


@pytest.mark.prometheus
def test_promtool_has_nothing_to_remark() -> None:
    binary = shutil.which("promtool")
    if binary is None:
        not_run("promtool", HOW_TO_GET_IT)
    whole = text(scrape([full_value(), metrics_value(env="")], {LINE: STAMPED}))
    check = subprocess.run([binary, "check", "metrics"], input=whole, capture_output=True, text=True, check=False)
    assert (check.returncode, check.stdout, check.stderr) == (0, "", "")
