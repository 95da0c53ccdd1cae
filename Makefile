# `make` lists the targets. Everything is installed into .venv here, nothing outside this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXCHANGES ?= $(firstword $(wildcard ../shared/data/exchanges/provider-exchanges.jsonl) tests/data/exchanges.jsonl)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export TMPDIR := $(CURDIR)/.tmp

.PHONY: help demo test chaos up bench-redaction bench-ingest lint types contracts format requirements clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: $(READY) ## the whole journey on real exchanges; the last line is JSON
	@$(BIN)/sealbook demo $(EXCHANGES)

test: $(READY) ## all tests, on real servers of their own
	$(BIN)/pytest

chaos: $(READY) ## kill everything again and again, for minutes
	$(BIN)/pytest -m long tests/chaos

up: $(READY) ## embedded servers and all services, until Ctrl-C; data in .sealbook
	@$(BIN)/sealbook up

bench-redaction: $(READY) ## quality and speed of redaction; the last line is JSON
	@$(BIN)/python bench/redaction

bench-ingest: $(READY) ## ingest next to its floor, by stage; the last line is JSON
	@$(BIN)/python bench/ingest $(EXCHANGES)

lint: $(READY) ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## strict types
	$(BIN)/mypy shared/sealbook services

contracts: $(READY) ## who may import whom
	$(BIN)/lint-imports --no-logo

format: $(READY) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

requirements: ## pin requirements/*.txt anew, with hashes (needs uv)
	for name in services dev; do uv pip compile --quiet --universal --python-version 3.11 --upgrade \
	  --generate-hashes --no-emit-index-url --no-header requirements/$$name.in \
	  --output-file requirements/$$name.txt; done

clean: ## remove what make made
	rm -rf $(VENV) .tmp .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(READY): requirements/dev.txt pyproject.toml shared/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Sealbook needs Python 3.11 or newer; $(PYTHON) is older. Use make PYTHON=python3.12."; exit 1; }
	@echo "Setting up $(VENV) (once) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --editable shared --editable .
	@mkdir -p $(TMPDIR)
	@touch $@
