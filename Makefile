# Two commands need nothing else: `make reports` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Byte code makes every import after the first fast; some machines switch it off.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(or $(shell command -v python3.11),python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.made
SPARK  := $(VENV)/.made-with-spark
DEEP   := $(VENV)/.made-with-deep
SYNC    = $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode

SOURCE  ?= demo
AS_OF   ?=
REPORTS ?=
OUT     ?= reports

.PHONY: help setup reports lab test house seeds check bench bench-large demo lock format headlines spark deep clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make the environment in .venv; done once, and again when the lock changes

# uv is used where there is one; otherwise the pinned one of the lock is installed with pip, by its hash as all others.
# The stamp is written last: an interrupted set-up is made anew.
$(STAMP): requirements.lock pyproject.toml requirements.in requirements-dev.in
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null \
	  || { echo "$(PYTHON) is not Python 3.11: install it, or name it: make PYTHON=path/to/python3.11 …" >&2; exit 2; }
	@echo "making the environment in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if command -v uv >/dev/null; then ln -sf "$$(command -v uv)" $(BIN)/uv; \
	elif ! test -x $(BIN)/uv; then \
	  awk '/^[^ ]/ {keep = /^uv==/} keep' requirements.lock > $(VENV)/uv.lock.txt; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.lock.txt; fi
	@$(SYNC) -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --offline -e .
	@rm -f $(SPARK) $(DEEP)
	@touch $@

reports: $(STAMP) ## Run all reports (SOURCE=demo AS_OF=… REPORTS="01_data_quality …" OUT=reports)
	@$(BIN)/bankmine run $(REPORTS) --source "$(SOURCE)" $(if $(AS_OF),--as-of "$(AS_OF)") --out "$(OUT)"

# .jupyter switches off what asks the network: news, updates, the search for extensions.
lab: $(STAMP) ## Open JupyterLab in notebooks/
	@JUPYTER_CONFIG_PATH="$(CURDIR)/.jupyter:$${JUPYTER_CONFIG_PATH:-}" $(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks $(LAB_OPTIONS)

demo: $(STAMP) ## Make the demo bank anew in data/demo
	@$(BIN)/bankmine demo

check: $(STAMP) ## After each change, in under 20 seconds: lint, and unit tests on tiny tables
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/python -m pytest -p no:nbval -n logical --quick --durations 10 --maxfail 5

test: $(STAMP) ## All tests: lint, unit, property, notebooks, failure paths, browser
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m pytest -n logical --dist loadfile --no-loadscope-reorder -m "not seeds" --durations 10 --nbval-lax \
	  tests notebooks

house: $(STAMP) ## Print the sizes of the library and the notebooks, for whoever plans the next move
	@$(BIN)/python tests/house.py

seeds: $(STAMP) ## Check what is planted and how hard it is to find, and the scoreboard, on other seeds and sizes
	@$(BIN)/python -m pytest -n logical --dist loadfile -m seeds --durations 10 tests

bench: $(STAMP) ## Measure the speed goals, each as a ratio within one run
	@$(BIN)/python tests/bench.py

bench-large: $(STAMP) ## Measure seconds and memory of every notebook on banks of up to 100,000 customers; takes over an hour
	@$(BIN)/python tests/bench_large.py

spark: $(SPARK) ## Add PySpark to the environment (needs Java 17)

$(SPARK): $(STAMP) requirements-spark.lock
	@$(SYNC) --no-build-isolation -r requirements-spark.lock
	@touch $@

deep: $(DEEP) ## Add JAX to the environment, for the sequence models of 05_behaviour (370 MB)

$(DEEP): $(STAMP) requirements-deep.lock
	@$(SYNC) -r requirements-deep.lock
	@touch $@

lock: $(STAMP) ## Resolve requirements.in and requirements-dev.in anew into the locks and environment.yml
	@$(BIN)/uv pip compile --quiet --upgrade $(LOCKING) requirements.in requirements-dev.in -o requirements.lock
	@$(BIN)/uv pip compile --quiet --upgrade $(LOCKING) requirements-spark.in -c requirements.lock -o requirements-spark.lock
	@$(BIN)/uv pip compile --quiet --upgrade $(LOCKING) requirements-deep.in -c requirements.lock -o requirements-deep.lock
	@$(MAKE) --no-print-directory environment.yml

# conda hands its pip lines to one call of pip, which refuses a local package beside hashes: so the pins without them.
environment.yml: requirements.lock
	@{ sed '/^ *- pip:/q' $@; sed -nE 's/^([^ ]+==[^ ;]+).*/      - \1/p' requirements.lock; echo '      - -e .'; } > $@.part
	@mv $@.part $@

LOCKING := --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
  --no-strip-extras

format: $(STAMP) ## Format code and strip notebooks
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .
	@$(BIN)/nbstripout --keep-count notebooks/*.ipynb

headlines: $(STAMP) ## Run the notebooks and keep the outputs of the cells marked NBVAL_CHECK_OUTPUT
	@$(BIN)/jupyter nbconvert --log-level WARN --to notebook --execute --inplace notebooks/*.ipynb
	@$(BIN)/nbstripout --keep-count notebooks/*.ipynb

clean: ## Remove what is generated; the environment stays
	@rm -rf reports data/demo build .pytest_cache .ruff_cache .hypothesis lib/*.egg-info
	@find lib tests -name __pycache__ -type d -prune -exec rm -rf {} +
