PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
SUPREMIX := $(VENV)/bin/supremix
RUNS = $(if $(JOBS),--jobs $(JOBS)) $(if $(LAUNCHER),--launcher $(LAUNCHER)) $(OVERRIDES)
STAMP := $(VENV)/.installed
OLDEST := .venv-oldest
# A module's tests share a process, so that what they share is made once.
WORKERS = -n $(or $(JOBS),auto) --dist loadscope
AT_SIZE := $(if $(SIZE),--size $(SIZE))

.DEFAULT_GOAL := help
.PHONY: help setup quickstart tables rerun-cells test test-ci test-oldest test-long test-tables lint types docs lock bench campaign gpu-check fault-campaign wandb-sync clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-zA-Z0-9_%-]+:.*## / {printf "  %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Data: SUPREMIX_DATA=DIR holds raw files (default: data), SUPREMIX_RUNS=DIR the store (default: runs)."
	@echo "  SIZE=small runs, plans and renders any table or figure on small synthetic data, in minutes, under results/small."
	@echo "  OVERRIDES='dataset.split=authors …' sets Hydra keys for every run of a table or figure; JOBS=N runs N at a time,"
	@echo "  by default as many as there are cores, on Slurm as conf/hydra/launcher/slurm.yaml says; LAUNCHER=slurm (or basic, joblib, submitit_local, ray) says what starts them."

setup: $(STAMP) ## Make .venv and install the package in it, once

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed; set PYTHON=" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --editable '.[all,dev,docs]'
	@touch $@

quickstart: $(STAMP) ## Five methods on scikit-learn's diabetes data: a table and a t-SNE picture, no download
	$(SUPREMIX) table quickstart --out outputs/quickstart $(RUNS)
	$(SUPREMIX) figure quickstart --out outputs/quickstart $(RUNS)

reproduce-table-%: $(STAMP) ## Run what table N of the paper is missing, and render it into results/table_N
	$(SUPREMIX) table $* $(AT_SIZE) $(RUNS)

reproduce-figure-%: $(STAMP) ## Run what figure N of the paper is missing, and draw it into results/figure_N
	$(SUPREMIX) figure $* $(AT_SIZE) $(RUNS)

plan-table-%: $(STAMP) ## List the runs of table N: finished, begun, missing; run nothing
	$(SUPREMIX) table $* --plan $(AT_SIZE) $(OVERRIDES)

tables: $(STAMP) ## Render every table from what the store holds, with results/README.md over them; run nothing
	$(SUPREMIX) table --render-all $(AT_SIZE) $(OVERRIDES)
	$(if $(SIZE),,$(PY) scripts/readme_table.py)

tune-%: $(STAMP) ## Tune the rows of a table with one budget each on validation, as conf/table/_tuning.yaml says
	$(SUPREMIX) search --table $* $(RUNS)

rerun-cells: $(STAMP) ## Run three cells of the committed tables anew, drawn by SEED, and compare them
	$(PY) scripts/rerun_cells.py --seed $(or $(SEED),0)

test: $(STAMP) ## Run the tests, but for those that take over five seconds each
	OMP_NUM_THREADS=1 $(PY) -m pytest -m "not slow and not whole" $(WORKERS)

test-ci: $(STAMP) ## Run these too: all that CI runs
	OMP_NUM_THREADS=1 $(PY) -m pytest $(WORKERS)

test-oldest: $(OLDEST)/.installed ## Run the tests on the lowest versions that pyproject.toml allows, in .venv-oldest
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest $(WORKERS)

$(OLDEST)/.installed: pyproject.toml $(STAMP)
	$(VENV)/bin/uv venv --quiet --clear --python $(PY) $(OLDEST)
	$(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(OLDEST)/bin/python --resolution lowest-direct --editable '.[all,dev]'
	@touch $@

test-long: $(STAMP) ## Run what make test-ci leaves out: slow tests, and tests/long, which take minutes each (test-tables is one)
	OMP_NUM_THREADS=1 $(PY) -m pytest -m slow $(WORKERS)
	OMP_NUM_THREADS=1 $(PY) -m pytest tests/long/*.py

test-tables: $(STAMP) ## Run all sixteen tables and four figures at SIZE=small from an empty store, with a line on each
	OMP_NUM_THREADS=1 $(PY) -m pytest tests/long/all_tables.py

lint: $(STAMP) ## Check style, formatting, and that imports run one way
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports

types: $(STAMP) ## Check types
	$(PY) -m mypy

docs: $(STAMP) ## Build the documentation site, build/docs/index.html, for reading without a network
	$(PY) -m sphinx --fail-on-warning --keep-going --quiet --fresh-env --write-all docs build/docs

lock: $(STAMP) ## Write requirements.lock: the exact versions in .venv, in which committed results are measured
	$(PY) -m pip freeze --exclude-editable > $(VENV)/frozen.txt
	$(VENV)/bin/uv pip compile --quiet --python $(PY) --extra all --extra dev --extra docs --constraints $(VENV)/frozen.txt \
		--no-annotate --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

bench: $(STAMP) ## Measure losses, training step, probe and input as ratios in one run
	$(PY) scripts/bench/bench.py

gpu-check: $(STAMP) ## On a GPU, in 6 minutes: its tests, the losses, training at full size (also: python3 scripts/gpu_check/gpu_check.py)
	$(PY) scripts/gpu_check/gpu_check.py

campaign: $(STAMP) ## Feed thousands of random files and settings to the command line, in minutes
	OMP_NUM_THREADS=1 $(PY) -m pytest -s tests/campaign

fault-campaign: $(STAMP) ## Kill a table's processes 50 times, and compare it with one left alone
	OMP_NUM_THREADS=1 $(PY) scripts/fault_campaign.py

wandb-sync: $(STAMP) ## Upload the store's W&B runs that are not on the server yet, each once
	$(SUPREMIX) wandb sync $(OVERRIDES)

clean: ## Remove caches; environment, data, store and results stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist docs/generated
	find src tests scripts data_prep -name __pycache__ -type d -prune -exec rm -rf {} +
