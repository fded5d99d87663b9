# Two stamps: `demo` needs the package alone, everything else needs the developer's tools too.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check format docs notebooks build image benchmark clean

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/installed ## Train, evaluate, annotate and save on 700 real cells (writes demo/)
	$(BIN)/cellclassifier demo --out demo

test: .venv/installed-dev ## Run every test, the doctests included
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile

check: .venv/installed-dev ## Check format, lint, types and import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed-dev ## Format the code and apply the safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/installed-dev ## Build the pages into docs/_build/html; a warning is an error
	$(BIN)/sphinx-build --fail-on-warning --keep-going --builder html docs docs/_build/html

notebooks: .venv/installed-dev ## Run the tutorials and keep what they show
	$(BIN)/python docs/run_notebooks.py

build: .venv/installed-dev ## Make the source archive and the wheel in dist/
	$(BIN)/python -m build --outdir dist

image: ## Build the container image cellclassifier (needs Docker)
	docker build --tag cellclassifier .

benchmark: .venv/installed-dev ## Rerun the study's three networks on the sorted blood cells
	$(BIN)/python benchmarks/accuracy/original.py

clean: ## Remove the environment and what the tools left
	rm -rf .venv demo build dist docs/_build docs/reference/generated .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@
