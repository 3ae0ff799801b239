# The front door. `make run` and `make test` need nothing but Python >= 3.11.
.DEFAULT_GOAL := help
.PHONY: help install run down demo test check bench soak deployment deploy-secrets lock clean

VENV := .venv
PYTHON := $(VENV)/bin/python
WANLIU := $(VENV)/bin/wanliu
STAMP := $(VENV)/.installed
SCHEMAS := $(VENV)/.schemas

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## .venv with the locked dependencies and the command `wanliu`

$(STAMP): requirements.lock pyproject.toml scripts/install.sh
	@sh scripts/install.sh $(VENV)
	@touch $(STAMP)

run: install ## start everything, run the demo, keep running until Ctrl-C
	@$(WANLIU) up --demo

down: install ## stop what `make run` left running
	@$(WANLIU) down

demo: install ## the demo on a stack of its own, then gone
	@$(WANLIU) demo --own-stack

test: install ## all tests; some of them: make test PYTEST_ARGS='tests/unit -q'
	@$(PYTHON) -m pytest $(PYTEST_ARGS)

$(SCHEMAS): requirements-check.lock $(STAMP)
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-check.lock
	@touch $(SCHEMAS)

check: install $(SCHEMAS) ## lint, format, types, layers, deployment files, lock
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PYTHON) -m libs.devstack.deployment
	$(PYTHON) scripts/lock.py check

bench: install ## measures throughput and CPU per event, beside the bare limits
	@$(PYTHON) -m bench

soak: install ## the fault tests for longer: SOAK_FAULTS=300 SOAK_PEOPLE=2000
	@WANLIU_SOAK=1 WANLIU_FAULTS=$(or $(SOAK_FAULTS),300) WANLIU_PEOPLE=$(or $(SOAK_PEOPLE),2000) $(PYTHON) -m pytest -s tests/faults

deployment: install ## writes docker-compose.yml and deploy/k8s from the process table
	@$(PYTHON) -m libs.devstack.deployment write

deploy-secrets: install ## writes fresh secrets for a deployment to deploy/secrets
	@$(PYTHON) -m libs.devstack.deployment secrets deploy/secrets

lock: ## renews the lock files from pyproject.toml
	$(PYTHON) scripts/lock.py write

clean: ## removes .venv and caches; leaves data directories alone
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
