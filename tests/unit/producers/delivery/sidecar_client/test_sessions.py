import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from producers.delivery.sidecar_client.sessions import CachedSession, SessionFile, read_session

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SESSION = CachedSession("candora_session_abc", NOW + timedelta(minutes=15))
PARTS = ("https://candora.example", "https://candora.example", "token of the job")


def only(folder: Path) -> Path:
    [path] = folder.iterdir()
    return path


def test_the_next_step_of_a_job_finds_the_session(tmp_path: Path) -> None:
    SessionFile(str(tmp_path), PARTS).write(SESSION)
    assert SessionFile(str(tmp_path), PARTS).read(NOW) == SESSION
    assert only(tmp_path).stat().st_mode & 0o777 == 0o600
    assert "token of the job" not in only(tmp_path).name


@pytest.mark.parametrize("position", range(3))
def test_another_job_audience_or_sidecar_does_not(tmp_path: Path, position: int) -> None:
    SessionFile(str(tmp_path), PARTS).write(SESSION)
    other = [*PARTS[:position], "another", *PARTS[position + 1 :]]
    assert SessionFile(str(tmp_path), other).read(NOW) is None


def test_one_that_is_about_to_end_is_removed(tmp_path: Path) -> None:
    kept = SessionFile(str(tmp_path), PARTS)
    kept.write(SESSION)
    assert kept.read(SESSION.expires_at - timedelta(seconds=29)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_others_can_read_is_not_trusted(tmp_path: Path) -> None:
    kept = SessionFile(str(tmp_path), PARTS)
    kept.write(SESSION)
    only(tmp_path).chmod(0o640)
    assert kept.read(NOW) is None


def test_the_file_of_another_user_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = SessionFile(str(tmp_path), PARTS)
    kept.write(SESSION)
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    assert kept.read(NOW) is None


def test_no_link_is_followed(tmp_path: Path) -> None:
    kept = SessionFile(str(tmp_path), PARTS)
    kept.write(SESSION)
    path = only(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert kept.read(NOW) is None
    kept.write(SESSION)  # takes the place of the link
    assert not path.is_symlink()
    assert kept.read(NOW) == SESSION


def test_a_fifo_does_not_hold_a_job_up(tmp_path: Path) -> None:
    kept = SessionFile(str(tmp_path), PARTS)
    kept.write(SESSION)
    path = only(tmp_path)
    path.unlink()
    os.mkfifo(path, 0o600)
    assert kept.read(NOW) is None


@pytest.mark.parametrize("folder", ["/nowhere/at/all", "/dev/null"])
def test_where_none_can_be_kept_nothing_fails(folder: str) -> None:
    kept = SessionFile(folder, PARTS)
    kept.write(SESSION)
    kept.forget()
    assert kept.read(NOW) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"token": 3, "expires_at": "2026-11-23T12:15:00Z"}'])
def test_a_damaged_file_is_none(tmp_path: Path, text: str) -> None:
    kept = SessionFile(str(tmp_path), PARTS)
    kept.write(SESSION)
    only(tmp_path).write_text(text)
    assert kept.read(NOW) is None


def test_a_token_that_would_break_a_header_is_none() -> None:
    assert read_session({"token": "a\nX-Evil: 1", "expires_at": "2026-11-23T12:15:00Z"}) is None
    assert read_session({"token": "a", "expires_at": "soon"}) is None
