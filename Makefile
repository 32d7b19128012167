# Everything a developer runs. `make` alone lists the targets; the first one that needs it makes .venv.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := $(shell find schemas producers streams -type f -not -path '*/__pycache__/*' | LC_ALL=C sort)
PYTEST := $(BIN)/pytest --installed
UNIT := $(PYTEST) -n auto -m "not broker and not prometheus and not browser and not proof"
# Tests with real servers mostly wait for them: more processes than cores, one broker for all.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))
SERVERS := $(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder --one-broker --durations=10
BROKER := $(SERVERS) -m "(broker or prometheus or browser) and not proof"
# In one run, so that what computes runs beside what waits.
TEST := $(SERVERS) -m "not proof"
PROOF := $(PYTEST) -m proof --durations=10

# The checkout is never on sys.path: what is tested and run is the installed wheel.
export PYTHONSAFEPATH := 1

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

.PHONY: venv
venv: .venv/installed ## make .venv and install the package into it, with all it needs (COMPILED=1: the core compiled)

.PHONY: demo
demo: venv ## a simulated company, live in the terminal (ONCE=1: show the table and end)
	@$(BIN)/candora demo $(if $(ONCE),--once)

.PHONY: test
test: lint types imports venv jars ## all checks, and all tests but the proofs
	$(TEST)

.PHONY: lint
lint: .venv/made ## style, by ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: .venv/made ## types, by mypy
	$(BIN)/mypy

.PHONY: imports
imports: .venv/made ## who may import whom, by import-linter
	$(BIN)/lint-imports --no-logo

.PHONY: unit
unit: venv ## the tests that need nothing but Python
	$(UNIT)

USE_THE_CORE := $(addprefix tests/unit/streams/,audit core demo event_log exporter replay rebuild worker test_cli.py)

.PHONY: compiled
compiled: .venv/made ## build the wheel with its core compiled, in dist; test the rules on it
	rm -rf .cache/compiled
	CANDORA_COMPILED=1 $(BIN)/pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w .cache/compiled .
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-index \
	  --target .cache/compiled/site-packages .cache/compiled/candora-*.whl
	PYTHONPATH=.cache/compiled/site-packages $(BIN)/candora --version | grep -w compiled
	PYTHONPATH=.cache/compiled/site-packages $(UNIT) tests/contract tests/fuzz tests/property $(USE_THE_CORE)

.PHONY: broker
broker: venv jars ## the tests that need a real Kafka, a real Prometheus or a real browser
	$(BROKER)

.PHONY: proof
proof: venv jars ## what takes minutes: crashes under load, audits, a rebuild, some chaos, on a real Kafka
	$(PROOF)

.PHONY: bench
bench: venv jars ## the measurements of tests/bench, on a real Kafka
	$(PYTEST) -s -o "python_files=bench_*.py" tests/bench

PEERS := .cache/peers

.PHONY: peers
peers: venv jars $(PEERS)/made ## the worker beside Quix Streams and Bytewax, on one log (BENCH_EVENTS=200000 BENCH_RUNS=3)
	PEERS_PYTHON=$(PEERS)/bin/python $(PYTEST) -s -o "python_files=compare_*.py" tests/bench/peers

$(PEERS)/made: tests/bench/peers/requirements.txt | python
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

.PHONY: chaos
chaos: venv jars ## break everything while events flow, and audit (SCHEDULES=50 SEED=1 JOBS=2; with a SEED: no mutations)
	CHAOS_SCHEDULES=$(SCHEDULES) CHAOS_SEED=$(SEED) $(PYTEST) -s -n $(or $(JOBS),2) --dist worksteal -o "python_files=chaos_*.py" \
	  $(if $(SEED),tests/chaos/chaos_schedules.py,tests/chaos)

FUZZERS := codec event_json service_state

.PHONY: fuzz
fuzz: venv ## look for inputs that do harm, guided by coverage (SECONDS=60: for each target)
	@$(BIN)/python -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("atheris"))' 2>/dev/null \
	  || $(BIN)/pip install -q --disable-pip-version-check "atheris>=3.0,<4"
	@for target in $(FUZZERS); do \
	  PYTHONSAFEPATH= $(BIN)/python -m tests.fuzz.targets.$$target \
	    -max_total_time=$(or $(SECONDS),60) -max_len=4096 -verbosity=0 -print_final_stats=1 .cache/fuzz/$$target || exit 1; \
	done

