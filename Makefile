# `make demo` and `make test` need Python 3.11 or newer and make; everything else they install into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs
WORKERS ?= 2

.PHONY: demo test lint bench instructions docs site golden fuzz package clean

demo: $(STAMP)
	$(BIN)/detkit demo

test: $(STAMP)
	$(BIN)/detkit warmup
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/make_docs.py --check
	$(BIN)/python tools/make_matrix.py --check
	$(BIN)/python tools/make_dependencies.py --check

fuzz: $(STAMP)
	$(BIN)/python tools/fuzz_parity.py --cases 2000 --seed 0

instructions: $(STAMP)
	$(BIN)/python benchmarks/instructions.py

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py

docs: $(STAMP)
	$(BIN)/python tools/make_docs.py
	$(BIN)/python tools/make_matrix.py
	$(BIN)/python tools/make_family_table.py
	$(BIN)/python tools/make_shown.py
	$(MAKE) site

site: $(DOCS_STAMP)
	$(BIN)/zensical build --strict --clean
	$(BIN)/python tools/check_site.py

golden: $(STAMP)
	$(BIN)/python tools/make_golden.py

package: $(STAMP)
	$(BIN)/python -m hatchling build
	$(BIN)/python -m pytest -n 0 tests/test_packaging.py

clean:
	rm -rf $(VENV) build dist site .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "detkit needs Python 3.11 or newer, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement requirements-dev.txt --editable .
	touch $(STAMP)

$(DOCS_STAMP): $(STAMP) requirements-docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement requirements-docs.txt
	touch $(DOCS_STAMP)
