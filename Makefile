# demo  the whole chain, from a Keras model to a PLC register
# test  every test        lint  style and layers      types  mypy --strict
# bench  the figures of bench/RESULTS.md              dist   wheel, packages, offline archives
# fuzz   REPLIES hostile Modbus replies to each kind of frame, other ones every time
# soak   a line of PLCs with a fault every few seconds, for MINUTES
# powercut  a machine in qemu with the agent, its power cut CUTS times
# fleet  GATEWAYS agents on one broker: a release in stages, one that stops, a promotion
# month  thirty days of outages and 100,000 cycles of faults of writing, in virtual time

SECONDS ?= 60
MINUTES ?= 60
CUTS ?= 5
REPLIES ?= 1000000
GATEWAYS ?= 50
FOLDER ?= demo-run
DIST ?= dist
ARCHES ?= amd64 arm64

.PHONY: demo test lint types check bench fuzz soak fleet month powercut dist clean

demo:
	@uv=$$(scripts/setup) && \
	mkdir -p .cache/demo && \
	$$uv run --frozen --no-sync python examples/bearing/make_bundle.py --out .cache/demo/bearing.bundle && \
	$$uv run --frozen --no-sync edge-agent demo --seconds $(SECONDS) --folder $(FOLDER) --bundle .cache/demo/bearing.bundle

test:
	@uv=$$(scripts/setup test) && $$uv run --frozen --no-sync pytest -n 2 --dist loadfile $(ARGS)

lint:
	@uv=$$(scripts/setup) && \
	$$uv run --frozen --no-sync ruff check . && \
	$$uv run --frozen --no-sync ruff format --check . && \
	$$uv run --frozen --no-sync lint-imports --no-cache

types:
	@uv=$$(scripts/setup) && $$uv run --frozen --no-sync mypy

check: lint types test

bench:
	@uv=$$(scripts/setup test) && $$uv run --frozen --no-sync python bench/cycle.py --period 0 && \
	$$uv run --frozen --no-sync python bench/cycle.py --period 20 && \
	$$uv run --frozen --no-sync python bench/memory.py && \
	$$uv run --frozen --no-sync python bench/fleet.py && \
	$$uv run --frozen --no-sync python bench/punctual.py && \
	$$uv run --frozen --no-sync python bench/opcua.py && \
	$$uv run --frozen --no-sync python bench/web.py

fuzz:
	@uv=$$(scripts/setup) && $$uv run --frozen --no-sync python tests/drivers/modbus_exchange.py $(REPLIES)

soak:
	@uv=$$(scripts/setup test) && $$uv run --frozen --no-sync python tests/soak/run.py --minutes $(MINUTES)

month:
	@uv=$$(scripts/setup test) && $$uv run --frozen --no-sync pytest --days 30 --cycles 100000 --timeout 7200 \
		tests/test_simulated_day.py tests/test_active.py

fleet:
	@uv=$$(scripts/setup test) && \
	EDGE_AGENT_FLEET=$(GATEWAYS) $$uv run --frozen --no-sync pytest tests/fleet/test_rollout.py -s --durations 1

powercut:
	@uv=$$(scripts/setup powercut) && $$uv run --frozen --no-sync python tests/powercut/run.py --cuts $(CUTS)

dist:
	@uv=$$(scripts/setup) && $$uv build --quiet --out-dir $(DIST) && \
	for arch in $(ARCHES); do \
		$$uv run --frozen --no-sync python scripts/offline.py --arch $$arch --out $(DIST) || exit 1; \
	done

clean:
	rm -rf .cache .venv dist build
