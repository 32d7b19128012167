"""What a user installs: one wheel, three packages, their data, a light sidecar, and imports that start nothing."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement

from tests.support.servers.processes import packages_env, script_command

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("producers", "schemas", "streams")

# Imports every module of a package under an audit hook, and prints what it did beside importing, and what it loaded.
IMPORT_ALL: Final = """
import importlib, json, pkgutil, sys
deeds = []
def watch(event, args):
    if event in {"socket.connect", "socket.bind", "subprocess.Popen", "os.fork", "os.exec", "os.posix_spawn",
                 "_thread.start_new_thread", "os.mkdir", "os.remove", "os.rename", "os.chdir", "signal.signal"}:
        deeds.append([event, repr(args)])
    elif event == "open" and set(str(args[1] or "")) & set("wax+") and not str(args[0]).endswith((".pyc", "/dev/null")):
        deeds.append([event, repr(args)])
package = importlib.import_module(sys.argv[1])
names = [found.name for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
         if not found.name.endswith("__main__")] if sys.argv[2] == "all" else sys.argv[3:]
sys.dont_write_bytecode = True
if sys.argv[2] == "all":
    for name in FOREIGN:
        importlib.import_module(name)
sys.addaudithook(watch)
for name in names:
    importlib.import_module(name)
print(json.dumps({"deeds": deeds, "modules": sorted(sys.modules)}))
"""
# Loaded beforehand: what these do when they are imported is not ours to answer for.
FOREIGN: Final = (
    "aiohttp",
    "aiokafka",
    "confluent_kafka.admin",
    "faust",
    "fastavro",
    "matplotlib.figure",
    "pydantic",
    "rich",
    "rocksdict",
)


def import_in_new_process(*args: str) -> Any:
    code = IMPORT_ALL.replace("FOREIGN", repr(FOREIGN))
    env = {"PATH": "/usr/bin:/bin", **packages_env()}  # no HOME, no settings: importing must not need any
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, check=False, env=env, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("candora-*.whl")
    return zipfile.Path(built)


def metadata(wheel: zipfile.Path) -> Message:
    (folder,) = (each for each in wheel.iterdir() if each.name.endswith(".dist-info"))
    return Parser().parsestr((folder / "METADATA").read_text(encoding="utf-8"))


def in_checkout(pattern: str = "*") -> set[str]:
    found = (path for package in PACKAGES for path in (ROOT / package).rglob(pattern))
    return {str(path.relative_to(ROOT)) for path in found if path.is_file() and "__pycache__" not in path.parts}


def test_the_wheel_holds_the_three_packages_whole_and_nothing_else(wheel: zipfile.Path) -> None:
    names = {name for name in wheel.root.namelist() if ".dist-info/" not in name and not name.endswith("/")}
    assert names == in_checkout()


@pytest.mark.parametrize("pattern", ["schemas/avro/*.avsc", "schemas/topics/*"])
def test_the_contract_travels_with_the_wheel(wheel: zipfile.Path, pattern: str) -> None:
    expected = {str(path.relative_to(ROOT)) for path in ROOT.glob(pattern) if path.is_file()}
    assert expected
    assert expected <= set(wheel.root.namelist())


def test_without_extras_neither_faust_nor_a_second_kafka_client_is_asked_for(wheel: zipfile.Path) -> None:
    required = [Requirement(line) for line in metadata(wheel).get_all("Requires-Dist", [])]
    base = {each.name for each in required if each.marker is None}
    client = {"confluent-kafka", "fastavro", "msgspec"}
    assert base == client | {"defusedxml", "pydantic", "pydantic-settings", "pyyaml", "typing-extensions"}
    assert [str(each.specifier) for each in required if each.name == "faust-streaming"] == ["==0.15.3"]


def test_the_sidecar_loads_neither_faust_nor_the_streams() -> None:
    loaded = {name.split(".")[0] for name in import_in_new_process("producers", "some", "producers.cli")["modules"]}
    assert "producers" in loaded
    assert loaded.isdisjoint({"streams", "faust", "mode", "aiokafka", "rocksdict", "rich", "prometheus_client"})


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_starts_nothing(package: str) -> None:
    assert import_in_new_process(package, "all")["deeds"] == []


def test_the_guard_against_imports_that_act_sees_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "__init__.py").touch()
    (tmp_path / "busy" / "now.py").write_text("import socket\nsocket.socket().bind(('127.0.0.1', 0))\n")
    monkeypatch.setattr(f"{__name__}.packages_env", lambda: {"PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "ignore"})
    ((event, _),) = import_in_new_process("busy", "all")["deeds"]
    assert event == "socket.bind"


@pytest.mark.parametrize(("module", "name"), [("streams.cli", "candora"), ("producers.cli", "candora-ci")])
def test_each_script_tells_how_to_use_it(wheel: zipfile.Path, module: str, name: str) -> None:
    (entry_points,) = (each / "entry_points.txt" for each in wheel.iterdir() if each.name.endswith(".dist-info"))
    assert f"{name} = {module}:main" in entry_points.read_text(encoding="utf-8").splitlines()
    command = [*script_command(module, name), "--help"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", **packages_env()},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {name} ")


def test_the_pinned_requirements_name_no_place_and_all_have_hashes() -> None:
    text = (ROOT / "requirements.txt").read_text()
    lines = [
        line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    for line in lines:
        assert re.fullmatch(r"[a-z0-9.-]+==[\w.+!-]+(\s+--hash=sha256:[0-9a-f]{64})+\s*", line)
    assert "://" not in text


def test_the_pinned_requirements_are_what_the_project_asks_for() -> None:
    pinned = dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
    for requirement in map(Requirement, asked):
        assert pinned[requirement.name] in requirement.specifier, f"{requirement}: run `make lock`"
