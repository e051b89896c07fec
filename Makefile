# Run `make` for the list of targets.
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
UV ?= $(or $(wildcard .venv/bin/uv),uv)
BIN := .venv/bin

# Named after the contents, not the dates, of what decides an installation.
KEY := $(shell cat requirements-dev.lock pyproject.toml | cksum | tr ' ' '-')
STAMP := .venv/installed-$(KEY)
ENGINES := .engines/installed-$(shell cat requirements-engines.lock | cksum | tr ' ' '-')

.PHONY: help setup run test test-units test-parts test-slow test-provoked check signatures learned bench-start lock clean

help: ## list the targets
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z%-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | \
	    while IFS='|' read -r name what; do printf '  %-14s%s\n' "$${name#  }" "$$what"; done

setup: $(STAMP) ## make .venv with the pinned packages; nothing to do when it is up to date
	@echo "setup: .venv is up to date"

$(STAMP):
	@echo "setup: checking for Python 3.11 or newer with venv"
	@command -v "$(PYTHON)" >/dev/null || { \
	    echo "setup: $(PYTHON) was not found - install it: apt-get install python3 python3-venv" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "setup: $(PYTHON) is $$($(PYTHON) --version 2>&1), 3.11 or newer is needed -" \
	        "install python3.11 and python3.11-venv, then: make setup PYTHON=python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo "setup: $(PYTHON) has no venv module - install it: apt-get install python3-venv" >&2; exit 1; }
	@test ! -L .venv || { echo "setup: .venv is a link to $$(readlink .venv), which would be emptied -" \
	    "run make there, or remove the link" >&2; exit 1; }
	@if $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	    head -n 2 $(BIN)/pip | grep -qF "$(CURDIR)/$(BIN)"; then \
	    echo "setup: keeping the .venv that is there"; \
	else \
	    echo "setup: making .venv"; "$(PYTHON)" -m venv --clear .venv; \
	fi
	@echo "setup: installing the packages of requirements-dev.lock (a minute or two the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	    -r requirements-dev.lock
	@echo "setup: installing autoloop itself, editable"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@rm -f .venv/installed-*
	@touch $@
	@echo "setup: done"

run: setup ## break an app, watch it being repaired (the demo); state goes to .autoloop
	@echo "run: the demo, with its state in $(CURDIR)/.autoloop"
	@AUTOLOOP_HOME="$(CURDIR)/.autoloop" $(BIN)/autoloop demo

# Aside, not in .venv: everything else is tested as it runs without them.
$(ENGINES): $(STAMP)
	@echo "setup: installing the optional engines for patterns to .engines, for tests of them"
	@rm -rf .engines && mkdir .engines
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	    --only-binary :all: --target .engines -r requirements-engines.lock || \
	    echo "setup: this platform has no wheels of them - their tests will be skipped" >&2
	@touch $@

test: setup $(ENGINES) ## all tests but the slow ones; those on throw-away hosts need root
	@echo "test: that the optional engines give the same answers"
	@PYTHONPATH=.engines $(BIN)/pytest -q -n auto -m engines \
	    tests/unit/core/reading tests/unit/logs
	@echo "test: everything else that is not marked slow; units beside what needs whole parts"
	@$(MAKE) --no-print-directory -j 2 test-units test-parts

UNITS = tests/unit tests/contract tests/test_house.py

test-units: setup
	@mkdir -p build
	@$(BIN)/pytest -q -m "not slow and not engines" --junitxml=build/units.xml $(UNITS) \
	    > build/units.log 2>&1; status=$$?; tail -n 60 build/units.log; exit $$status

test-parts: setup
	@$(BIN)/pytest -m "not slow and not engines" $(UNITS:%=--ignore=%)

test-slow: setup ## the long matrices
	@echo "test-slow: everything that is marked slow"
	@$(BIN)/pytest -m slow

PROVOKED = .provoked
PROGRAMS = apache2,bind9,ca-certificates,cron,curl,dovecot-imapd,etcd-server,gcc,git,golang-go,gunicorn,haproxy,lighttpd,locales-all,logrotate,lua5.4,make,mariadb-server,memcached,mosquitto,nginx-light,openssh-server,openssl,perl,php-cli,php-mysql,php-sqlite3,postgresql,prometheus,python3,rabbitmq-server,redis-server,ruby,squid,stunnel4,sudo,supervisor,systemd,uwsgi,uwsgi-plugin-python3,varnish,default-jdk-headless

test-provoked: setup ## break real programs in a Debian of their own, and read them; for root
	@test -d $(PROVOKED) || { echo "test-provoked: making $(PROVOKED), about 3 GB"; \
	    mmdebstrap --variant=apt --include=$(PROGRAMS) bookworm $(PROVOKED); }
	@AUTOLOOP_PROVOKED_ROOT="$(CURDIR)/$(PROVOKED)" unshare --mount --pid --fork --kill-child \
	    --mount-proc sh -c 'mount -t proc proc $(PROVOKED)/proc && \
	    mount --bind /dev $(PROVOKED)/dev && $(BIN)/pytest -m slow tests/provoked; exit $$?'

check: setup ## format, lint, types, imports, unit tests but the matrices: under a minute
	@echo "check: format"
	@$(BIN)/ruff format --check .
	@echo "check: lint"
	@$(BIN)/ruff check .
	@echo "check: types"
	@$(BIN)/mypy
	@echo "check: imports"
	@$(BIN)/lint-imports
	@echo "check: unit tests and the house"
	@$(BIN)/pytest -q -n auto -m "not slow and not matrix and not engines" \
	    tests/unit tests/contract tests/test_house.py

signatures: setup ## after a change of autoloop/core/reading/signatures/*.toml: what is made of them
	@echo "signatures: autoloop/core/reading/signatures/beforehand"
	@$(BIN)/python tests/learning/beforehand.py

learned: setup ## learn from the texts in tests/learning/texts anew, after a change of them
	@$(BIN)/python -c 'import sklearn' 2>/dev/null || { echo "learned: installing scikit-learn"; \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check "scikit-learn>=1.5"; }
	@echo "learned: learned.json, learned.bin and blame.json in autoloop/core/reading/signatures"
	@$(BIN)/python tests/learning/train.py
	@PYTHONPATH=tests/bench $(BIN)/python tests/learning/fit_blame.py

bench-start: setup ## measure the time from a request to the first line of a flow
	@echo "bench-start: tests/bench/bench_start.py"
	@$(BIN)/python tests/bench/bench_start.py

bench-%: setup ## measure with tests/bench/bench_%.py
	@test -f tests/bench/bench_$(subst -,_,$*).py || { \
	    echo "bench-$*: no tests/bench/bench_$(subst -,_,$*).py - see: ls tests/bench" >&2; exit 1; }
	@echo "bench-$*: tests/bench/bench_$(subst -,_,$*).py"
	@$(BIN)/python tests/bench/bench_$(subst -,_,$*).py

lock: ## resolve pyproject.toml again and write the lock files (needs uv)
	@echo "lock: requirements.lock, requirements-dev.lock, requirements-engines.lock"
	@$(UV) pip compile pyproject.toml --quiet --universal --generate-hashes --no-annotate \
	    --no-header --python-version 3.11 -o requirements.lock
	@$(UV) pip compile pyproject.toml --quiet --extra dev --universal --generate-hashes \
	    --no-annotate --no-header --python-version 3.11 -o requirements-dev.lock
	@printf '%s\n' google-re2 hyperscan | $(UV) pip compile - --quiet --universal \
	    --generate-hashes --no-annotate --no-header --python-version 3.11 \
	    -o requirements-engines.lock

clean: ## remove .venv, .engines, caches and build results; .autoloop stays
	@echo "clean: .venv, .engines, caches, build"
	@rm -rf .venv .engines build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache \
	    .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
