"""What the images are made of: their steps, what is installed and what runs, as far as it goes with no engine."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from streams.exporter.settings import ServingSettings
from streams.settings.installation import WorkerSettings
from tests.support.missing import not_run
from tests.support.servers.processes import Processes, free_port, packages_env, script_command
from tests.support.wheels import PIP, ROOT, locked_wheels, offline, our_wheel

DEPLOY: Final = ROOT / "deploy"
DOCKERFILE: Final = DEPLOY / "docker" / "Dockerfile"
COMPOSE: Final = DEPLOY / "compose" / "compose.yaml"
KUBERNETES: Final = DEPLOY / "kubernetes" / "sidecar.yaml"
TOOLS: Final = Path(sys.executable).parent
UID: Final = 65532
HEAVY: Final = {"faust-streaming", "mode-streaming", "aiokafka", "rocksdict", "rich"}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, each on one line."""
    text = "\n".join(line for line in DOCKERFILE.read_text("utf-8").splitlines() if not line.startswith("#"))
    lines = filter(None, text.replace("\\\n", " ").splitlines())
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def stage(name: str) -> list[tuple[str, str]]:
    """The instructions of a stage and of those that it is built on."""
    found: list[tuple[str, str]] = []
    inside = False
    for word, rest in instructions():
        if word == "FROM":
            inside = rest.endswith(f" AS {name}")
            parent = rest.split()[0]
            found += stage(parent) if inside and not parent.startswith("$") else []
        elif inside:
            found.append((word, rest))
    return found


def run(*command: str | Path, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, **(env or {})}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=110, env=environ)


# --- the Dockerfile ---------------------------------------------------------------------------------------------------


def test_hadolint_finds_nothing() -> None:
    done = run(TOOLS / "hadolint", DOCKERFILE)
    assert done.returncode == 0, done.stdout


