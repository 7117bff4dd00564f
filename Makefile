# Every target creates what it needs. An environment is installed again only when pyproject.toml or its constraints change.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first of these that runs and is in range; `make PYTHON=/path/to/python3.12 ...` names another.
in_range = $(shell $(1) -c 'import sys; sys.exit(not ($(2)) <= sys.version_info[:2] <= ($(3)))' 2>/dev/null && echo $(1))
first_of = $(firstword $(foreach python,$(1),$(call in_range,$(python),$(2),$(3))))
PYTHON ?= $(call first_of,python3.11 python3.12 python3.13 python3,3$(comma)11,3$(comma)13)
# tflite-runtime has no wheels beyond Python 3.11.
TFLITE_PYTHON ?= $(call first_of,$(PYTHON) python3.11 python3.10 python3,3$(comma)10,3$(comma)11)
comma := ,

# python3.X on PATH or among pyenv's, where it is here: $(call python_version,3.12)
python_version = $(call first_of,python$(1) $(wildcard $(HOME)/.pyenv/versions/$(1).*/bin/python),3$(comma)10,3$(comma)13)

PIP = -m pip --disable-pip-version-check install --quiet
ENVIRONMENTS := .venvs/gateway/.wheel $(if $(TFLITE_PYTHON),.venvs/tflite-runtime/.wheel) .cache/aarch64/.wheel
CODE := __init__.py __main__.py cli.py errors.py py.typed boards.yaml runtime train compress firmware_bridge benchmarks
SOURCES := $(shell find $(CODE) -type f -not -name '*.py[co]' 2>/dev/null)

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: .venv/.installed ## Create .venv with everything; then .venv/bin/vedette works

.PHONY: demo
demo: .venv/.installed ## Simulate, train, export, run a gateway and watch its alerts
	.venv/bin/vedette demo -o demo-output

.PHONY: test
test: .venv/.installed .cache/typing/vedette environments system-packages ## Run every test
	.venv/bin/python -m pytest

.PHONY: test-fast
test-fast: .venv/.installed .cache/typing/vedette ## Run the tests that take under a second each
	.venv/bin/python -m pytest -m "not slow"

.PHONY: bench
bench: .venv/.installed ## Measure start-up, the gateway's speed and delivery, firmware, and detection on the real series
	.venv/bin/python -m vedette.benchmarks.startup
	.venv/bin/python -m vedette.benchmarks.ingest
	.venv/bin/python -m vedette.benchmarks.delivery --only kills --kills 30 --alerts 2000
	.venv/bin/python -m vedette.benchmarks.firmware
	.venv/bin/python -m vedette.benchmarks.real_series

.PHONY: lint
lint: .venv/.installed .cache/typing/vedette ## Check style, types and import rules
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	MYPYPATH=.cache/typing .venv/bin/mypy -p vedette

.PHONY: format
format: .venv/.installed ## Format the code and sort its imports
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

.PHONY: environments
environments: $(ENVIRONMENTS) ## Create the gateways that the tests use: two here, one for emulated aarch64
ifeq ($(TFLITE_PYTHON),)
	@echo "make: no Python 3.10 or 3.11 here, so no tflite-runtime environment: its tests are skipped" >&2
endif

.PHONY: test-pythons
test-pythons: .venv/.installed ## Test a bare gateway on every supported Python that is here
	$(MAKE) $(foreach version,3.10 3.11 3.12 3.13,$(if $(call python_version,$(version)),.venvs/gateway-$(version)/.wheel))
	.venv/bin/python -m pytest tests/test_bare_install.py

.PHONY: system-packages
system-packages: ## Install with apt what the tests need: mosquitto, minisign, chromium, qemu, lintian …
	@sh tests/system_packages.sh tests

