"""Who may import whom: every package stands in a contract, the docs show it, each contract sees a violation."""

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
}
"""For each contract, an import that it forbids."""


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
    importer, imported = VIOLATIONS[contract["name"]]
    worse = deepcopy(graph)
    if imported not in worse.modules:
        worse.add_module(imported, is_squashed=True)
    worse.add_import(importer=importer, imported=imported)
    assert kept(contract, deepcopy(graph))
    assert not kept(contract, worse)


def packages() -> Iterator[str]:
    for file in sorted(ROOT.glob("*/*/__init__.py")):
        name = ".".join(file.parent.relative_to(ROOT).parts)
        if name.split(".")[0] in {"schemas", "producers", "streams"}:
            yield name


@pytest.mark.parametrize("package", list(packages()))
def test_every_package_says_what_it_does(package: str) -> None:
    assert holds(package), f"{package} has no docstring: the layout table takes it from there"


def test_the_docs_show_the_contracts() -> None:
    page = PAGE.read_text("utf-8")
    assert render(page) == page, "docs/design.md: run `make layout`"
