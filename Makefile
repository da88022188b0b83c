# Everything a newcomer or an operator runs. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin

# The first Python of 3.11 or newer that really starts (version managers leave shims that do not).
# 3.12 and 3.11 come first: a Redis server for them comes as a wheel.
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python3.13 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: help setup run test soak check format quality schemas bench screenshots lock release-check release container-check up down clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r n t; do printf '  make %-15s %s\n' "$$n" "$$t"; done

setup: $(VENV)/.runtime ## Make .venv with everything that running needs (leaves .venv/bin/tocsin)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Tocsin needs Python 3.11 or newer, and none was found. Install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what Tocsin runs on, by hash (a minute the first time) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.development: requirements/development.txt $(VENV)/.runtime
	@echo "Installing what the checks and tests need, by hash ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/development.txt
	@touch $@

run: $(VENV)/.runtime ## Start everything here; pages on http://127.0.0.1:8000
	@$(BIN)/tocsin run

test: $(VENV)/.development ## Run every test (under five minutes)
	@$(BIN)/pytest -n 2 --dist loadfile

soak: $(VENV)/.development ## The long forms of the crash tests, and new examples for the property tests
	@$(BIN)/pytest -m soak -o addopts="-q -s --strict-markers --strict-config" -o faulthandler_timeout=0
	@$(BIN)/pytest tests/unit --hypothesis-profile=searching

check: $(VENV)/.development ## Lint, types, import rules, topic rules, schemas current
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . || { echo "lint: see above; 'make format' mends most" >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo >$(VENV)/imports.log 2>&1 || { cat $(VENV)/imports.log; exit 1; }
	@$(BIN)/tocsin topics check
	@$(BIN)/python -m shared.schemas --check docs/schemas
	@$(BIN)/tocsin topics schema | cmp -s - docs/schemas/topic-rule.json || { echo "docs/schemas/topic-rule.json is not what the topic files may hold; run 'make schemas'" >&2; exit 1; }
	@echo "check: all good"

format: $(VENV)/.development ## Put the code into its usual shape
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

LABELLED ?= tests/unit/labelled/held_out.jsonl tests/unit/labelled/newsroom_held.jsonl tests/unit/labelled/wire_held.jsonl
quality: $(VENV)/.runtime ## Measure the rulebook for its pages; or on your reports: make quality LABELLED="a.jsonl"
	@$(BIN)/tocsin topics measure $(LABELLED)

schemas: $(VENV)/.runtime ## Write docs/schemas anew from the event models
	@$(BIN)/python -m shared.schemas docs/schemas
	@$(BIN)/tocsin topics schema > docs/schemas/topic-rule.json

$(VENV)/.benchmark: requirements/benchmark.txt $(VENV)/.development
	@echo "Installing the yardsticks, by hash ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/benchmark.txt
	@touch $@

bench: $(VENV)/.benchmark ## Measure, each figure as a ratio to a bare loop in the same run
	@$(BIN)/python -m benchmarks

screenshots: $(VENV)/.development ## Take the pictures in docs/screenshots anew (needs Chromium)
	@$(BIN)/python -m tools.screenshots

lock: $(VENV)/.development ## Resolve requirements/*.in anew into pinned, hashed *.txt
	@for f in runtime development benchmark; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --no-emit-index-url \
			--custom-compile-command "make lock" --output-file requirements/$$f.txt requirements/$$f.in || exit 1; done

release-check: $(VENV)/.development ## Is this tree fit for a release?
	@$(BIN)/python -m tools.release_check

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
release: release-check ## Build a release into dist/: wheel, list of parts (SBOM), images of two architectures, checksums
	@rm -rf dist && mkdir dist
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@$(BIN)/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements/runtime.txt \
		--pyproject pyproject.toml --output-file dist/tocsin-$(VERSION).cdx.json
	@docker buildx build --platform linux/amd64,linux/arm64 --sbom=true --provenance=mode=max \
		--tag tocsin:$(VERSION) --output type=oci,dest=dist/tocsin-$(VERSION).oci.tar .
	@cd dist && sha256sum * > SHA256SUMS && cat SHA256SUMS

container-check: ## Does compose.yaml do what it says, on this machine's Docker?
	@tools/container_check.sh

up: ## Build and start the containers
	@docker compose up --build --detach --wait

down: ## Stop the containers (volumes stay)
	@docker compose down

clean: ## Remove .venv and caches (never data/)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
