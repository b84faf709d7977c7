# make demo | test | test-all | lint | docs | clean.  The set-up runs once; PYTHON chooses the interpreter behind .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# A process for each core, with one thread each: on networks this small, threads that wait for each other take longer than
# the work. The tests of one file share fixtures, and so a process.
test test-all: export OMP_NUM_THREADS := 1
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --durations=10

.PHONY: demo test test-all lint docs setup clean

demo: $(STAMP)
	$(BIN)/python tools/test.py configs/fcg_gan/fcg_gan_plus_x4.py rainrestore://fcg_gan_plus_x4 --out results/demo

test: $(STAMP)
	$(PYTEST)

test-all: $(STAMP)
	$(PYTEST) -m 'slow or not slow'

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Warnings are errors: a link that leads nowhere, a page that the navigation lacks, a docstring that cannot be read.
docs: $(STAMP)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs
	@echo 'the site: build/docs/index.html'

setup: $(STAMP)

# The stamp comes last, so that an interrupted set-up is taken up again.
$(STAMP): setup.py tools/install.py $(wildcard requirements/*.txt)
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed: make PYTHON=..."'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python tools/install.py --dev
	@touch $@

clean:
	rm -rf $(VENV) results build docs/api *.egg-info .pytest_cache .ruff_cache .mypy_cache
