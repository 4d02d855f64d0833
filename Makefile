# `make demo` and `make test` work on a fresh machine with Python 3.11 or newer, git and make.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo

# uv does not read pip's setting of where else to find wheels.
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif
# Where uv cannot be had, pip does the same, slower.
INSTALL = if [ -x $(BIN)/uv ]; then $(BIN)/uv pip install --python $(BIN)/python -c constraints.txt $(1); \
	else $(BIN)/python -m pip install -c constraints.txt $(1); fi

.PHONY: help demo demo-live test lint format bench soak screenshots constraints clean distclean

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1  /p' $(MAKEFILE_LIST) | while read -r n t; do printf '%-12s %s\n' "$$n" "$$t"; done

demo: $(VENV)/.installed  ## Set up, then run the whole loop on the synthetic feed
	@$(BIN)/met2net-ops demo --workspace $(DEMO)

demo-live: $(VENV)/.installed  ## Set up, then serve from a centre on this machine until stopped
	@$(BIN)/met2net-ops demo --live --workspace $(DEMO)-live

test: $(VENV)/.installed-dev  ## Run all tests
	$(BIN)/pytest -q -n 2 --dist worksteal

lint: $(VENV)/.installed-dev  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p met2net_ops -p research

format: $(VENV)/.installed-dev  ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev  ## Run all benchmarks; each prints its ratios
	@for file in $$(grep -l __main__ bench/*.py); do echo "== $$file"; $(BIN)/python $$file || exit 1; done

soak: $(VENV)/.installed-dev  ## Serve thirty days in which everything goes wrong (SOAK_DAYS=30)
	PYTHONPATH=tests/support nice -n 19 $(BIN)/python -m soak_run --days $(or $(SOAK_DAYS),30)

screenshots: $(VENV)/.installed-dev demo  ## Take the dashboard's pictures for the documentation
	$(BIN)/python docs/make_screenshots.py $(DEMO) docs/images

constraints: $(VENV)/.installed-dev  ## Pin what is installed now
	{ echo '# Every version the tests ran with; written by `make constraints`.'; \
	  $(BIN)/uv pip freeze --python $(BIN)/python --exclude-editable | sed 's/+[a-z0-9.]*$$//'; } > constraints.new
	mv constraints.new constraints.txt

clean:  ## Remove the demo, builds and caches
	rm -rf $(DEMO) $(DEMO)-live build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean  ## Remove the environment as well
	rm -rf $(VENV)

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo 'No Python 3.11 or newer was found; name one: make PYTHON=…'; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo '$(PYTHON) cannot make an environment; on Debian and Ubuntu: apt install python3-venv'; exit 1; }
	@$(BIN)/python -m pip install -q -c constraints.txt uv || echo 'uv cannot be had here; pip takes its place'

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo 'Setting up $(VENV) with the versions of constraints.txt …'
	@$(call INSTALL,-e .)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo 'Setting up $(VENV) for development with the versions of constraints.txt …'
	@$(call INSTALL,-e '.[dev]')
	@touch $@ $(VENV)/.installed
