# Everything a newcomer needs: `make demo` and `make test`. Wants Python 3.11 or newer, make and git, and nothing else.

VENV  := .venv
BIN   := $(VENV)/bin
PY    := $(BIN)/python
STAMP := $(VENV)/.installed
# Live tests that play rather than wait.
PLAYS := $(wildcard tests/live/test_sim_*.py tests/live/test_ctrl_c.py tests/live/test_report_page.py)
# One part more at a time than there are cores, for live tests wait; each is told when it is done, where make can (4.0 and newer).
CORES := $(or $(shell getconf _NPROCESSORS_ONLN 2>/dev/null),2)
EACH  := $(MAKE) --no-print-directory --keep-going -j $(shell expr $(CORES) + 1) \
	$(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
# A developer may have this in the environment; here it would make each of some thousand processes compile us again.
unexport PYTHONDONTWRITEBYTECODE

CODE  := mesh nodes sim gossamer tests $(wildcard bench)

# The first of these that is new enough makes the environment; `make PYTHON=/path/to/python` decides otherwise. A distribution's own 3.11
# comes first, if it can make environments: it takes an eighth less time than one that was compiled without `--enable-optimizations`
# (docs/internals/performance.md).
first_with = $(shell for p in /usr/bin/python3.11 python3.11 python3; do \
	$$p -c 'import $(1), sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
PYTHON ?= $(or $(call first_with,ensurepip),$(call first_with,sys))

# FULL=1 asks for every seed and size, not for the sample that fits into a coffee.
FULL ?=
ifneq ($(FULL),)
export GOSSAMER_FULL := 1
endif

PLAY := $(BIN)/pytest --timeout=$(if $(FULL),0,600)

# Branch coverage, in per cent, that `mesh` outside `mesh/io` must have. What cannot be reached is removed, not excluded.
CORE_COVERAGE := 100

.DEFAULT_GOAL := help
.PHONY: help demo test check sims bench docs clean

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## Run a mesh in three regions on this machine, cut it, and watch it heal
	$(BIN)/gossamer demo

test: check ## Do all that CI does: check, tests with coverage, simulations, and a short demo
	@echo "Now all tests, several parts at a time, the longest first: each is told when it is done, the first after some minutes."
	@$(EACH) test-live test-commands test-scenarios test-simulator test-swarm test-regressions test-rest test-units test-demo test-profiles
	$(BIN)/coverage report --include='mesh/*' --omit='mesh/io/*' --format=total --fail-under=$(CORE_COVERAGE) >/dev/null

.PHONY: test-live test-commands test-simulator test-units test-rest test-demo test-scenarios test-regressions test-swarm test-profiles
test-live: $(STAMP)
	@$(BIN)/pytest tests/live $(addprefix --ignore=,$(PLAYS))

test-commands: $(STAMP)
	@$(BIN)/pytest $(PLAYS)

test-simulator: $(STAMP)
	@$(BIN)/pytest tests/unit/sim

test-units: $(STAMP)
# Coverage takes what plays three times as long: it is measured for unit tests alone, which reach every branch of the core.
	@$(BIN)/pytest tests/unit tests/vectors --ignore=tests/unit/sim --cov --cov-report=term

test-rest: $(STAMP)
	@$(BIN)/pytest --ignore=tests/live --ignore=tests/scenarios --ignore=tests/swarm --ignore=tests/unit --ignore=tests/vectors

test-demo: $(STAMP)
	@$(BIN)/gossamer demo --seconds 15

check: $(STAMP) ## Format, lint, types and layers; no tests
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

sims: $(STAMP) ## Play the regressions, the scenarios that ship and the swarm; FULL=1 for every seed
	@$(EACH) test-scenarios test-swarm test-regressions test-profiles

# So that this part and that of the scenarios that ship take about as long.
REGRESSIONS := $(addprefix tests/scenarios/test_,regressions.py stories.py situations.py judges.py judges_of_history.py)
test-scenarios: $(STAMP)
	@$(PLAY) tests/scenarios $(addprefix --ignore=,$(REGRESSIONS))

test-regressions: $(STAMP)
	@$(PLAY) $(REGRESSIONS)

test-swarm: $(STAMP)
	@$(PLAY) tests/swarm --ignore=tests/swarm/test_profiles.py

# Last, for they take all cores.
test-profiles: $(STAMP)
	@$(PLAY) tests/swarm/test_profiles.py

bench: $(STAMP) ## Measure, and print what was measured and on what machine
	@if [ -e bench/__main__.py ]; then $(PY) -m bench; else echo "There are no benchmarks yet."; fi

docs: $(STAMP) ## Write the generated pages of docs/reference again
	$(PY) -m gossamer.docs

clean: ## Remove what this Makefile made
	rm -rf $(VENV) build dist .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(wildcard mesh nodes sim gossamer tests bench) -name __pycache__ -type d -prune -exec rm -rf {} +

# Installed once, and again when what is wanted has changed. Pins come from the lock; the project itself is a link to this folder.
$(STAMP): pyproject.toml requirements-dev.lock
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python 3.11 or newer: neither python3.11 nor python3 is one. Install it, or say make PYTHON=/path/to/python." >&2; exit 1; fi
	@$(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv." >&2; exit 1; }
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
