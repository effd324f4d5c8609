# Two commands do everything: `make synth` and `make test`. `make help` lists the rest.

PYTHON ?= python3
N ?= 12
MODEL ?=
PERSONA ?=
BASE_URL ?=

BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
RUN_OPTIONS := -n $(N) $(if $(MODEL),--model $(MODEL)) $(if $(PERSONA),--persona $(PERSONA)) $(if $(BASE_URL),--base-url $(BASE_URL))

.DEFAULT_GOAL := help
.PHONY: synth setup test bench docs schemas lock clean help

synth: $(BIN)/.synth ## make conversations and training files: N=200 MODEL=openai/NAME PERSONA=prompts/x.yaml BASE_URL=…
	@$(BIN)/synth run $(RUN_OPTIONS)

setup: $(BIN)/.synth ## only set up, so that .venv/bin/synth is there

test: $(BIN)/.dev ## check style and types, then run every test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	rm -f .coverage .coverage.*
	SYNTH_THREADS=1 $(BIN)/pytest -n auto --cov --cov-report=
	$(BIN)/coverage report

bench: $(BIN)/.dev ## measure the embedded model and the pipeline
	$(BIN)/python -m benchmarks

docs: $(BIN)/.synth ## write the pages that are made from the code
	$(BIN)/python docs/generate.py

schemas: $(BIN)/.synth ## write the JSON Schemas of the YAML files
	$(BIN)/synth schema --write schemas

lock: ## resolve the versions anew (a network and a minute)
	test -x .uv/bin/uv || { $(PYTHON) -m venv .uv && .uv/bin/pip install -q uv; }
	.uv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 --upgrade \
		--extra local pyproject.toml requirements/build.in -o requirements/synth.lock
	.uv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 --upgrade \
		--group dev -c requirements/synth.lock -o requirements/dev.lock

clean: ## remove the environment and caches; data/ stays
	rm -rf .venv .uv .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 16

# Everything is installed from a lock with hashes, without resolving: what is not in the lock cannot come in.
$(BIN)/.synth: requirements/synth.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "synth needs Python 3.11 or newer; say which one: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up .venv (once; about 150 MB, a quarter of a minute on a quick line)"
	@$(PYTHON) -m venv .venv || { echo "no venv module here; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PIP) install --no-deps --require-hashes -r requirements/synth.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(BIN)/.dev: $(BIN)/.synth requirements/dev.lock
	@$(PIP) install --no-deps --require-hashes -r requirements/dev.lock
	@touch $@
