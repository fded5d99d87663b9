# Two stamps: `demo` needs the package alone, everything else needs the developer's tools too.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check format benchmark clean

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/installed ## Train, evaluate, annotate and save on 700 real cells (writes demo/)
	$(BIN)/cellclassifier demo --out demo

test: .venv/installed-dev ## Run every test, the doctests included
	$(BIN)/python -m pytest

check: .venv/installed-dev ## Check format, lint, types and import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed-dev ## Format the code and apply the safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmark: .venv/installed-dev ## Rerun the study's three networks on the sorted blood cells
	$(BIN)/python benchmarks/accuracy/original.py

clean: ## Remove the environment and what the tools left
	rm -rf .venv demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@
