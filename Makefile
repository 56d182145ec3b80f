# `make` alone lists what there is to make.
PYTHON ?= python3.11
ARGS ?=
FEAST ?=
SUITE ?= asgard_pipelines_tests.feast_suite.repo_configuration
SCALE ?= 1
CLIENTS ?= 32
MINUTES ?= 5
BIN := .venv/bin
UV := $(BIN)/uv
COMPILE := $(UV) pip compile pyproject.toml --group setup --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url --no-annotate --quiet

# No part of the house reports to anybody.
export DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true
export FEAST_USAGE := False

NEEDS_REDIS = command -v redis-server >/dev/null || { \
	echo "make $@ needs Redis. On Debian: apt-get update && apt-get install -y redis-server" >&2; exit 1; }

.DEFAULT_GOAL := help
.PHONY: parity help setup demo test test-scripts test-served test-stack test-ui faults mutants reproduce feast-suite check lock wheel clean bench fuzz postman load

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  \033[36mmake %-11s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## Build the environment in .venv from the lock

demo: .venv/.ready ## Build and run the whole demo; ARGS=--no-serve ends after the work
	@$(BIN)/asgard demo $(ARGS)

test: .venv/.dev ## Run every test that needs nothing but this checkout; ARGS go to pytest
	@$(BIN)/pytest -n 2 --dist loadfile -m "not ui and not stack and not faults and not reproduce and not served and not scripts" $(ARGS)

test-ui: .venv/.dev ## Run the tests that look at the UI in Chromium
	@command -v chromium >/dev/null || { \
	  echo "make test-ui needs Chromium. On Debian: apt-get update && apt-get install -y chromium" >&2; exit 1; }
	@$(BIN)/pytest -m ui $(ARGS)

test-scripts: .venv/.dev ## Run hostile scripts in bubblewrap, and see each contained
	@command -v bwrap >/dev/null || { \
	  echo "make test-scripts needs bubblewrap. On Debian: apt-get update && apt-get install -y bubblewrap" >&2; exit 1; }
	@$(BIN)/pytest -m scripts $(ARGS)

test-served: .venv/.dev ## Run the tests that train and predict over REST in a whole running house
	@$(BIN)/pytest -m served $(ARGS)

test-stack: .venv/.dev .stack/dynamodb/.ready ## Run the tests of the online stores on Redis and DynamoDB Local
	@$(NEEDS_REDIS)
	@$(BIN)/pytest -m stack $(ARGS)

.stack/dynamodb/.ready: asgard_pipelines_tests/stack/pom.xml
	@command -v mvn >/dev/null || { \
	  echo "make test-stack needs Java and Maven. On Debian: apt-get install -y default-jre-headless maven" >&2; exit 1; }
	@echo "Fetching DynamoDB Local"
	@mvn -B -ntp -q -f $< dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$(CURDIR)/.stack/dynamodb"
	@touch $@

faults: .venv/.dev ## Run the tests that kill real processes: the daemon, a run's worker, the API, Redis
	@$(NEEDS_REDIS)
	@$(BIN)/pytest -m faults $(ARGS)

load: .venv/.dev ## Let CLIENTS (32) mix all routes for MINUTES (5), and report statuses, latencies and memory
	@$(BIN)/python -m asgard_pipelines_tests.load --clients $(CLIENTS) --minutes $(MINUTES)

parity: .venv/.dev ## Push, land, restate, delete, compact and restart for MINUTES (5), then compare online with offline
	@$(BIN)/python -m asgard_pipelines_tests.parity --minutes $(MINUTES) $(ARGS)

reproduce: .venv/.dev ## Train twenty models, let their sources move on, and make each again byte for byte
	@$(BIN)/pytest -m reproduce $(ARGS)

mutants: .venv/.dev ## Plant faults in copies of the package, and see the point-in-time contract catch each
	@$(BIN)/python -m asgard_pipelines_tests.contracts.plant

fuzz: .venv/.dev ## Send the API 20,000 requests made from its OpenAPI, and each hostile value to every place
	@FUZZ_REQUESTS=20000 HOSTILE_PLACES=1000 $(BIN)/pytest -n 2 asgard_pipelines_tests/api/test_openapi.py \
	  asgard_pipelines_tests/api/test_hostile.py $(ARGS)

postman: .venv/.ready ## Write the API's Postman collection anew from its OpenAPI
	@$(BIN)/python -m asgard_pipelines.api.postman docs/postman/feast_api_collection.json

bench: .venv/.ready ## Measure, beside stock Feast: ONLY=pit|scoring|online|pushes|…, SCALE=0.1, RUNS=3, OUT=folder, BENCH_DIR=folder
	@$(BIN)/python -m benchmarks --scale $(SCALE) $(if $(ONLY),--only $(ONLY)) $(if $(RUNS),--runs $(RUNS)) \
	  $(if $(OUT),--out $(OUT)) $(if $(BENCH_DIR),--data $(BENCH_DIR)) $(ARGS)

feast-suite: .venv/.dev ## Run Feast's own offline-store suite on our store; FEAST is a copy of its repository
	@test -d "$(FEAST)/sdk/python/tests" || { \
	  echo "make feast-suite FEAST=PATH needs a copy of Feast's repository: docs/how_to/feast_suite.md" >&2; exit 1; }
	@cd "$(FEAST)/sdk/python" && PYTHONPATH="$(CURDIR)" FULL_REPO_CONFIGS_MODULE=$(SUITE) \
	  "$(CURDIR)/$(BIN)/pytest" -p asgard_pipelines_tests.feast_suite.plugin -p no:cacheprovider \
	  --integration tests/integration/offline_store $(ARGS)

check: .venv/.dev ## Lint, formatting, types, and the order of the rooms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

wheel: .venv/.ready ## Build the wheel into dist/
	@$(UV) build --quiet --wheel --no-build-isolation --out-dir dist
	@ls dist/*.whl

lock: .venv/.ready ## Resolve all dependencies anew into both locks; ARGS=--upgrade lets versions move
	@$(COMPILE) --group dev $(ARGS) --output-file requirements-dev.lock
	@rm -f requirements.lock # its versions are those of the other lock, and only those
	@$(COMPILE) --constraints requirements-dev.lock --output-file requirements.lock
	@echo "Both locks are written; the next make setup installs what they name"

clean: ## Remove the environment, the demo's state and every cache
	@rm -rf .venv .asgard dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv, the locked one, fills the environment: it is the one package that pip installs.
$(UV):
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) is not there. On Debian: apt-get install -y python3.11 python3.11-venv" >&2; exit 1; }
	@echo "Making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock

.venv/.locked: requirements.lock | $(UV)
	@echo "Installing what requirements.lock names"
	@$(UV) pip sync --compile-bytecode --require-hashes requirements.lock --python $(BIN)/python
	@rm -f .venv/.dev; touch $@

.venv/.ready: .venv/.locked pyproject.toml
	@$(UV) pip install --quiet --no-deps --no-build-isolation --editable . --python $(BIN)/python
	@touch $@

.venv/.dev: .venv/.ready requirements-dev.lock
	@echo "Adding what tests and checks need"
	@$(UV) pip install --no-deps --require-hashes --requirements requirements-dev.lock --python $(BIN)/python
	@touch $@
