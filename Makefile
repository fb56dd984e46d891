# Every target does all of its own set-up; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# .python-version makes pyenv's shims pick 3.13; elsewhere whichever of these is a 3.13.
PYTHON ?= $(firstword $(foreach name,python3.13 python3 python,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1 && echo $(name))))

venv := .venv/.installed
node_modules := local/storage/node_modules/.package-lock.json
python := .venv/bin/python
# Node brings certificate authorities of its own; this makes it trust the machine's as well.
pip := $(python) -m pip install -qq --disable-pip-version-check --no-input --no-compile --require-hashes
npm := PATH="$(CURDIR)/.venv/bin:$$PATH" NODE_USE_SYSTEM_CA=1 .venv/bin/npm --loglevel=error --no-fund --no-audit --no-update-notifier

# What is imported is compiled once, and not anew by each of the hundreds of processes that the tests start.
export PYTHONDONTWRITEBYTECODE :=

# The parts of ``make check``: ``make --jobs=2 check`` does them side by side.
quick-checks := format lint layers sizes contract-is-current
checks := types $(quick-checks)
.PHONY: $(checks) quick-check compiled-tests help setup up demo test check bench soak schedules mutation lock package contract snapshots azure-cli-check
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(venv) $(node_modules) ## a virtual environment and the storage emulator, as locked

up: setup ## run everything locally, in the foreground, until Ctrl-C; TLS_PORT=443 for Azure's own names, GROUPS=1 for roles with groups
	@exec $(python) -m local up $(if $(TLS_PORT),--tls-port $(TLS_PORT)) $(if $(GROUPS),--groups)

demo: setup ## one lease's life, told step by step
	@exec $(python) -m local demo

test: setup ## the whole test suite
	@$(python) -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder

compiled-tests: $(venv) ## tests compiled beforehand: not by each process of `make test` for itself
	@$(python) -m pytest --collect-only -qq >/dev/null

check: $(checks) ## format, lint, types, layers, sizes, contract: what CI runs before the tests

quick-check: $(quick-checks) ## the same without types, which take a minute

$(checks): $(venv)

types:
	@.venv/bin/mypy

format:
	@.venv/bin/ruff format --check --quiet . || { echo 'run: .venv/bin/ruff format'; exit 1; }

lint:
	@.venv/bin/ruff check --quiet .

layers:
	@.venv/bin/lint-imports --no-logo

sizes:
	@$(python) -m tests.check_sizes

contract-is-current:
	@$(python) -m infra.contract --check

bench: setup ## measure; ONLY="access sweep" measures these sections alone
	@exec $(python) -m tests.bench --only "$(ONLY)"

soak: setup ## ten minutes of load, faults and killed hosts; SOAK_SECONDS= for another length
	@exec $(python) -m tests.soak

schedules: setup ## two verbs' calls in every order, each verb cancelled at every step, planted defects; SCHEDULES=full without a bound, ONLY="renew + revoke"
	@exec $(python) -m tests.schedules --only "$(ONLY)"

mutation: setup ## plant faults and see which of them no test notices; SEED= N= ONLY=shared/cloud
	@SEED=$(SEED) N=$(N) ONLY=$(ONLY) exec $(python) -m tests.mutation

azure-cli-check: setup ## Azure's own command line against the local cloud (needs `az`)
	@exec $(python) -m local.azure_cli

# The app runs on Linux x86-64: that is the platform it is locked for. No index and no host is written into either file.
compile := .venv/bin/uv pip compile --quiet --upgrade --system-certs --generate-hashes --no-emit-index-url \
	--no-emit-find-links --python-version 3.13 --python-platform x86_64-manylinux_2_28 --custom-compile-command 'make lock'

lock: ## resolve the dependencies anew: requirements*.txt and the storage emulator's package-lock.json
	@test -x .venv/bin/uv || $(MAKE) $(venv)
	@$(compile) pyproject.toml -o requirements.txt
	@$(compile) --group pyproject.toml:dev -c requirements.txt -o requirements-dev.txt
	@rm -f local/storage/package-lock.json
	@$(npm) install --prefix local/storage --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved

package: $(venv) ## the app with its libraries for Azure's Linux, as build/leasehold.zip
	@exec $(python) -m infra.package

contract: $(venv) ## docs/openapi.json anew, from what the code declares
	@exec $(python) -m infra.contract

snapshots: $(venv) ## work out anew what infra/ comes down to (needs the Bicep compiler)
	@exec $(python) -m tests.infra.compiler

# uv installs in seconds what takes pip a minute. It knows no settings of pip's: where it finds no index, pip installs the rest.
# Neither compiles every module of every package: the first import compiles the few that are used.
$(venv): requirements.txt requirements-dev.txt
	@test -n "$(PYTHON)" || { echo 'Python 3.13 is needed, and none was found (python3.13, python3 or python).' >&2; exit 1; }
	@echo 'Setting up .venv ...'
	@test -x $(python) || $(PYTHON) -m venv .venv
	@awk '/^uv==/ {found = 1} found {print; if (!/\\$$/) exit}' requirements-dev.txt >.venv/uv.txt
	@$(pip) -r .venv/uv.txt
	@.venv/bin/uv pip install --quiet --system-certs --python $(python) --require-hashes $(foreach file,$^,-r $(file)) \
		2>.venv/uv.log || $(pip) $(foreach file,$^,-r $(file))
	@touch $@

$(node_modules): local/storage/package-lock.json local/storage/package.json | $(venv)
	@echo 'Setting up the storage emulator ...'
	@$(npm) ci --prefix local/storage --ignore-scripts
	@touch $@
