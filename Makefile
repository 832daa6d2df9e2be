PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup quickstart tables test lint types bench fault-campaign clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-zA-Z0-9_%-]+:.*## / {printf "  %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Data: SUPREMIX_DATA=DIR holds raw files (default: data), SUPREMIX_RUNS=DIR the store (default: runs)."
	@echo "  OVERRIDES='dataset.split=authors …' sets Hydra keys for every run of a table or figure; JOBS=N runs N at a time."

setup: $(STAMP) ## Make .venv and install the package in it, once

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed; set PYTHON=" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --editable '.[dev]'
	@touch $@

quickstart: $(STAMP) ## Four methods on scikit-learn's diabetes data: a table and a t-SNE picture, no download
	$(PY) scripts/quickstart.py --jobs $(JOBS)

reproduce-table-%: $(STAMP) ## Run what table N of the paper is missing, and render it into results/table_N
	$(PY) scripts/reproduce_table.py $* --jobs $(JOBS) $(OVERRIDES)

reproduce-figure-%: $(STAMP) ## Run what figure N of the paper is missing, and draw it into results/figure_N
	$(PY) scripts/reproduce_figure.py $* --jobs $(JOBS) $(OVERRIDES)

plan-table-%: $(STAMP) ## List the runs of table N: done, unfinished, failed, missing; run nothing
	$(PY) scripts/reproduce_table.py $* --plan $(OVERRIDES)

tables: $(STAMP) ## Render every table from what the store holds, with results/README.md over them; run nothing
	$(PY) scripts/render_tables.py $(OVERRIDES)

test: $(STAMP) ## Run the tests
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS)

lint: $(STAMP) ## Check style and formatting
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(STAMP) ## Check types
	$(PY) -m mypy

bench: $(STAMP) ## Measure losses, training step and input as ratios in one run
	$(PY) scripts/bench.py

fault-campaign: $(STAMP) ## Kill a table's processes 50 times, and compare it with one left alone
	OMP_NUM_THREADS=1 $(PY) scripts/fault_campaign.py

clean: ## Remove caches; environment, data, store and results stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find src tests scripts data_prep -name __pycache__ -type d -prune -exec rm -rf {} +
