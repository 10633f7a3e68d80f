# Everything a contributor or CI does. Each target does its own set-up: a fresh machine needs make and Python >= 3.11.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

BIN := .venv/bin
READY := .venv/.ready
# How many processes run tests; HISTORIES=N compares the core and its slow twin on more histories.
WORKERS ?= 2

.PHONY: help setup demo test lint fmt types imports proto proto-check proto-baseline tests soak coverage lock clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml .ci/setup
	@.ci/setup
	@touch $@

setup: $(READY) ## Make .venv (once, and again when what is pinned changes)
	@echo "setup: .venv is ready"

demo: $(READY) ## Run a whole cell on this machine for a minute and check what it did
	@$(BIN)/omega demo

test: lint types imports tests ## Everything CI runs

lint: $(READY) ## ruff: rules and format
	@echo "== lint"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

fmt: $(READY) ## Format, and fix what ruff can fix
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

types: $(READY) ## mypy, strict, over every root and the tests
	@echo "== types"
	@$(BIN)/mypy

imports: $(READY) ## The layers and the pure core
	@echo "== imports"
	@PYTHONPATH=. $(BIN)/lint-imports

proto: $(READY) ## Generate the protobuf code again
	@$(BIN)/python -m tests.tools.protos generate

proto-check: $(READY) ## The same check as in the tests: current, and compatible with what was released
	@echo "== protos"
	@$(BIN)/python -m tests.tools.protos check

proto-baseline: $(READY) ## On a release: what is in the protos now is what later ones must stay compatible with
	@$(BIN)/python -m tests.tools.protos baseline

tests: $(READY) ## pytest: the tests, the doctests, the documents
	@echo "== tests"
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal -q $(if $(HISTORIES),--histories $(HISTORIES))

soak: $(READY) ## Random transactions of eight schedulers, operators and rogues for long (SOAK=100000)
	@$(BIN)/pytest tests/core/test_soak.py -q -k keeps_every_invariant --soak $(or $(SOAK),100000) --soak-seed $(or $(SEED),1)

coverage: $(READY) ## The tests again, with what they leave untouched
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal -q --cov --cov-report=term

# One version of each for every Python (fewest), so that types are checked against the same stubs everywhere.
lock: ## Pin dependencies again (NEW=1 takes the newest of everything)
	@test -x $(BIN)/uv || .ci/setup
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --group dev --generate-hashes \
		--no-header --no-annotate $(if $(NEW),--upgrade) pyproject.toml --output-file requirements.lock

clean: ## Remove everything that can be made again, .venv too
	@rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov
	@find store schedulers agent api tests -name __pycache__ -type d -prune -exec rm -rf {} +
