# Gantry's front door. `make` alone lists what there is to do.
#
#   ARGS          arguments for `gantry run` in `make run`, such as --json, and for `make bench-peers`
#   SWIFT_FLAGS   more flags for every `swift build`, such as --jobs 4
#   FUZZ_SECONDS  how long `make fuzz` gives each of its targets
#   GANTRY_DATA   where the market data of tests and benchmarks is (../shared/data)

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

ARGS ?=
SWIFT_FLAGS ?=
FUZZ_SECONDS ?= 60
export GANTRY_DATA ?= $(abspath ../shared/data)

BUILD := swift build --explicit-target-dependency-import-check error $(SWIFT_FLAGS)
SCRIPTS := Tests/Repo/Scripts

.PHONY: help packages run build test check check-san bench bench-models bench-peers fuzz schema man abi-lock format clean

help: ## lists these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

packages: ## installs the missing system packages, or says how
	@$(SCRIPTS)/packages.sh

run: packages ## builds what the quickstart needs and runs it (ARGS="--json")
	@echo "==> building the host and the quickstart's plugins (release)"
	@GANTRY_BUILD=quickstart $(BUILD) -c release
	@echo "==> .build/release/gantry run manifests/quickstart.yaml $(ARGS)"
	@.build/release/gantry run manifests/quickstart.yaml $(ARGS)

build: packages ## builds everything in release
	@$(BUILD) -c release

# `check` and `test` share one debug build in which warnings are errors.
test: packages ## builds and passes every test
	@GANTRY_BUILD=strict $(BUILD) --build-tests
	@GANTRY_BUILD=strict swift test $(SWIFT_FLAGS) --skip-build --parallel --disable-xctest

check: packages ## format, warnings, imports, headers, abi.lock, exports, graphs
	@$(SCRIPTS)/check.sh

check-san: packages ## the runtime's tests under ThreadSanitizer and AddressSanitizer
	@$(SCRIPTS)/check-san.sh

bench: packages ## measures, prints a table, writes Tests/Benchmarks/RESULTS.md
	@Tests/Benchmarks/run.sh

bench-peers: packages ## the same chain in other engines beside it (ARGS="--rounds 3 --only hftbacktest"), writes PEERS.md
	@Tests/Benchmarks/peers/run.sh $(ARGS)

bench-models: packages ## boosted trees: the own evaluator and the libraries' C APIs (ARGS="5": rounds), writes MODELS.md
	@Tests/Benchmarks/models/run.sh $(ARGS)

fuzz: packages ## fuzzes the manifest, journal, CSV, control and tree model readers for FUZZ_SECONDS each
	@FUZZ_SECONDS=$(FUZZ_SECONDS) Tests/Fuzz/run.sh

schema: packages ## writes the editors' JSON Schema from the plugins' parameters
	@$(BUILD) -c release
	@mkdir -p manifests/schema
	@.build/release/gantry schema > manifests/schema/graph.schema.json

man: packages ## writes the manual page and the shells' completions to .build/share
	@$(BUILD) -c release --product gantry
	@mkdir -p .build/share/man/man1 .build/share/completions
	@.build/release/gantry man > .build/share/man/man1/gantry.1
	@for shell in bash zsh fish; do .build/release/gantry completions $$shell > .build/share/completions/gantry.$$shell; done
	@echo "==> .build/share/man/man1/gantry.1 and .build/share/completions"

abi-lock: ## rewrites abi.lock from the headers, after a change that is meant
	@$(SCRIPTS)/abi-lock.sh --write

format: ## formats the Swift sources in place
	@git ls-files '*.swift' | xargs swift format format --in-place --parallel

clean: ## removes everything that was built
	@rm -rf .build
