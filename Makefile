# Every target makes its own environment in .venv, from nothing but Python 3.11 or newer, git and make.
#   make demo    see it work (base install only)
#   make test    lint, types, import order, then the tests      make lint    the first three alone
#   make bench   run the missing or stale benchmark cells        make clean   remove .venv, caches and builds
# PYTHON=/path/to/python chooses the interpreter; ARGS="…" is handed to demo, bench and pytest.

PYTHON ?=
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -c constraints.txt

# The development environment has everything the demo needs, so either will do.
DEMO_READY := $(if $(wildcard $(VENV)/.dev),$(VENV)/.dev,$(VENV)/.base)

.PHONY: help demo test lint bench clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -n 5

demo: $(DEMO_READY)
	$(BIN)/python -m unlabeled demo $(ARGS)

test: lint
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/images.py $(ARGS)
	$(BIN)/python benchmarks/matrix.py
	$(BIN)/python benchmarks/unseen_clustering.py
	$(BIN)/python benchmarks/collapse.py
	$(BIN)/python benchmarks/label_free.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp, not bin/python, says that an environment is whole: an interrupted one is made again.
$(VENV)/.made:
	@for candidate in "$(PYTHON)" python3.11 python3.12 python3.13 python3.14 python3 python; do \
	    [ -n "$$candidate" ] || continue; \
	    if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "making $(VENV) with $$candidate"; \
	        "$$candidate" -m venv --clear $(VENV) && touch $@ && exit 0; \
	        exit 1; \
	    fi; \
	    if [ "$$candidate" = "$(PYTHON)" ]; then \
	        echo "PYTHON=$(PYTHON) is not a Python 3.11 or newer with venv" >&2; exit 1; \
	    fi; \
	done; \
	echo "no Python 3.11 or newer (with venv) found: install one, or name it: make PYTHON=/path/to/python" >&2; \
	exit 1

$(VENV)/.base: $(VENV)/.made pyproject.toml constraints.txt
	@echo "installing the library and what it needs (torch is large: a few minutes, once)"
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt
	@echo "installing the library with the development tools (torch is large: a few minutes, once)"
	$(PIP) -e '.[dev]'
	@touch $@
