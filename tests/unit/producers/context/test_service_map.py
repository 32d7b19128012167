import pytest

from producers.context.service_map import read_services
from producers.errors import UsageError


def _touched(globs: list[str], *paths: str) -> bool:
    return bool(read_services(f"services: {{shop: {globs}}}", "candora.yaml").touched(paths))


@pytest.mark.parametrize(
    ("globs", "path", "belongs"),
    [
        (["services/shop"], "services/shop/a/b.py", True),
        (["services/shop/"], "services/shop/a", True),
        (["services/shop"], "services/shopping/a", False),
        (["services/*/api"], "services/shop/api/a", True),
        (["services/*/api"], "services/a/b/api/a", False),
        (["libs/**/*.py"], "libs/a.py", True),
        (["libs/**/*.py"], "libs/a/b/c.py", True),
        (["libs/**/*.py"], "libs/a/b/c.md", False),
        (["**"], "größe/ü", True),
        (["v?"], "v1", True),
        (["v?"], "v12", False),
        (["a.b"], "aXb", False),
        (["**", "!**/*.md"], "docs/a.md", False),
        (["!**/*.md", "**"], "docs/a.md", True),
        (["a"], "a/new\nline", True),
    ],
)
def test_a_path_belongs_to_a_service_by_the_last_glob_that_matches(globs: list[str], path: str, belongs: bool) -> None:
    assert _touched(globs, path) is belongs


@pytest.mark.timeout(10)
def test_a_glob_of_repeated_wildcards_takes_no_longer_than_one() -> None:
    path = "/".join("a" * 100)
    assert not _touched(["**/" * 25 + "x"], path)
    assert _touched(["**/" * 25 + "x"], f"{path}/x")
    assert _touched(["**/" * 25 + "x"], "x")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "candora.yaml: expected `services:`"),
        ("- a", "candora.yaml: expected `services:`"),
        ("services: [", "candora.yaml, line 1: this is no YAML"),
        ("servces: {}", "candora.yaml, line 1: servces: is not known"),
        ("\nservices:\n", "candora.yaml, line 2: services: expected names"),
        ("services:\n  shop: a", "candora.yaml, line 2: services.shop: expected a list of globs"),
        ("services:\n  shop: []", "line 2: services.shop: expected a list"),
        ("services:\n  shop:\n  - a\n  - [b]", "line 4: services.shop[1]: expected a glob"),
        ("services:\n  shop: [a]\n  shop: [b]", "line 3: services.shop: stands here twice"),
        ("services:\n  my shop: [a]", "line 2: services.my shop: is not the name of a service"),
        ("services:\n  shop:\n  - /a", "line 3: services.shop[0]: write it from the top"),
        ("services:\n  shop:\n  - ../a", "line 3: services.shop[0]: write it from the top"),
        ("services:\n  [a]: [b]", "line 2: services: expected the name"),
        (b"\xff\xfe\x00", "this is no YAML"),
        ("services: " + "[" * 5000, "this is no YAML"),
    ],
)
def test_a_file_of_another_form_is_refused_at_its_line_and_field(text: str | bytes, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_services(text, "candora.yaml")

    assert says in str(refused.value)
