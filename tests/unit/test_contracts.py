"""Who may import whom: every package stands in a contract, the docs show it, each contract sees a violation."""

import re
import tomllib
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, Final

import grimp
import pytest
from importlinter.configuration import configure
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract
from importlinter.domain.contract import Contract

from tests.tools.layout_table import PAGE, ROOT, holds, render

OPTIONS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
TYPES: Final[dict[str, Callable[..., Contract]]] = {
    "forbidden": ForbiddenContract,
    "independence": IndependenceContract,
    "layers": LayersContract,
}

VIOLATIONS: Final = {
    "The sidecar and the streams never import each other": ("producers.errors", "streams.errors"),
    "Layers of schemas: codecs and rules stand on values, records and clients on both": (
        "schemas.values",
        "schemas.codec.codec",
    ),
    "Layers of producers: an event is built, given its context and evidence, then delivered": (
        "producers.events.flags",
        "producers.delivery.emitter",
    ),
    "Layers of streams: the core knows nobody, and no process or command knows another beside it": (
        "streams.worker.app",
        "streams.exporter.store",
    ),
    "Whoever only reads the log, or a file of events, never loads Faust": ("streams.trace.cli", "faust"),
    "The sidecar and its client know each other's protocol, not each other": (
        "producers.sidecar.server",
        "producers.delivery.sidecar_client.http",
    ),
    "The contract knows neither who writes nor who reads": ("schemas.values", "producers.errors"),
    "The sidecar is light: no Faust, no second Kafka client": ("producers.cli", "aiokafka"),
    "Only the long-running sidecar needs a web stack": ("producers.delivery.kafka", "aiohttp"),
    "What a webhook means is pure: no client, clock, logger, randomness or environment": (
        "producers.sidecar.webhooks.github",
        "time",
    ),
    "The core sees values only: of ours nothing but schemas.values and what tells two of them apart": (
        "streams.core.facts",
        "schemas.rules",
    ),
    "The core has no client, clock, logger, randomness or environment": ("streams.core.windows", "time"),
    "The exporter reads topics, never the worker": ("streams.exporter.store", "streams.worker.app"),
    "Inside the sidecar: the SLO gate signs in by auth, auth knows the sources, sources know neither": (
        "producers.sidecar.webhooks.github",
        "producers.sidecar.auth.signatures",
    ),
    "A command knows no other command; what two share stands in emit_arguments": (
        "producers.commands.drain",
        "producers.commands.serve",
    ),
}
"""An import that a contract forbids; a `forbidden` one without an entry is shown its first source and first target."""


def violation(contract: dict[str, Any]) -> tuple[str, str]:
    """Return an import, as importer and imported, that a contract forbids."""
    if contract["name"] in VIOLATIONS:
        return VIOLATIONS[contract["name"]]
    return contract["source_modules"][0], contract["forbidden_modules"][0]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    configure()
    return grimp.build_graph("schemas", "producers", "streams", include_external_packages=True)


def kept(contract: dict[str, Any], graph: grimp.ImportGraph) -> bool:
    """Whether a contract finds no fault with a graph of imports. The graph is changed by it."""
    session = {name: value for name, value in OPTIONS.items() if name != "contracts"}
    as_text = {name: str(value) if isinstance(value, bool) else value for name, value in contract.items()}
    checked = TYPES[contract["type"]](name=contract["name"], session_options=session, contract_options=as_text)
    return bool(checked.check(graph, verbose=False).kept)


@pytest.mark.parametrize("contract", OPTIONS["contracts"], ids=lambda one: str(one["name"]))
def test_a_contract_sees_an_import_that_it_forbids(contract: dict[str, Any], graph: grimp.ImportGraph) -> None:
    importer, imported = violation(contract)
    worse = deepcopy(graph)
    if imported not in worse.modules:
        worse.add_module(imported, is_squashed=True)
    worse.add_import(importer=importer, imported=imported)
    assert kept(contract, deepcopy(graph))
    assert not kept(contract, worse)


def packages() -> Iterator[str]:
    """Every package at any depth, but the three roots: folders of data are none."""
    for root in ("schemas", "producers", "streams"):
        for file in sorted((ROOT / root).rglob("*/__init__.py")):
            yield ".".join(file.parent.relative_to(ROOT).parts)


def named(contract: dict[str, Any]) -> set[str]:
    """The modules that a contract is about, layers with their container in front."""
    if contract["type"] == "layers":
        (container,) = contract["containers"]
        return {f"{container}.{name}" for layer in contract["layers"] for name in re.split(r"\s*\|\s*", layer)}
    modules = contract.get("source_modules") or contract["modules"]
    return {module.removesuffix(".*") for module in modules}


@pytest.mark.parametrize("package", list(packages()))
def test_every_package_has_a_contract_of_its_own(package: str) -> None:
    assert any(package in named(contract) for contract in OPTIONS["contracts"])


@pytest.mark.parametrize("package", list(packages()))
def test_every_package_says_what_it_does(package: str) -> None:
    assert holds(package), f"{package} has no docstring: the layout table takes it from there"


def test_the_docs_show_the_contracts() -> None:
    page = PAGE.read_text("utf-8")
    assert render(page) == page, "docs/design.md: run `make layout`"
