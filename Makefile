# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
#
#   PYTHON=python3.12    the interpreter that `.venv` is made with (3.11 or newer)
#   EXTRAS=train         optional parts to install too, with commas between them
#   ARGS="..."           more arguments for `cosim demo` or for pytest

PYTHON ?= python3
EXTRAS ?=
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps

# One stamp for each set of extras, so that changing between them installs nothing twice.
comma := ,
empty :=
space := $(empty) $(empty)
names := $(sort $(subst $(comma),$(space),$(EXTRAS)))
set_of = $(if $(1),$(subst $(space),+,$(sort $(1))),plain)
INSTALLED := $(STAMPS)/installed-$(call set_of,$(names))
INSTALLED_DEV := $(STAMPS)/installed-$(call set_of,$(names) dev)
NGSPICE := $(STAMPS)/ngspice

# A virtual environment holds absolute paths: one that was moved or copied is made anew.
ifneq ($(wildcard $(STAMPS)/venv),)
ifneq ($(shell cat $(STAMPS)/venv),$(CURDIR))
.PHONY: $(STAMPS)/venv
endif
endif

.PHONY: help demo test test-all lint types bench setup ngspice clean
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

help: ## say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1|/' \
	  | while IFS='|' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

demo: $(INSTALLED) $(NGSPICE) ## the main job on real data: circuits, models, network, report
	@$(BIN)/cosim demo $(ARGS)

test: lint types $(NGSPICE) ## all quick checks: style, types, tests
	@$(BIN)/python -m pytest -q -m "not slow" $(ARGS)

test-all: lint types $(NGSPICE) ## the same with the longer tests
	@$(BIN)/python -m pytest -q $(ARGS)

lint: $(INSTALLED_DEV) ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(INSTALLED_DEV) ## mypy
	@$(BIN)/mypy

bench: $(INSTALLED) $(NGSPICE) ## every benchmark, one JSON object a line
	@for script in benchmarks/[!_]*.py; do \
	  [ -e "$$script" ] || continue; \
	  $(BIN)/python "$$script" || echo "$$script stopped with an error" >&2; \
	done

setup: $(INSTALLED) $(NGSPICE) ## .venv, the package, ngspice; nothing is run

ngspice: $(STAMPS)/venv ## look for ngspice again, after installing or removing one
	@$(BIN)/python tools/get_ngspice.py
	@touch $(NGSPICE)

clean: ## remove .venv and what tools left behind; data and results stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find cosim tests tools benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(STAMPS)/venv:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: no '$(PYTHON)' here; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $$($(PYTHON) --version 2>&1) is too old, cosim needs 3.11 or newer; name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "error: this Python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS)
	@printf '%s\n' "$(CURDIR)" > $@

$(STAMPS)/installed-%: pyproject.toml $(STAMPS)/venv
	@echo "installing cosim ($(subst +,$(comma) ,$*)) into $(VENV); a first time takes a minute or two"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check \
	  --editable '.$(if $(filter-out plain,$*),[$(subst +,$(comma),$*)])' || { \
	  echo "error: pip could not install cosim, its own message is above; mend that (network? package index?) and run make again" >&2; exit 1; }
	@touch $@

$(NGSPICE): tools/get_ngspice.py cosim/spice/locate.py $(STAMPS)/venv
	@$(BIN)/python tools/get_ngspice.py
	@touch $@
