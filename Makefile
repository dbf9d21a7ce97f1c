# The doors of goldsmith. `make` alone lists them.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench chaos docs
MAKEFLAGS += --no-print-directory
# Where compiled modules may not be kept, every start of goldsmith compiles all of them again.
unexport PYTHONDONTWRITEBYTECODE

python := .venv/bin/python

help: ## list these commands
	@echo 'usage: make COMMAND'
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  \1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-9s %s\n' "$$name" "$$text"; done
	@echo
	@echo 'make demo reads: CLOUD=qemu|simulated  ONCE=1  PORT=8080  DATA_DIR=demo-data'

setup: ## make .venv with goldsmith in it (installs what is missing of Python and uv)
	@scripts/setup demo

demo: setup ## boot a machine from the documentation's own request and keep serving (ONCE=1: clean up and end)
	@if [ "$${CLOUD:-qemu}" = qemu ]; then scripts/setup-qemu; fi
	@$(python) -m goldsmith.demo

test: ## run all tests (PYTEST_ARGS="-k create -x"; WORKERS=1 for one after the other)
	@scripts/setup test
	@scripts/setup-qemu
	@scripts/setup-postgres
	@$(python) -m pytest -n $${WORKERS:-3} $(PYTEST_ARGS)

check: ## ruff and mypy
	@scripts/setup test
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@$(python) -m mypy

bench: ## measure, side by side with what goldsmith is compared to
	@scripts/setup bench
	@scripts/setup-qemu
	@scripts/setup-postgres
	@$(python) benchmarks/run.py

chaos: ## kill, freeze and starve a goldsmith in use, then prove that nothing was lost (MINUTES=5 SEED=n DATABASE=sqlite)
	@scripts/setup test
	@if [ "$${DATABASE:-postgres}" = postgres ]; then scripts/setup-postgres; fi
	@$(python) -m tests.chaos.run --minutes $${MINUTES:-5} --database $${DATABASE:-postgres} $${SEED:+--seed $$SEED}

docs: ## write the pages of docs/ that are made from the code
	@scripts/setup demo
	@$(python) -m goldsmith.docs
