# Every target sets up what it needs; only Python >= 3.11, pip and make must be there.
PYTHON ?= python3
VENV := .venv
# Windows keeps programs elsewhere.
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := $(VENV)/.ready
# Two workers fill two cores when each computes with one thread.
WORKERS ?= 2

.PHONY: help setup demo test test-all lint format bench browser screenshots docs lock clean
help:
	@echo "make demo    set up, then learn a small data set in three ways (about five minutes)"
	@echo "make test    set up, then run the tests but the long ones"
	@echo "make test-all  all of them: also killed servers, fuzz, the browser"
	@echo "make lint    ruff and mypy"
	@echo "make bench   speed benchmarks, written to benchmarks/speed/results/ and benchmarks/annotator/results/"
	@echo "make browser finds or installs a Chromium for the tests of the annotator's page"
	@echo "make screenshots  the pictures of the annotator in docs/images/"
	@echo "make docs    the pages that are made from code and from benchmark results"
	@echo "make lock    pin the newest dependencies that pyproject.toml admits"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@echo "== setting up $(VENV): the locked dependencies are about 5 GB, the first time takes minutes"
	$(PYTHON) -c "import sys; sys.exit('Python 3.11 or later is needed' if sys.version_info < (3, 11) else 0)"
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)
	@echo "== ready"

demo: setup
	$(BIN)/pointillist demo --out runs/demo

test: setup
	@echo "== tests (real data: $(or $(POINTILLIST_REAL_DATA),none; set POINTILLIST_REAL_DATA to a folder that has some))"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-all: setup
	@echo "== all tests (real data: $(or $(POINTILLIST_REAL_DATA),none; set POINTILLIST_REAL_DATA to a folder that has some))"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "long or not long"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python benchmarks/speed/run.py
	$(BIN)/python benchmarks/speed/loading.py
	$(BIN)/python benchmarks/annotator/run.py

browser: setup
	@$(BIN)/python -m tests.browser.setup

screenshots: browser
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.browser.screenshots

docs: setup
	$(BIN)/python docs/make.py

lock: setup
	$(BIN)/python -m pip install --quiet uv
	(echo '# What `make setup` and CI install, for Python 3.11 and later on every system. Made from pyproject.toml by `make lock`.'; \
	 $(BIN)/uv pip compile --universal --python-version 3.11 --all-extras --no-header --no-annotate --quiet pyproject.toml) > requirements.lock.new
	mv requirements.lock.new requirements.lock

clean:
	rm -rf $(VENV) runs build dist
