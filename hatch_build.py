"""Compiles the core and the codecs into the wheel, with mypyc, where CANDORA_COMPILED=1 asks for it.

The sources stay in the wheel beside what is compiled of them, and Python takes the compiled ones. Without the variable
the wheel is pure Python, which is the reference: both must pass the same tests (`make compiled`).
"""

import os
import shutil
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SETTING = "CANDORA_COMPILED"
ALSO = (
    "schemas/codec/compiled.py",
    "schemas/codec/reader.py",
    "schemas/codec/writer.py",
    "schemas/fingerprint.py",
    "schemas/rules.py",
    "streams/event_log/validator.py",
)
"""What is compiled with the core: what else every event goes through."""
CODECS = "schemas/codec/compiled.py"
NOT_COMPILED = frozenset({"__init__.py", "settings.py"})
"""Of the core. Settings are sent from process to process, which a compiled dataclass that is frozen cannot be."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Hatchling's name for the hook of a project."""

    def dependencies(self) -> list[str]:
        """Return the build requirements."""
        return ["fastavro>=1.13", "mypy>=2.4", "setuptools>=65", "typing-extensions>=4.12"] if _wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and register the results with hatchling."""
        if not _wanted() or version == "editable":
            return
        self._folder = Path(mkdtemp(prefix="candora-compiled-"))
        for library in compile_core(Path(self.root), self._folder):
            build_data["force_include"][str(library)] = str(library.relative_to(self._folder))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove temporary files."""
        if _wanted() and version != "editable":
            shutil.rmtree(self._folder)


def _wanted() -> bool:
    return os.environ.get(SETTING, "") not in ("", "0")


def compile_core(root: Path, folder: Path) -> list[Path]:
    """Compile the checkout at `root` into files under `folder`, which are returned: libraries, and the codecs' text."""
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    (folder / CODECS).parent.mkdir(parents=True)
    (folder / CODECS).write_text(codecs(root), "utf-8")
    source = folder / "source"
    for package in ("schemas", "streams"):
        shutil.copytree(root / package, source / package)
    shutil.copy(folder / CODECS, source / CODECS)
    core = (f"streams/core/{each.name}" for each in (root / "streams/core").glob("*.py"))
    names = [*(each for each in core if Path(each).name not in NOT_COMPILED), *ALSO]
    before = Path.cwd()
    os.chdir(source)  # so that mypy knows the modules by their names
    try:
        options = ["--config-file=", "--ignore-missing-imports"]
        extensions = mypycify([*options, *sorted(names)], target_dir=str(folder / "c"), group_name="candora")
        command = build_ext(Distribution({"name": "candora", "ext_modules": extensions}))
        command.build_lib, command.build_temp = str(folder), str(folder / "o")
        command.parallel = os.cpu_count()
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)
    return [folder / CODECS, *sorted(each for where in WHERE for each in folder.glob(f"{where}*.so"))]


def codecs(root: Path) -> str:
    """Return the text of the module that holds a reader and a writer of every schema of the contract."""
    sys.path.insert(0, str(root))
    from schemas.codec.codec import Schema
    from schemas.codec.reader import reader_code
    from schemas.codec.writer import writer_code

    text = ['"""Readers and writers of our own schemas, written when this wheel was built."""', *_CODECS_IMPORT]
    readers, writers = [], []
    for file in sorted((root / "schemas/avro").glob("*.avsc")):
        name, schema = file.stem.replace(".", "_"), Schema.parse(file.stem, file.read_text("utf-8"))
        reader, writer = reader_code(schema.parsed, f"read_{name}"), writer_code(schema.parsed, f"write_{name}")
        if reader is not None:
            text.append(reader)
            readers.append(f"    {schema.raw!r}: read_{name},")
        if writer is not None:
            text.append(writer)
            writers.append(f"    {schema.raw!r}: write_{name},")
    text += ["READERS: Final[dict[str, Reader]] = {", *readers, "}"]
    text += ["WRITERS: Final[dict[str, Writer]] = {", *writers, "}", ""]
    return "\n".join(text)


_CODECS_IMPORT = (
    "from typing import Any, Final",
    "from schemas.codec.reader import Reader, read_long, unpack_double",
    "from schemas.codec.writer import BYTE, UnsupportedValue, Writer, pack_double, write_long",
)
WHERE = ("streams/core/", "streams/event_log/", "schemas/codec/", "schemas/", "")
"""Folders of the wheel that get libraries."""
