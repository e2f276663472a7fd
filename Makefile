# The two commands to know: `make demo` and `make test`. Both set up first, if that is not done.
# PYTHON=... chooses the interpreter, VENV=... the place of the virtual environment.
PYTHON ?= python3.11
VENV ?= .venv
RUN := $(VENV)/bin/python

# A stamp is younger than the requirements it stands for exactly if they are installed.
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.PHONY: help setup demo test lint bench chaos
help:
	@echo 'make setup  virtual environment in $(VENV) with what running needs'
	@echo 'make demo   the main job, end to end, on the Shapes world (nothing to download)'
	@echo 'make test   lint and all tests'
	@echo 'make lint   ruff and mypy'
	@echo 'make bench  speed of the model beside a plain implementation'
	@echo 'make chaos  break things on purpose, many times, and count what is lost'

setup: $(INSTALLED)

demo: $(INSTALLED)
	$(RUN) tools/demo.py

# Test files side by side, each process with one thread: together they fill the cores.
test: lint
	$(RUN) -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: $(INSTALLED_DEV)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy projects/msta

bench: $(INSTALLED)
	$(RUN) tools/benchmark.py

chaos: $(INSTALLED_DEV)
	$(RUN) -m pytest tests/chaos --chaos full

$(RUN):
	@command -v $(PYTHON) > /dev/null || { \
	  echo 'error: $(PYTHON) not found; install Python 3.11, or name one: make PYTHON=/path/to/python3.11' >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "error: Python 3.11 is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1); name another: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements.txt | $(RUN)
	$(RUN) -m pip install --disable-pip-version-check -r requirements.txt
	$(RUN) -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

$(INSTALLED_DEV): $(wildcard requirements/*.txt) $(INSTALLED) | $(RUN)
	$(RUN) -m pip install --disable-pip-version-check -r requirements/dev.txt
	@touch $@
