"""Names that a reader can trust: one class, one thing; no name that tells nothing; no two rooms that sound alike."""

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("schemas", "producers", "streams")

NO_NOUN: Final = re.compile(r"[A-Z][a-z]*(?:ed|en|ing)|Made|Told|Held|Found|Said|Built|Put|Kept|Sent|Left|Known|Done")
"""A participle alone says what happened to a thing and not what it is."""

OLD_WORDS: Final = (
    r"producers[./](?:past|receiver|ci)\b",
    r"streams[./]serving\b",
    r"streams[./]worker[./](?:hardening|intake|shelves|pulse|records|writers|dead_letters|settings|security)\b",
    r"streams[./]core[./](?:book|shelf|folding|buckets|counting|links|records|rows)\b",
    r"schemas[./](?:avro_\w+|kafka_env|redirects)\b",
    r"\b(?:Shelf|Book|Shelves|Keeper|Parcel|Crew|Teller|LinkedBook)\b",
)
"""Rooms and classes that are gone. The changelog may speak of them."""


DIALECT: Final = re.compile(
    r"(?<![a-z])(?:shelf|shelves|book|books|folded|folding|folds|beaten|heir|pulse|keeper|pump)(?![a-z])", re.IGNORECASE
)
"""Words of this house for what the field calls state, retention, overruled, watchdog and so on."""


def classes(files: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """The public top-level classes of Python files, each with its file."""
    for file in files:
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, str(file)


def defined_twice(found: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The class names that stand for several things, with their files."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for name, file in found:
        by_name[name].append(file)
    return {name: files for name, files in by_name.items() if len(files) > 1}


def no_nouns(found: Iterable[tuple[str, str]]) -> set[str]:
    """The class names that are a participle and nothing else."""
    return {name for name, _ in found if NO_NOUN.fullmatch(name)}


def stems(name: str) -> set[str]:
    """What names share that sound alike: `spool`, `spooling`, `spooler`, `spools`."""
    plain = re.sub(r"(?:ing|ed|s)$", "", name)
    return {plain, plain.removesuffix("er")}


def sound_alike(rooms: Iterable[str]) -> set[str]:
    """The names of one folder that differ by an ending only."""
    by_stem: dict[str, set[str]] = defaultdict(set)
    for room in rooms:
        for stem in stems(room):
            by_stem[stem].add(room)
    return {name for names in by_stem.values() if len(names) > 1 for name in names}


def old_words(text: str) -> list[str]:
    """Names in a text that the rooms had once."""
    return [match[0] for pattern in OLD_WORDS for match in re.finditer(pattern, text)]


def dialect(text: str) -> list[str]:
    """Return the words of a text, also inside of names, for which the field has others."""
    return DIALECT.findall(text)


def sources() -> list[Path]:
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    names = [
        name.decode() for name in listed if name.endswith((b".py", b".md", b".toml", b".yaml", b".yml", b"Makefile"))
    ]
    return [ROOT / name for name in names if name not in {"CHANGELOG.md", "tests/unit/test_names.py"}]


def test_no_public_class_name_stands_for_two_things() -> None:
    assert defined_twice(classes(sources())) == {}


def test_no_public_class_is_named_by_a_participle_alone() -> None:
    assert no_nouns(classes(sources())) == set()


def test_no_two_rooms_of_a_folder_sound_alike() -> None:
    folders = {file.parent for file in sources()}
    alike = {str(folder.relative_to(ROOT)): sound_alike(room.stem for room in folder.iterdir()) for folder in folders}
    assert {folder: names for folder, names in alike.items() if names} == {}


def test_no_old_room_is_spoken_of() -> None:
    found = {str(file.relative_to(ROOT)): old_words(file.read_text("utf-8")) for file in tracked() if file.is_file()}
    assert {name: words for name, words in found.items() if words} == {}


def test_code_and_docs_use_the_words_of_the_field() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = {str(file.relative_to(ROOT)): dialect(file.read_text("utf-8")) for file in (*sources(), *pages)}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize("name", ["Told", "Held", "Taken", "Gathered", "Gathering", "Asked"])
def test_the_guard_sees_a_participle(name: str) -> None:
    assert no_nouns([(name, "a.py"), ("AskedQuestion", "a.py"), ("TokenBuckets", "a.py")]) == {name}


def test_the_guard_sees_a_class_that_is_defined_twice(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("class Answer: ...\nclass _Private: ...\n")
    assert list(defined_twice(classes(sorted(tmp_path.iterdir())))) == ["Answer"]


def test_the_guard_sees_rooms_that_sound_alike() -> None:
    assert sound_alike(["gather", "gathering", "git"]) == {"gather", "gathering"}


def test_the_guard_sees_old_words() -> None:
    assert old_words("see producers/receiver/app.py and `Shelf`") == ["producers/receiver", "Shelf"]


def test_the_guard_sees_words_of_no_field() -> None:
    assert dialect("a period is unfolded; a book, a bookmark, _pulse and closed totals are folded") == [
        "book",
        "pulse",
        "folded",
    ]
