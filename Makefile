# The verbs of this repository. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BROKEN := tests/mesh/chaos/faults
OBSERVED := tests/observability
# Everything that runs from a checkout finds the packages here, installed or not.
export PYTHONPATH := $(CURDIR):$(CURDIR)/clients/python
# Bytes and dates in output do not depend on whose machine this is.
export PYTHONUTF8 := 1

.PHONY: help setup lock generate reference check format test test-observability demo up jaeger down chaos chaos-quick chaos-soak bench bench-quick clean

help: ## list the verbs
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with everything in it, `plexus` too

# xds-protos brings older copies of files that belong to other packages: it goes first, theirs last.
$(READY): requirements.lock requirements-xds.lock pyproject.toml
	@echo "setting up .venv (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-xds.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $(READY)

lock: ## choose versions anew and write them down
	$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet uv
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-emit-index-url --no-annotate --no-header --output-file requirements.lock pyproject.toml
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --no-deps --extra xds --no-emit-index-url --no-annotate --no-header pyproject.toml | grep '^xds-protos' > requirements-xds.lock

generate: $(READY) ## compile the contracts into clients/; write their reference, alerts and dashboards
	@$(BIN)/python -m tools.contracts generate
	@$(BIN)/python -m tools.reference
	@$(BIN)/python -m tools.observatory render

format: $(READY) ## put every file into the house's form
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

check: $(READY) ## format, lint, types, layers, contracts, proofs, generated code
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.contracts lint
	@$(BIN)/python -m tools.contracts breaking
	@$(BIN)/python -m tools.contracts drift
	@$(BIN)/python -m tools.reference drift
	@$(BIN)/python -m tools.observatory drift
	@$(BIN)/python -m bench.page drift
	@$(BIN)/python -m tools.layout
	@$(BIN)/plexus contract check

test: $(READY) ## every promise, on SQLite and PostgreSQL, with real processes and kills
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup --ignore $(BROKEN) --ignore $(OBSERVED)
	@# A process can be in one mesh only: who breaks one is no company for who uses one.
	@$(BIN)/python -m pytest $(BROKEN)

test-observability: $(READY) ## what operators see, and that no patient is in it, with a real Jaeger; builds it once with Go
	@rm -f build/observability/report.json
	@$(BIN)/python -m mesh.runtime.programs
	@$(BIN)/python -m pytest $(OBSERVED)
	@echo "report: build/observability/report.json"

demo: $(READY) ## the whole platform: journeys through four services, billing killed in the middle
	@$(BIN)/plexus demo

up: $(READY) ## start the platform on this machine
	@$(BIN)/plexus up

jaeger: $(READY) ## start it with Jaeger beside it, and say where Jaeger is
	@$(BIN)/plexus up --jaeger

down: $(READY) ## stop it
	@$(BIN)/plexus down

chaos: $(READY) ## break everything the contracts declare, and hold them to it: 20 minutes
	@$(BIN)/plexus chaos run all

chaos-quick: $(READY) ## the part of it that CI runs: 8 minutes at most
	@$(BIN)/plexus chaos run all --subset

chaos-soak: $(READY) ## storms for hours, seed after seed; prints the seed of a failure
	@$(BIN)/plexus chaos soak

bench: $(READY) ## what a call costs beside what others use, and everything else that is measured: 10 minutes
	@$(BIN)/python -m bench

bench-quick: $(READY) ## the same for a minute, to see that it runs
	@$(BIN)/python -m bench --quick

clean: ## remove what was made, but not .venv
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
