"""The settings that the pages of the webhooks show are ones that the sidecar takes."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from producers.sidecar.auth.settings import AuthSettings
from producers.sidecar.name_mapping import NameRules
from producers.sidecar.webhooks.sources import canonical_name

PAGES: Final = Path(__file__).parents[5] / "docs" / "webhooks"


def shown(page: Path) -> list[dict[str, Any]]:
    """The settings on a page."""
    return [
        yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    ]


@pytest.mark.parametrize("page", ["argo-rollouts", "cdevents", "flagger", "github", "gitlab"])
def test_the_settings_on_a_page_are_understood(page: str) -> None:
    [settings] = shown(PAGES / f"{page}.md")

    assert list(AuthSettings.model_validate(settings["auth"]).webhooks) == [canonical_name(page)]
    assert NameRules.model_validate(settings["names"]) != NameRules()