.PHONY: deb
deb: .cache/wheel/.built ## Build the Debian package of a gateway into dist/ (DEB_ARCH=arm64, DEB_PYTHON=python3.13)
	.venv/bin/python packaging/build_deb.py --wheel .cache/wheel/*.whl --constraint constraints/gateway.txt \
		$(if $(DEB_ARCH),--arch $(DEB_ARCH)) $(if $(DEB_PYTHON),--python $(DEB_PYTHON)) -o dist

.PHONY: lock
lock: .venv/.installed ## Resolve the newest versions that fit pyproject.toml into constraints/
	.venv/bin/python constraints/lock.py

.PHONY: clean
clean: ## Remove the environments, caches and outputs
	rm -rf .venv .venvs .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf build dist demo-output *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The package is the root folder itself, so mypy finds it by name through this link.
.cache/typing/vedette:
	@mkdir -p $(@D)
	ln -sfn ../.. $@

.venv/.installed: pyproject.toml constraints/desktop.txt
	@sh tests/system_packages.sh venv "$(PYTHON)"
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@echo "installing TensorFlow and the rest into .venv (about 2.3 GB, once)"
	.venv/bin/python -m pip --disable-pip-version-check install --constraint constraints/desktop.txt --editable ".[desktop,dev]"
	@touch $@

# The wheel is built in a copy: a build in the tree would leave build/, and modules removed later would live on in it.
.cache/wheel/.built: pyproject.toml README.md LICENSE $(SOURCES) | .venv/.installed
	@rm -rf .cache/wheel && mkdir -p .cache/wheel/source
	tar -cf - --exclude=__pycache__ pyproject.toml README.md LICENSE $(wildcard $(CODE)) | tar -xf - -C .cache/wheel/source
	.venv/bin/python -m pip --disable-pip-version-check wheel --quiet --no-deps -w .cache/wheel .cache/wheel/source
	@rm -rf .cache/wheel/source && touch $@

# A gateway: what `pip install vedette` gives, from the wheel, at the versions of the constraints.
define install_gateway
rm -rf $(@D) && $(1) -m venv $(@D)
$(@D)/bin/python $(PIP) --constraint constraints/gateway.txt .cache/wheel/*.whl
@touch $@
endef

.venvs/gateway/.dependencies: pyproject.toml constraints/gateway.txt | .cache/wheel/.built
	$(call install_gateway,$(PYTHON))

.venvs/gateway-%/.dependencies: pyproject.toml constraints/gateway.txt | .cache/wheel/.built
	$(call install_gateway,$(call python_version,$*))

# The small interpreter alone. ai-edge-litert is a base dependency, so the wheel goes in with --no-deps; the constraints
# name everything else.
.venvs/tflite-runtime/.dependencies: pyproject.toml constraints/tflite-runtime.txt
	rm -rf $(@D) && $(TFLITE_PYTHON) -m venv $(@D)
	$(@D)/bin/python $(PIP) --requirement constraints/tflite-runtime.txt
	@touch $@

.venvs/%/.wheel: .venvs/%/.dependencies .cache/wheel/.built
	$(@D)/bin/python $(PIP) --no-deps --force-reinstall .cache/wheel/*.whl
	@touch $@

# A gateway for emulated aarch64. Where it cannot be downloaded its tests are skipped, in CI they fail.
.cache/aarch64/.dependencies: tests/aarch64/build.py tests/aarch64/constraints.txt constraints/gateway.txt constraints/tflite-runtime.txt | .venv/.installed
	@echo "downloading an aarch64 gateway into $(@D) (about 80 MB, once)"
	@.venv/bin/python tests/aarch64/build.py $(@D) || echo "make: without it the tests under emulation cannot run" >&2

.cache/aarch64/.wheel: .cache/aarch64/.dependencies .cache/wheel/.built
	@if test -e $<; then \
		rm -rf $(@D)/wheel && .venv/bin/python -m zipfile -e .cache/wheel/*.whl $(@D)/wheel && touch $@; \
	fi

.PRECIOUS: .venvs/%/.dependencies
