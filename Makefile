# Everything one needs, from a fresh clone: `make demo`, `make test`. Each sets itself up first.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
DEMO_DIR ?= demo_output
PYTEST_ARGS ?=
# Processes of `make test`: each takes up to 3 GiB, and its files of tests one after the other.
JOBS ?= 2

# Threads that wait must not spin: on a busy machine that costs the fits and the tests four times the CPU.
export OMP_WAIT_POLICY ?= PASSIVE
# FiftyOne otherwise phones home and greets; the tests and the demo need neither.
export FIFTYONE_DO_NOT_TRACK ?= true

.PHONY: help setup demo app test test-all e2e lint bench clean

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
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile -m "not slow and not gpu" $(PYTEST_ARGS)

test-all: setup ## run every test that this machine can run
	@$(BIN)/python -m pytest -q $(PYTEST_ARGS)

e2e: setup ## drive the real App in headless Chromium
	@$(BIN)/python -m pytest -q -m e2e $(PYTEST_ARGS)

lint: setup ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: setup ## the CPU benchmarks behind the README's figures
	@$(BIN)/python -m benchmarks.run

clean: ## remove the environment and everything generated
	@rm -rf $(VENV) $(DEMO_DIR) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
