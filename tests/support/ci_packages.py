"""The script of the GitHub action, copied to where GitLab and Jenkins look for it. `make packages` writes the copies."""

from pathlib import Path
from textwrap import indent
from typing import Final

CI: Final = Path(__file__).parents[2] / "deploy" / "ci"
SCRIPT: Final = CI / "github" / "emit.sh"
ACTION: Final = CI / "github" / "action.yml"
JENKINS: Final = CI / "jenkins" / "resources" / "candora" / "emit.sh"
STEP: Final = CI / "jenkins" / "vars" / "candoraEvent.groovy"
COMPONENT: Final = CI / "gitlab" / "templates" / "candora.yml"

_LAST_ENTRY: Final = "    - |\n"
"""Of the component's `script`, the text that ends the file."""


def component() -> str:
    """GitLab's component with the script as it is now."""
    head, _, _ = COMPONENT.read_text("utf-8").partition(_LAST_ENTRY)
    return head + _LAST_ENTRY + indent(SCRIPT.read_text("utf-8"), "      ")


def main() -> None:
    """Write the copies."""
    JENKINS.write_text(SCRIPT.read_text("utf-8"), "utf-8")
    COMPONENT.write_text(component(), "utf-8")


if __name__ == "__main__":
    main()
