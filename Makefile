# The two commands of a newcomer are `make demo` and `make test`; `make help` lists the rest.
# Everything they need is set up here, from a machine with Python 3.11 or later, root or sudo, and package mirrors.

PYTHON ?= python3
SCENARIO ?= default
VENV := .venv
BIN := $(VENV)/bin
setup := molecule/resources/setup.sh
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help venv doctor demo demo-url demo-ssh demo-report demo-down test test-fast test-times test-clock test-gpu molecule bench bench-gpu-image bench-fleet screenshot screenshot-fleet docs lock clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

$(VENV)/.controller: requirements.txt $(setup)
	@sh $(setup) "$(PYTHON)" $(VENV) requirements.txt
	@touch $@

$(VENV)/.tests: requirements.txt tests/requirements.txt $(setup)
	@sh $(setup) "$(PYTHON)" $(VENV) tests/requirements.txt
	@touch $@ $(VENV)/.controller

venv: $(VENV)/.controller ## Set up Ansible in .venv

doctor: ## Say why this very machine has no GPU: IMAGE=keras:gpu looks into it, FRAMEWORK=tensorflow asks it, BUNDLE=FILE keeps all, V=1 shows all
	@PYTHONPATH=collections $(PYTHON) -B -m ansible_collections.gpulab.workstation.molecule.resources.doctor \
		$(if $(IMAGE),--image "$(IMAGE)") $(if $(FRAMEWORK),--framework "$(FRAMEWORK)") $(if $(BUNDLE),--bundle "$(BUNDLE)") $(if $(V),--verbose)

demo: $(VENV)/.controller ## Provision a throwaway machine and print the URL of its notebook; with GPUs: GPU=simulated
	@sh molecule/resources/demo.sh up $(GPU)

demo-url: ## Print the demo's URL with its token
	@sh molecule/resources/demo.sh url

demo-ssh: ## Log in to the demo's machine
	@sh molecule/resources/demo.sh login

demo-report: ## Print up to which layer the GPUs of the demo are visible; FRAMEWORK=tensorflow asks that, too
	@sh molecule/resources/demo.sh report $(FRAMEWORK)

demo-down: $(VENV)/.controller ## Remove all that `make demo` made
	@sh molecule/resources/demo.sh down

test: $(VENV)/.tests ## Run everything: lint, units, sanity, molecule scenarios, README
	@$(BIN)/python -m pytest

test-times: $(VENV)/.tests ## Compare the times of the last `make test` with those of the one before it
	@$(BIN)/python tests/integration/times.py

test-fast: $(VENV)/.tests ## Run what needs no containers, within a minute
	@$(BIN)/python -m pytest -m "not slow" -n 2

test-clock: $(VENV)/.tests ## Run the fast tests on other days: in a year, and in ten
	@sh tests/clock/run.sh

test-gpu: $(VENV)/.tests ## Run what needs a real NVIDIA GPU, on a machine that has one
	@$(BIN)/python -m pytest -m gpu tests/gpu

molecule: $(VENV)/.tests ## Run one scenario: make molecule SCENARIO=docker_upstream
	@$(BIN)/molecule test -s $(SCENARIO)

bench: $(VENV)/.tests ## Measure one machine, and write docs/benchmarks.md; bench-gpu-image and bench-fleet write the rest of it
	@$(BIN)/python tests/bench/bench.py

bench-gpu-image: $(VENV)/.tests ## Build the GPU image (7 GB), look for every CUDA library in it, and write that there, too
	@$(BIN)/python tests/bench/bench.py gpu-image

bench-fleet: $(VENV)/.tests ## Measure a lab of 1 to 8 machines and the way of its image, and write that there, too
	@$(BIN)/python tests/bench/fleet.py

screenshot: $(VENV)/.tests ## Take the README's picture of the demo's notebook, which must be up
	@$(BIN)/python tests/e2e/notebook.py "$$(sh molecule/resources/demo.sh url)" docs/images/notebook.png

screenshot-fleet: $(VENV)/.tests ## Take the README's picture of the fleet report
	@PYTHONPATH=collections $(BIN)/python -m ansible_collections.gpulab.workstation.tests.e2e.fleet docs/images/fleet.png

docs: $(VENV)/.tests ## Write the generated parts of the docs
	@$(BIN)/python docs/generate.py

lock: $(VENV)/.tests ## Refresh the pinned requirements
	@sh molecule/resources/lock.sh

clean: ## Remove .venv and the caches of this clone
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .ansible
