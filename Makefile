# Two commands on a fresh machine: `make run` (the whole product with a live demo) and `make test`.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN = .venv/bin

help: ## Show this help
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}' | sed 's/:[^ ]*//'

run: .venv/.runtime ## Everything, with a live demo, on http://127.0.0.1:8000
	@$(BIN)/python manage.py up --demo

serve: .venv/.runtime ## The web server and the task worker, without the demo
	@$(BIN)/python manage.py up

install: .venv/.runtime ## Make .venv with what the product needs

test: .venv/.dev ## The whole test suite; ARGS="-m 'not slow'" leaves the simulations out
	@$(BIN)/python -m pytest $(ARGS)

emulators: .venv-snowflake/.done ## What the tests of the Snowflake connector talk to, in an environment of its own

lint: .venv/.dev ## Formatting, types, the house's import rules, templates, migrations, the API schema
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/djlint templates --check --lint --quiet
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

bench: .venv/.dev ## The benchmarks, as ratios within one run
	@for script in serve ingest; do $(BIN)/python benchmarks/$$script.py || exit 1; done

.venv/.runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=python3.x"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the packages of requirements.txt …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt requirements-warehouses.txt .venv/.runtime
	@echo "Installing the packages of requirements-dev.txt …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.venv-snowflake/.done: requirements-emulator-snowflake.txt
	@$(PYTHON) -m venv .venv-snowflake
	@echo "Installing the packages of requirements-emulator-snowflake.txt …"
	@.venv-snowflake/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-emulator-snowflake.txt
	@touch $@

.PHONY: help run serve install test emulators lint bench
