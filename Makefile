# make demo | test | test-all | lint | docs | clean.  The set-up runs once; PYTHON selects the interpreter of .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# One process for each core, with one thread each: with networks of this size, the synchronisation of threads takes
# longer than the computation. The tests of one file share fixtures, so they run in one process.
test test-all: export OMP_NUM_THREADS := 1
# The packages are installed without bytecode. Many tests start Python, which would then compile them each time.
test test-all: export PYTHONDONTWRITEBYTECODE :=
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

# Warnings are errors: a link without a target, a page missing in the navigation, a docstring that cannot be parsed.
docs: $(STAMP)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs
	@echo 'the site: build/docs/index.html'

setup: $(STAMP)

# The stamp is written last, so that make repeats an interrupted set-up.
$(STAMP): setup.py tools/install.py $(wildcard requirements/*.txt)
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed: make PYTHON=..."'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python tools/install.py --dev
	@touch $@

clean:
	rm -rf $(VENV) results build docs/api *.egg-info .pytest_cache .ruff_cache .mypy_cache
