"""Compiles the core into the wheel, with mypyc, where CANDORA_COMPILED=1 asks for it.

The sources stay in the wheel beside what is compiled of them, and Python takes the compiled ones. Without the variable
the wheel is pure Python, which is the reference: both must pass the same tests (`make compiled`).
"""

import os
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SETTING = "CANDORA_COMPILED"
NOT_COMPILED = frozenset({"__init__.py", "settings.py"})
"""Of the core. Settings are sent from process to process, which a compiled dataclass that is frozen cannot be."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Hatchling's name for the hook of a project."""

    def dependencies(self) -> list[str]:
        """What has to be there to build."""
        return ["mypy>=2.4", "setuptools>=65"] if _wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell hatchling what to put where."""
        if not _wanted() or version == "editable":
            return
        self._folder = Path(mkdtemp(prefix="candora-compiled-"))
        for library in compile_core(Path(self.root), self._folder):
            build_data["force_include"][str(library)] = str(library.relative_to(self._folder))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clear up."""
        if _wanted() and version != "editable":
            shutil.rmtree(self._folder)


def _wanted() -> bool:
    return os.environ.get(SETTING, "") not in ("", "0")


def compile_core(root: Path, folder: Path) -> list[Path]:
    """Compile the core of the checkout at `root` into shared libraries under `folder`, which are returned."""
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    core = sorted((root / "streams/core").glob("*.py"))
    sources = [*(each for each in core if each.name not in NOT_COMPILED), root / "schemas/fingerprint.py"]
    before = Path.cwd()
    os.chdir(root)  # so that mypy knows the modules by their names
    try:
        options = ["--config-file=", "--ignore-missing-imports"]
        names = [str(each.relative_to(root)) for each in sources]
        extensions = mypycify([*options, *names], target_dir=str(folder / "c"), group_name="candora")
        command = build_ext(Distribution({"name": "candora", "ext_modules": extensions}))
        command.build_lib, command.build_temp = str(folder), str(folder / "o")
        command.parallel = os.cpu_count()
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)
    return sorted(folder.glob("streams/**/*.so")) + sorted(folder.glob("schemas/*.so")) + sorted(folder.glob("*.so"))
