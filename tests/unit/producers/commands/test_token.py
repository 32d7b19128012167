import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from producers import cli
from producers.errors import ExitCode
from producers.sidecar.auth.settings import AuthSettings
from producers.sidecar.auth.tokens import known_token

GIVEN = ["token", "--name", "shop-ci", "--service", "shop*", "--service", "team/cart"]


def test_a_token_and_its_entry_belong_together(capsys: pytest.CaptureFixture[str]) -> None:
    scope = ["--event", "canary_promoted", "--event", "rollback_triggered", "--env", "prod", "--expires", "30d"]
    assert cli.main([*GIVEN, *scope]) == ExitCode.OK
    said = capsys.readouterr()
    auth = AuthSettings.model_validate({"tokens": yaml.safe_load(said.out)})
    (token,) = (line[4:] for line in said.out.splitlines() if line.startswith("#   candora_"))
    now = datetime.now(UTC)
    caller = known_token(token, auth.tokens, now)
    assert caller.bind({"event_type": "canary_promoted", "service": "shop-api", "env": "prod"})
    (entry,) = auth.tokens
    assert entry.expires is not None
    assert timedelta(days=29) < entry.expires - now <= timedelta(days=30)
    assert token.count("_") >= 1
    assert token not in said.err


def test_as_json_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*GIVEN, "--expires", "never", "--json"]) == ExitCode.OK
    made = json.loads(capsys.readouterr().out)
    assert set(made["entry"]) == {"name", "sha256", "services"}
    assert known_token(
        made["token"], AuthSettings.model_validate({"tokens": [made["entry"]]}).tokens, datetime.now(UTC)
    ).name


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--event", "canary_promotd"], "--event canary_promotd: unknown event type"),
        (["--expires", "soon"], "--expires: 'soon' is not a duration"),
        (["--expires", "0s"], "--expires: give a length of time"),
        (["--name", "a name"], "name: "),
        (["--service", ""], "services.2: "),
    ],
)
def test_what_is_wrong_is_said(more: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*GIVEN, *more]) == ExitCode.USAGE
    said = capsys.readouterr()
    assert problem in said.err
    assert said.out == ""
