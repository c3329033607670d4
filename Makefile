# Needs Python 3.11 or newer, git and make; everything else is installed into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Where memory takes files and has much room, tests keep theirs there: a disk is waited for at each write of a journal.
MEMORY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 { print "/dev/shm" }')
# Where the environment forbids it, each of the many commands that the tests start would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-windows test-kerberos soak fuzz bench lint lint-python lint-yaml install clean

demo: .venv/.installed
	$(BIN)/provisioner demo

test: lint
	PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(BIN)/python -m pytest -m "not wine and not realm" -n 2 --dist worksteal $(AGAIN)

# A long evening in the lab: runs killed at random moments among random faults; the lab's events are the judge.
soak: .venv/.installed-dev
	$(BIN)/python -m tests.soak $(SOAK)

# Wrong input of every kind, by a seed that is printed; FUZZ="--seed 1 --seconds 60" for less than 3,000 of each.
fuzz: .venv/.installed-dev
	$(BIN)/python -m tests.fuzz $(FUZZ)

# The real modules and the real script under Wine: some minutes. Skipped, by name, without winrm-gateways on PATH.
test-windows: .venv/.installed-dev
	$(BIN)/python -m pytest -m wine -n 2 --dist loadfile --no-loadscope-reorder $(AGAIN)

# Against a real directory on loopback: some minutes. Skipped, by name, without realm on PATH or without libkrb5's and
# libldap's headers.
test-kerberos: .venv/.installed-dev
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[kerberos]'
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[directory]'
	$(BIN)/python -m pytest -m realm -n 2 --dist loadfile $(AGAIN)

# How long, how much CPU, how much memory: BENCH="--parts commands,audits --sizes 100,400" for a short one. Only loopback is asked.
bench: .venv/.installed-dev
	$(BIN)/python -m benchmarks $(BENCH)

# At the same time, what Python is asked for and what YAML is.
lint: .venv/.installed-dev
	@$(MAKE) --no-print-directory --jobs=2 lint-python lint-yaml

lint-python: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lint-yaml: .venv/.installed-dev
	$(BIN)/yamllint --strict .
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/ansible-lint --offline --strict playbooks roles

install: .venv/.installed-dev

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[lab]'
	touch $@

.venv/.installed-dev: pyproject.toml .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv provisioner-demo build dist
