"""What the demo refuses before it starts anything."""

import pytest

from streams.demo.run import run_demo


@pytest.mark.parametrize("days", [0, -3, 100_000])
def test_a_history_that_cannot_be_played_is_refused(days: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(once=True, days=days) == 1
    assert f"candora demo: {days} days cannot be played; 1 to 180 can" in capsys.readouterr().err