.PHONY: mutation
mutation: .venv/made ## change one token of the core at a time: which test notices? (SAMPLE=40 SEED=1 ONLY=streams/core/windows.py JOBS=2)
	PYTHONSAFEPATH= $(BIN)/python -m tests.tools.mutation --jobs $(or $(JOBS),2) --seed $(or $(SEED),1) \
	  $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(ONLY),--only $(ONLY))

.PHONY: fmt
fmt: .venv/made ## put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: reference
reference: venv ## write the tables of docs/reference.md anew from the code
	PYTHONSAFEPATH= $(BIN)/python -m tests.tools.reference_page

.PHONY: layout
layout: .venv/made ## write the layout table of docs/design.md anew from the import contracts
	PYTHONSAFEPATH= $(BIN)/python -m tests.tools.layout_table

.PHONY: mixin
mixin: .venv/made ## write the rules and alerts of deploy/prometheus anew from mixin.libsonnet
	PYTHONSAFEPATH= $(BIN)/python -m tests.tools.mixin

.PHONY: dashboards
dashboards: .venv/made ## write the dashboards of deploy/grafana anew from its source
	cd deploy/grafana && PYTHONSAFEPATH= $(abspath $(BIN))/python -m source

.PHONY: packages
packages: .venv/made ## copy the script of the GitHub action to where GitLab and Jenkins look for it
	PYTHONSAFEPATH= $(BIN)/python -m tests.tools.ci_packages

COMPILE := env -u PIP_FIND_LINKS .cache/lock/bin/pip-compile -q --generate-hashes --strip-extras --allow-unsafe \
  --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links
SHIPPED := ci/github:--build-deps-for=wheel docker/sidecar:--extra=sidecar docker/streams:--extra=streams

.PHONY: lock
lock: ## write requirements.txt anew from pyproject.toml
	$(PYTHON) -m venv .cache/lock
	.cache/lock/bin/pip install -q "pip-tools==7.6.2"
	@# Wheels from a local folder have hashes that nobody else can have.
	printf '# Written by `make lock`: %s\n' \
	  'every dependency of every extra, exact and with its hashes. Edit pyproject.toml instead.' > .cache/requirements.txt
	$(COMPILE) --upgrade --all-extras -o .cache/compiled.txt pyproject.toml
	cat .cache/requirements.txt .cache/compiled.txt > requirements.txt
	@# What is shipped takes the same versions, and only its own: the action builds its wheel, too.
	@for what in $(SHIPPED); do \
	  printf '# Written by `make lock`, as requirements.txt is.\n' > .cache/requirements.txt; \
	  rm -f .cache/compiled.txt; \
	  $(COMPILE) -c requirements.txt $${what#*:} -o .cache/compiled.txt pyproject.toml || exit 1; \
	  cat .cache/requirements.txt .cache/compiled.txt > deploy/$${what%%:*}/requirements.txt; \
	done

.PHONY: clean
clean: ## remove what was made here (fetched brokers stay in ~/.cache/candora)
	rm -rf .venv .cache dist build .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: jars
jars: .venv/made
	@$(BIN)/python tests/support/servers/kafka_jars.py

.PHONY: python
python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "candora needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' has no venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

.venv/made: requirements.txt | python
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

# Changes when a file comes or goes, or what is wanted of the core: no file's time of change tells that.
.venv/sources: .venv/made FORCE
	@printf '%s\n' $(SOURCES) compiled=$(COMPILED) | cmp -s - $@ || printf '%s\n' $(SOURCES) compiled=$(COMPILED) > $@

.venv/installed: .venv/made .venv/sources pyproject.toml hatch_build.py README.md LICENSE $(SOURCES)
	@rm -rf .cache/wheel
	$(if $(COMPILED),CANDORA_COMPILED=1) \
	  $(BIN)/pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w .cache/wheel .
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-index --force-reinstall .cache/wheel/candora-*.whl
	@touch $@

.PHONY: FORCE
FORCE:
