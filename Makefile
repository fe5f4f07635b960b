# Needs only Python 3.11 or newer and make. Everything else is installed into .venv, pinned and checked by hash.
# Other interpreter: make setup PYTHON=python3.13. Options of the demo: make demo ARGS="--limit 37 --json".

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory
# Images of Python often set it. Every process of ours, and tests start hundreds, would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
ARGS   ?=

UV     := $(BIN)/uv pip install --quiet --python $(BIN)/python

INSTALLED := $(VENV)/.installed
KAFKA     := $(VENV)/.kafka
NODE      := tests/node/node_modules/.installed

.PHONY: help setup demo up test soak lint check format bench lock wheels clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(INSTALLED) $(KAFKA) ## Install everything into .venv and fetch Kafka

demo: setup ## Run the main job on real Kafka, Postgres and Faust, from nothing
	@$(BIN)/entitlements demo $(ARGS)

up: setup ## Keep Kafka, Postgres and all processes running until Ctrl-C
	@$(BIN)/entitlements up $(ARGS)

test: setup $(NODE) ## Run all tests
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

soak: setup ## Decide 20,000 histories beside a second model; kill the demo
	@$(BIN)/python -m tests.model.soak $(ARGS)
	@$(if $(ARGS),,HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -q tests/e2e/test_demo.py tests/faults/test_demo_under_fire.py)

lint: setup ## Style, types and dependency rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint ## The same, and the fast tests
	@$(BIN)/python -m pytest -q -n 2 tests/unit

format: setup ## Let ruff format and mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## Measure, print a table and write bench/results.json
	@$(BIN)/python -m bench $(ARGS)

lock: setup ## Renew requirements*.txt, the lock of tests/node and Kafka's jars
	echo uv | $(BIN)/uv pip compile -q - --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --custom-compile-command 'make lock' --upgrade -o requirements-installer.txt
	$(BIN)/uv pip compile -q pyproject.toml --extra local --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-package entitlements-client --no-annotate --custom-compile-command 'make lock' --upgrade \
		-o requirements.txt
	$(BIN)/uv pip compile -q pyproject.toml --extra local --extra dev -c requirements.txt --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-package entitlements-client --no-annotate --custom-compile-command 'make lock' \
		--upgrade -o requirements-dev.txt
	$(MAKE) $(INSTALLED)
	$(BIN)/npm --prefix tests/node install --package-lock-only
	$(BIN)/python -m entitlements.local --lock

wheels: setup ## Build the wheels of the service and of the client into dist
	@cd clients/python && $(abspath $(BIN))/python -m hatchling build -t wheel -d $(abspath dist)
	@$(BIN)/python -m hatchling build -t wheel -d $(abspath dist)

clean: ## Remove .venv, local data and what the tools left
	@rm -rf $(VENV) tests/node/node_modules .entitlements .soak .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and no python3 here is. Try: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) could not make a virtual environment; on Debian and Ubuntu the package python3-venv is missing." >&2; exit 1; }

# The stamp is written last, so an interrupted set-up starts again. The requirements are whole: nothing is resolved again.
$(INSTALLED): $(BIN)/python requirements-installer.txt requirements-dev.txt pyproject.toml clients/python/pyproject.toml
	@echo "Installing pinned packages into $(VENV) ..."
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-installer.txt
	@$(UV) --require-hashes --no-deps --compile-bytecode -r requirements-dev.txt || { \
		echo "uv could not; pip, which knows its own settings, takes a minute longer ..." >&2; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e clients/python -e .
	@touch $@

$(KAFKA): $(INSTALLED) services/entitlements/local/kafka.lock
	@echo "Fetching Kafka ..."
	@$(BIN)/python -m entitlements.local
	@touch $@

$(NODE): $(INSTALLED) tests/node/package-lock.json
	@$(BIN)/python -m tests.node