def test_what_is_copied_is_there_and_not_ignored() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]
    sources = [source for each in copied for source in each]
    assert {"schemas", "producers", "streams", "pyproject.toml"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists()
        assert any(Path(source).match(pattern) for pattern in allowed), source


@pytest.mark.parametrize("name", ["sidecar", "streams"])
def test_the_images_run_as_nobody_in_particular_and_without_a_shell(name: str) -> None:
    """The entry point is our command itself, and one folder is a volume."""
    image = stage(name)
    assert ("USER", f"{UID}:{UID}") in image
    assert ("VOLUME", "/var/lib/candora") in image
    commands = [rest for word, rest in image if word in {"ENTRYPOINT", "CMD"}]
    assert all(isinstance(json.loads(command), list) for command in commands)


def test_the_last_stage_is_the_sidecar() -> None:
    assert [rest for word, rest in instructions() if word == "FROM"][-1].endswith(" AS sidecar")


# --- what is installed ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def public_folder() -> Iterator[Path]:
    """One that other users may enter; pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="candora-image-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def everybodys_python() -> str:
    """A Python of this version that other users may run: one below /root or in a private home is not."""
    for name in (sys.executable, "/usr/bin/python3"):
        path = Path(name).resolve()
        if path.exists() and all(each.stat().st_mode & 0o001 for each in (path, *path.parents)):
            said = run(path, "-c", "import sys; print(*sys.version_info[:2])").stdout.split()
            if said == [*map(str, sys.version_info[:2])]:
                return str(path)
    return not_run("the sidecar as another user", "Install this version of Python where every user may run it.")


def installed(folder: Path, requirements: Path) -> Path:
    """A new environment, by the steps of the image."""
    (folder / "dist").mkdir(parents=True)
    wheel, venv = our_wheel(folder / "dist"), folder / "venv"
    (packages,) = [rest for word, rest in stage(f"{requirements.parent.name}-packages") if word == "RUN"]
    for number, step in enumerate(packages.split(" && ")):
        words = [str(wheel) if word == "/dist/*.whl" else word for word in shlex.split(step)]
        words = [re.sub("^/candora", str(venv), word) for word in words]
        words = [str(requirements) if word == "requirements.txt" else word for word in words]
        first: tuple[str, ...] = {"python": (everybodys_python(),), "pip": PIP}.get(words[0], (words[0],))
        done = run(*first, *words[1:], env=offline(locked_wheels(requirements)))
        assert done.returncode == 0, f"step {number}: {done.stderr}"
    return venv


@pytest.fixture(scope="module")
def sidecar(public_folder: Path) -> Path:
    return installed(public_folder / "sidecar", DEPLOY / "docker" / "sidecar" / "requirements.txt")


def packages_of(venv: Path) -> set[str]:
    said = json.loads(run(*PIP, "--python", venv / "bin" / "python", "list", "--format=json").stdout)
    return {package["name"].lower().replace("_", "-") for package in said}


@pytest.mark.slow
def test_the_sidecar_is_the_light_installation(sidecar: Path) -> None:
    packages = packages_of(sidecar)
    assert {"candora", "aiohttp", "prometheus-client", "pyjwt", "cryptography"} <= packages
    assert not packages & (HEAVY | {"pip", "jinja2", "matplotlib"})
    checked = run(*PIP, "--python", sidecar / "bin" / "python", "check")
    assert checked.stdout == "No broken requirements found.\n", "something that [sidecar] asks for is not locked"


def test_the_locked_packages_of_both_images_are_those_of_the_tests() -> None:
    def pinned(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", path.read_text("utf-8"), re.MULTILINE))

    whole = pinned(ROOT / "requirements.txt")
    light, full = (pinned(DEPLOY / "docker" / name / "requirements.txt") for name in ("sidecar", "streams"))
    assert light.items() <= whole.items()
    assert full.items() <= whole.items()
    assert not light.keys() & HEAVY
    assert full.keys() >= HEAVY


@pytest.mark.slow
def test_the_base_installation_shows_an_event(public_folder: Path) -> None:
    """No extra at all: no web stack."""
    venv, locked = public_folder / "base", DEPLOY / "ci" / "github" / "requirements.txt"
    assert run(sys.executable, "-I", "-m", "venv", "--without-pip", venv).returncode == 0
    (public_folder / "dist").mkdir()
    wheel = our_wheel(public_folder / "dist")
    python = ("--python", str(venv / "bin" / "python"))
    done = run(*PIP, *python, "install", "-q", str(wheel), env=offline(locked_wheels(locked)))
    assert done.returncode == 0, done.stderr
    assert not packages_of(venv) & (HEAVY | {"aiohttp", "prometheus-client", "pyjwt", "hatchling"})
    emit = ("emit", "incident_opened", "--service", "shop", "--env", "prod", "--incident", "7", "--dry-run")
    shown = run(venv / "bin" / "candora-ci", *emit)
    assert json.loads(shown.stdout)["service"] == "shop", shown.stderr
    refused = run(venv / "bin" / "candora-ci", "serve", "--config", "none.yaml")
    assert "candora[sidecar]" in refused.stderr


@pytest.mark.slow
def test_the_sidecar_runs_as_that_user_and_writes_into_its_volume_alone(
    sidecar: Path, public_folder: Path, processes: Processes
) -> None:
    """No home, no temporary folder, and the code belongs to somebody else."""
    volume = public_folder / "volume"
    volume.mkdir(mode=0o750)
    port, metrics = free_port(), free_port()
    settings = {
        "listen": {"port": port},
        "metrics": {"port": metrics},
        "kafka": {"bootstrap_servers": f"127.0.0.1:{free_port()}"},
        "spool": {"folder": str(volume / "spool")},
        "grace": "1s",
    }
    file = public_folder / "sidecar.yaml"
    file.write_text(yaml.safe_dump(settings), "utf-8")
    as_user: list[str] = []
    if os.geteuid() == 0:
        os.chown(volume, UID, UID)
        as_user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs"]
        as_user += ["--inh-caps=-all", "--bounding-set=-all"]
    (image,) = [rest for word, rest in stage("sidecar") if word == "ENV"]
    variables = [text for text in shlex.split(image) if not text.startswith("PATH=")]
    environ = [*variables, f"PATH={sidecar / 'bin'}:/usr/bin:/bin", "TMPDIR=/nonexistent"]
    before = sorted(sidecar.rglob("*"))
    process = processes.start(
        *as_user, "env", "-i", "-C", str(volume), *environ, "candora-ci", "serve", "--config", str(file)
    )
    process.wait_for_url(f"http://127.0.0.1:{metrics}/healthz")
    process.wait_for_url(f"http://127.0.0.1:{metrics}/readyz")
    event = {
        "event_type": "rollback_triggered",
        "occurred_at": "2026-11-23T09:00:00Z",
        "service": "shop",
        "env": "prod",
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/events", json.dumps(event).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own
        assert answer.status == 202
    if as_user:
        assert Path(f"/proc/{process.pid}").stat().st_uid == UID
    (check,) = [rest for word, rest in stage("sidecar") if word == "HEALTHCHECK"]
    _, command = check.split(" CMD ")
    python, *arguments = json.loads(command.replace("9480", str(metrics)))
    assert run(sidecar / "bin" / python, *arguments).returncode == 0
    assert process.terminate() == 0
    assert [each for each in (volume / "spool").iterdir() if each.is_file() and each.name[0].isdigit()]
    assert sorted(sidecar.rglob("*")) == before
    assert run(sidecar / "bin" / python, *arguments).returncode == 1


# --- compose and Kubernetes -------------------------------------------------------------------------------------------


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))
    return loaded


def test_the_compose_file_is_one_by_its_schema() -> None:
    done = run(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert done.returncode == 0, done.stdout


def test_compose_names_only_what_is_there() -> None:
    services, volumes = compose()["services"], compose()["volumes"]
    stages = {rest.split(" AS ")[1] for word, rest in instructions() if word == "FROM"}
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        if "build" in service:
            assert (COMPOSE.parent / service["build"]["context"]).resolve() == ROOT
            assert (ROOT / service["build"]["dockerfile"]) == DOCKERFILE
            assert service["build"]["target"] in stages
        for source in (volume.split(":")[0] for volume in service.get("volumes", ())):
            assert (COMPOSE.parent / source).exists() if source.startswith(".") else source in volumes
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


@pytest.mark.parametrize("name", [name for name, service in compose()["services"].items() if "build" in service])
def test_every_command_of_compose_is_one(name: str) -> None:
    """Its arguments are understood, and its variables are settings of that process."""
    service = compose()["services"][name]
    module, script = {"sidecar": ("producers.cli", "candora-ci"), "streams": ("streams.cli", "candora")}[
        service["build"]["target"]
    ]
    done = run(*script_command(module, script), *service["command"], "--help", env=packages_env())
    assert done.returncode == 0, done.stderr
    fields = {*WorkerSettings.model_fields, *ServingSettings.model_fields, "webhook_secret"}
    for variable in service["environment"]:
        assert variable.removeprefix("CANDORA_").lower() in fields


def test_prometheus_asks_services_that_there_are() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    targets = [
        target for job in config["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    ]
    assert {target.split(":")[0] for target in targets} <= {*compose()["services"], "localhost"}
    datasource = (DEPLOY / "grafana" / "provisioning" / "datasources" / "candora.yaml").read_text("utf-8")
    assert "http://prometheus:9090" in datasource
    dashboards = (DEPLOY / "grafana" / "provisioning" / "dashboards" / "candora.yaml").read_text("utf-8")
    (path,) = re.findall(r"^ *path: (\S+)$", dashboards, re.MULTILINE)
    assert f"../grafana/dashboards:{path}:ro" in compose()["services"]["grafana"]["volumes"]


def test_the_manifest_is_what_kubernetes_takes() -> None:
    done = run(TOOLS / "kubernetes-validate", "--strict", "--no-warn", KUBERNETES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("where", ["compose", "kubernetes"])
def test_the_settings_of_the_sidecar_are_good(where: str, tmp_path: Path) -> None:
    """As `candora-ci serve --check` sees them, with the folder and the secret of this machine."""
    text = (COMPOSE.parent / "sidecar.yaml").read_text("utf-8")
    if where == "kubernetes":
        text = next(yaml.safe_load_all(KUBERNETES.read_text("utf-8")))["data"]["sidecar.yaml"]
    secret = tmp_path / "alertmanager"
    secret.write_text("0123456789abcdef0123456789abcdef", "utf-8")
    text = text.replace("/var/lib/candora", str(tmp_path)).replace("/run/secrets/candora/alertmanager", str(secret))
    file = tmp_path / "sidecar.yaml"
    file.write_text(text, "utf-8")
    environ = {**packages_env(), "CANDORA_WEBHOOK_SECRET": secret.read_text("utf-8")}
    environ["CANDORA_KAFKA_BOOTSTRAP_SERVERS"] = "kafka:9092"
    done = run(*script_command("producers.cli", "candora-ci"), "serve", "--config", file, "--check", env=environ)
    assert done.returncode == 0, done.stderr
