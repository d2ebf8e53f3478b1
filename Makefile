# Each target does its own set-up: a virtual environment in .venv, filled once for its group of
# dependencies and again when pyproject.toml changes. Nothing is installed outside this folder.
#
#   make demo                          make test ARGS="tests/engine -k claim"
#   make test PYTHON=python3.13 VENV=.venv313
#   make bench ARGS="--only enqueue,drain --rounds 3"      ARGS=--names      ARGS=--admin
#   make bench ARGS=--peers            the other queues beside this one
#   make test SEED=default             with another order and other random calls than always
#   make test TESTERS=8                with more processes than four, on a machine of many cores
#   make test ARGS="-n 0 -s"           in one process: each has a server of its own, and much of the
#                                      time is spent waiting for leases and failovers

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
# What decides the order of the tests and their random calls: a change is judged by what it changes.
SEED ?= 1
# Processes that test side by side, for two cores: the tests wait for leases, failovers and mails
# for much of their time.
TESTERS ?= 4
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test chaos lint messages pictures docs bench matrix clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed-demo ## start the demo project: server, worker, web site
	@exec $(BIN)/python testproject/manage.py demo $(ARGS)

test: $(VENV)/.installed-test ## run the whole test suite
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --randomly-seed=$(SEED) $(ARGS)

chaos: $(VENV)/.installed-test ## storm real servers and workers, and judge (takes minutes)
	@exec $(BIN)/python -m tests.chaos $(ARGS)

lint: $(VENV)/.installed-lint ## check style, types and import floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

messages: $(VENV)/.installed-test ## collect the translations, say what is missing, compile
	@$(BIN)/python -m scripts.messages $(ARGS)

pictures: $(VENV)/.installed-test ## take the pictures of the admin for the documentation
	@$(BIN)/python -m scripts.screenshots $(ARGS)

docs: $(VENV)/.installed-docs ## build the documentation into docs/_build
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

# An environment of its own, for it has hiredis, and the tests do not.
bench: ## measure (takes minutes; keep the machine quiet)
	@$(MAKE) --no-print-directory VENV=.bench/venv .bench/venv/.installed-bench
	@exec .bench/venv/bin/python -m benchmarks $(ARGS)

matrix: $(VENV)/.ready ## run the suite on every Python, Django and server found here
	@exec $(BIN)/python scripts/matrix.py $(ARGS)

clean: ## remove the environments and everything built
	rm -rf $(VENV) .bench .matrix build dist docs/_build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.ready:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "django_jobqueue needs Python 3.11 or newer, and '$(PYTHON)' is not." \
	       "Name another one: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "No virtual environment could be made with '$(PYTHON)'." \
	       "On Debian and Ubuntu install the package python3-venv." >&2; exit 1; }
	@echo "Setting up $(VENV), once ..."
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.installed-%: $(VENV)/.ready pyproject.toml
	@echo "Installing what 'make $*' needs ..."
	@$(BIN)/python -m pip install --quiet --upgrade --upgrade-strategy only-if-needed -e . --group $*
	@touch $@
