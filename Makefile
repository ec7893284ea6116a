# Everything one needs, from a fresh clone: `make demo`, `make test`. Each sets itself up first.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
DOCS_STAMP := $(VENV)/.docs-done
DEMO_DIR ?= demo_output
PYTEST_ARGS ?=
# Of `make test-lowest`: the oldest Python that is allowed, where it runs.
LOWEST_VENV ?= .venv-lowest
LOWEST_PYTHON ?= $(shell python3.10 --version >/dev/null 2>&1 && echo python3.10 || echo python3)
# Processes of `make test`: each takes up to 3 GiB, and its files of tests one after the other.
JOBS ?= 2

# Threads that wait must not spin: on a busy machine that costs the fits and the tests four times the CPU.
export OMP_WAIT_POLICY ?= PASSIVE
# FiftyOne otherwise phones home and greets; the tests and the demo need neither.
export FIFTYONE_DO_NOT_TRACK ?= true
# The MongoDB that `setup` installs where there is none is an old one: it does, and each command would say so.
export FIFTYONE_DATABASE_VALIDATION ?= false

.PHONY: help setup demo app test test-all test-lowest e2e coverage lint tables docs bench clean

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(STAMP) ## create .venv with everything, MongoDB included

$(STAMP): pyproject.toml setup.py constraints.txt scripts/setup_env.sh
	@VENV=$(VENV) bash scripts/setup_env.sh
	@touch $@

demo: setup ## fit the bundled clips, search them by text, draw demo_output/demo.png
	@$(BIN)/latent-inr demo --output $(DEMO_DIR)

app: setup ## open the App on the demo dataset, with this checkout as its plugin
	@mkdir -p $(DEMO_DIR)/plugins && ln -sfn "$(CURDIR)" $(DEMO_DIR)/plugins/latent-inr
	@FIFTYONE_PLUGINS_DIR="$${FIFTYONE_PLUGINS_DIR:-$(CURDIR)/$(DEMO_DIR)/plugins}" \
	  FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS=true $(BIN)/latent-inr demo --output $(DEMO_DIR) --app

test: setup ## run the tests (all but `slow` and `gpu`), file by file in $(JOBS) processes
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not slow and not gpu" $(PYTEST_ARGS)

test-all: setup ## run every test that this machine can run
	@$(BIN)/python -m pytest -q $(PYTEST_ARGS)

test-lowest: pyproject.toml requirements.txt ## the tests that call what is required, with the lowest versions allowed
	@mkdir -p $(LOWEST_VENV)
	@$(LOWEST_PYTHON) -m scripts.lowest_versions constraints > $(LOWEST_VENV)/constraints.txt
	@VENV=$(LOWEST_VENV) CONSTRAINTS=$(LOWEST_VENV)/constraints.txt PYTHON=$(LOWEST_PYTHON) bash scripts/setup_env.sh
	@$(LOWEST_VENV)/bin/python -m scripts.lowest_versions test $(PYTEST_ARGS)

e2e: setup ## drive the real App in headless Chromium
	@$(BIN)/python -m pytest -q -m e2e $(PYTEST_ARGS)

coverage: setup ## the tests of `make test`, and which lines none of them ran: to look at, no gate
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not slow and not gpu" --cov --cov-report=term:skip-covered $(PYTEST_ARGS)

lint: setup ## ruff, mypy and the spell checker
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@git ls-files | xargs $(BIN)/codespell

tables: setup ## renew the tables that documents take from the code: packages, command line
	@$(BIN)/python scripts/package_map.py
	@$(BIN)/python scripts/cli_reference.py

# Its tools are installed here and not by `setup`: nothing else needs them.
$(DOCS_STAMP): $(STAMP) pyproject.toml constraints.txt scripts/setup_env.sh
	@VENV=$(VENV) EXTRAS=dev,docs bash scripts/setup_env.sh
	@touch $@

docs: $(DOCS_STAMP) tables ## build the site into site/, to be read without a network
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "docs: open site/index.html, or, to search them, \`$(BIN)/python -m http.server -d site\`"

bench: setup ## the CPU benchmarks behind the figures in docs/results.md
	@$(BIN)/python -m benchmarks.run

clean: ## remove the environment and everything generated
	@rm -rf $(VENV) $(LOWEST_VENV) $(DEMO_DIR) site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage
