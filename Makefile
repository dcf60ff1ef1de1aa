# One verb per job. `make` alone lists them; every verb installs what it needs into .venv and .cache first.

PYTHON ?= python3 python3.13 python3.12 python3.11
VENV := .venv
PY := $(VENV)/bin/python
CODE := chassis exporter alert_handler grafana demo docs bench tests
JOBS ?= 4

.DEFAULT_GOAL := help
.PHONY: help demo test check lint format types rules dashboards docs golden bench clean

help: ## list the verbs
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 14

demo: $(VENV)/ready ## break two things on a real stack and watch them being repaired (KEEP=1 leaves it running)
	@$(PY) -m demo

test: $(VENV)/ready ## every test, with real Prometheus and Alertmanager, and the coverage gate
	@for name in prometheus promtool alertmanager amtool jsonnetfmt; do $(PY) -m demo.binaries $$name >/dev/null || exit 1; done
	@$(PY) -m pytest -n $(JOBS) --dist loadfile --cov --cov-report=term:skip-covered --cov-fail-under=90

check: lint types dashboards docs-fresh ## everything that is quick: lint, types, rules, boards, docs, unit tests
	@$(PY) -m pytest -n 2 -q -m "not acceptance"

lint: $(VENV)/ready ## ruff: format and rules
	@$(PY) -m ruff format --check -q $(CODE)
	@$(PY) -m ruff check -q $(CODE)

format: $(VENV)/ready ## rewrite the code in the house format
	@$(PY) -m ruff format -q $(CODE)
	@$(PY) -m ruff check -q --fix $(CODE)

types: $(VENV)/ready ## mypy, strict
	@$(PY) -m mypy

rules: $(VENV)/ready ## promtool over every rule file and its test
	@$(PY) -m pytest -q tests/prometheus

dashboards: $(VENV)/ready ## prove that grafana/generated is fresh (build it with: python grafana/build.py)
	@$(PY) grafana/build.py --check

docs: $(VENV)/ready ## write docs/reference anew from the code
	@$(PY) docs/build.py

golden: $(VENV)/ready ## write tests/golden anew; look at the difference
	@UPDATE_GOLDEN=1 $(PY) -m pytest -n 0 -q tests/exporter/test_golden.py tests/exporter/test_resources.py

.PHONY: docs-fresh
docs-fresh: $(VENV)/ready
	@$(PY) docs/build.py --check

bench: $(VENV)/ready ## measure: scrapes, series, probes and logs beside their peers, intake, ten faults; takes half an hour
	-@$(PY) bench/scrape.py
	-@$(PY) bench/intake.py
	-@$(PY) bench/faults.py
	-@$(PY) bench/series.py
	-@$(PY) bench/footprint.py
	-@$(PY) bench/probes.py
	-@$(PY) bench/logs.py

clean: ## remove what the verbs made
	@rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* build dist

# The environment: the first of $(PYTHON) that is 3.11 or newer and has venv. As root on Debian it is installed when
# there is none.
$(VENV)/ready: pyproject.toml
	@works() { "$$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
	found() { for name in $(PYTHON); do if works $$name; then echo $$name; return; fi; done; }; \
	python=$$(found); \
	if [ -z "$$python" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq update && apt-get -qq install -y python3 python3-venv >/dev/null; python=$$(found); \
	fi; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or newer with venv is needed: sudo apt install python3 python3-venv" >&2; exit 1; \
	fi; \
	echo "installing into $(VENV) (once)"; \
	"$$python" -m venv $(VENV) && $(PY) -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@
