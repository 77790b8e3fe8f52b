# make demo   four synchronised videos of one sentence, into demo/
# make test   the whole test suite
# Both set up what they need in .venv (Python 3.11 or newer).

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
PROMPT ?= a red horse walks on green grass under a blue sky
BENCH_DATA ?= runs/bench

.PHONY: demo test check format bench gl clean

demo: .venv/installed
	$(BIN)/syncam generate "$(PROMPT)" --out demo --overwrite

test: .venv/installed-dev gl
	$(BIN)/python -m pytest -n 2

check: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

format: .venv/installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/installed-dev gl
	$(BIN)/python benchmarks/generate_speed.py
	$(BIN)/python benchmarks/render_speed.py
	$(BIN)/python benchmarks/decoding.py
	$(BIN)/python benchmarks/adapter_overhead.py
	$(BIN)/python benchmarks/reshoot_cost.py
	$(BIN)/python benchmarks/evaluate_speed.py
	$(BIN)/python benchmarks/epipolar_memory.py
	$(BIN)/python benchmarks/metric_response.py --out runs/metric-response.png
	$(BIN)/syncam render --out $(BENCH_DATA) --split val --scenes 200 --content basic
	$(BIN)/python benchmarks/small_model.py --data $(BENCH_DATA)

# The renderer draws off-screen through EGL, a system library that pip cannot install.
gl:
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libEGL.so.1"); ctypes.CDLL("libGL.so.1")' 2>/dev/null || { \
	  echo 'libEGL.so.1 or libGL.so.1 is missing. On Debian or Ubuntu:' >&2; \
	  echo '  apt-get update && apt-get install -y --no-install-recommends libegl1 libgl1' >&2; \
	  exit 1; }

# torch goes first and pinned: any other package would otherwise choose its newest build.
.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/torch: constraints.txt | .venv/bin/python
	@echo 'Installing into .venv: this takes some minutes the first time.'
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	@touch $@

.venv/installed: pyproject.toml .venv/torch
	$(PIP) -e .
	@touch $@

.venv/installed-dev: pyproject.toml .venv/torch
	$(PIP) -e '.[dev]'
	@touch $@ .venv/installed

clean:
	rm -rf .venv build dist demo .pytest_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
