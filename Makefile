# Every target needs only python3 (3.11 or later) and the package registries; the first one that runs makes .venv.
# PYTHON chooses the interpreter, PYTEST and DEMO add options: make test PYTEST='-k fence'.

PYTHON ?= python3
PYTEST ?=
# Tests mostly wait for servers: more workers than cores. A module stays in one worker, with the lab that it shares.
WORKERS ?= 4
SIDE_BY_SIDE := -n $(WORKERS) --dist loadscope --no-loadscope-reorder
DEMO ?=
BENCH ?=
# The tests start hundreds of processes: with compiled modules each starts in three quarters of the time.
export PYTHONDONTWRITEBYTECODE :=
VENV := $(shell $(PYTHON) scripts/venv.py where)
BIN := $(VENV)/bin
# Where the servers' user cannot enter the repository, the demo is held where it can: beside the programs.
DEMO_DIR := $(if $(filter $(CURDIR)/%,$(VENV)),demo,$(VENV)/demo)
STAMP := $(VENV)/.pgcutover-installed
CHECKED := src tests scripts bench

.PHONY: help demo test test-full check fmt docs bench install clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

demo: install ## Move a live application from a local Heroku to a local RDS, and back.
	$(BIN)/pgcutover demo --dir $(DEMO_DIR) $(DEMO)

test: install ## Run the tests; they start their own PostgreSQL servers.
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(PYTEST)

test-full: install ## The tests with the long counts.
	$(BIN)/python -m pytest --full $(SIDE_BY_SIDE) $(PYTEST)

check: install ## Lint, formatting, types, architecture.
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: install ## Format, and mend what can be mended.
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

docs: install ## Write the parts of docs/ that come from the code.
	$(BIN)/python scripts/docs.py

bench: install ## The copy beside its peers and the machine's floor; 20 minutes. BENCH adds options: BENCH='b c d e'.
	$(BIN)/python -m bench $(BENCH)

install: $(STAMP) ## Make .venv and install everything into it.

$(STAMP): pyproject.toml scripts/venv.py
	@test -n "$(VENV)" || { echo "no place for the virtual environment"; exit 1; }
	$(PYTHON) scripts/venv.py make
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean: ## Remove the virtual environment and everything that is made again.
	rm -rf $(VENV) .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests scripts bench -name __pycache__ -type d -prune -exec rm -rf {} +
