# Every verb makes the environment it needs. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# What builds the extension, as in pyproject.toml; builds are not isolated, to reuse their objects.
BUILD_TOOLS := "scikit-build-core>=0.11" "cython>=3.1" "numpy>=2.0" cmake ninja
# More for pip where `make build` builds: BUILD_ARGS=-Ccmake.define.NBT_STRICT=ON makes warnings errors.
BUILD_ARGS ?=
# The folder with the texts that some tests and `make learning` read; they do without where it is not there.
NBT_DATA_DIR ?= $(abspath $(wildcard ../shared/data))
export NBT_DATA_DIR
SOURCES := $(shell find csrc src -type f -not -name '*.so' -not -path '*/__pycache__/*') CMakeLists.txt pyproject.toml

.PHONY: docs shares build train test test-all soak fuzz test-clang anomalies forecasting bench bench-compare peers peers-test reservoir breathing numbers scaling instructions \
	instructions-record learning lint format sanitize clean

build: $(VENV)/.installed

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.tools: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --group test $(BUILD_TOOLS)
	touch $@

$(VENV)/.installed: $(SOURCES) $(VENV)/.tools
	$(BIN)/python -m pip install --quiet --no-build-isolation -Cbuild-dir=$(VENV)/build $(BUILD_ARGS) .
	touch $@

# make train TEXT=my.txt ARGS="--units 40": the main job on a text of yours.
TEXT ?= data:anbn --steps 1000000
train: build
	$(BIN)/nbt train $(TEXT) $(ARGS)

test: build
	$(BIN)/python -m pytest -q -n auto --dist worksteal $(ARGS)

# Hundreds of kills, rotations, 10^7 steps: half an hour.
soak: build
	$(BIN)/python -m pytest -q -m soak $(ARGS)

# Trainers, data and scripts drawn from seeds: make fuzz ARGS="0 2000 --check bits".
fuzz: build
	PYTHONPATH=tests $(BIN)/python -m fuzz $(ARGS)

bench: build
	$(BIN)/python -m pytest -q -c bench/pytest.ini bench $(ARGS)

# Two commits on one machine: make bench-compare BASE=HEAD~1 ROUNDS=5 ARGS="-k 'step and kalman'"
ROUNDS ?= 5
bench-compare: build
	@test -n "$(BASE)" || { echo "BASE: which commit? make bench-compare BASE=HEAD~1" >&2; exit 2; }
	$(BIN)/python -m bench.commits $(BASE) --rounds $(ROUNDS) -- $(ARGS)

# Instructions a step, which need valgrind: against bench/instructions.json, or BASE=<commit>.
instructions: build
	$(BIN)/python -m bench.instructions $(if $(BASE),--base $(BASE))
instructions-record: build
	$(BIN)/python -m bench.instructions --record

# The same job in other tools, and our targets: a quarter of an hour, on a machine left alone.
.venv-peers/.installed: $(SOURCES) pyproject.toml
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --upgrade pip
	.venv-peers/bin/python -m pip install --quiet --group test --group peers \
		$(BUILD_TOOLS)
	.venv-peers/bin/python -m pip install --quiet \
		--no-build-isolation -Cbuild-dir=.venv-peers/build .
	touch $@
peers: .venv-peers/.installed
	.venv-peers/bin/python -m bench.peers $(ARGS)
peers-test: .venv-peers/.installed
	.venv-peers/bin/python -m pytest -q -c bench/pytest.ini bench/peers $(ARGS)
	.venv-peers/bin/python -m pytest -q tests/trainers/test_interop.py

# Echo state networks beside reservoirpy: one-step errors and time a step.
.venv-reservoir/.installed: $(SOURCES) pyproject.toml
	$(PYTHON) -m venv .venv-reservoir
	.venv-reservoir/bin/python -m pip install --quiet --upgrade pip
	.venv-reservoir/bin/python -m pip install --quiet --group reservoir $(BUILD_TOOLS)
	.venv-reservoir/bin/python -m pip install --quiet \
		--no-build-isolation -Cbuild-dir=.venv-reservoir/build .
	touch $@
reservoir: .venv-reservoir/.installed
	OPENBLAS_NUM_THREADS=1 .venv-reservoir/bin/python -m bench.reservoir $(ARGS)

# Positions of breathing people, predicted 0.1 to 2 s ahead; ARGS=FOLDER of recordings.
breathing: build
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m bench.breathing $(ARGS)

# Which setting suits which numbers, as in docs/forecasting.md; goes on where it stopped.
numbers: build
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m bench.study.numbers $(ARGS)

# The reference and the pages of docs/ as HTML: build/docs/index.html.
.venv-docs/.installed: $(SOURCES) pyproject.toml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --upgrade pip
	.venv-docs/bin/python -m pip install --quiet --group docs $(BUILD_TOOLS)
	.venv-docs/bin/python -m pip install --quiet --no-build-isolation -Cbuild-dir=.venv-docs/build .
	touch $@
docs: .venv-docs/.installed
	.venv-docs/bin/python docs/reference/make.py build/docs

# Time a parameter over sizes, as a table and a picture.
scaling: .venv-peers/.installed
	.venv-peers/bin/python -m bench.scaling $(ARGS)

# What a step on a graph costs against its share of a dense network's.
shares: build
	$(BIN)/python -m bench.shares $(ARGS)

# Anomalies in access logs, as in the README.
anomalies: build
	$(BIN)/python bench/anomalies.py $(ARGS)

# One-step forecasts of generated series, as in docs/forecasting.md: a quarter of an hour.
forecasting: build
	$(BIN)/python bench/forecasting.py $(ARGS)

# The learning tables of the README: the presets on each kind of stream (ARGS="--stream today --long"), and rules
# and optimizers at equal characters and equal CPU time; an hour and a half on one core, with --long over two.
export NBT_LOGS ?= $(wildcard $(NBT_DATA_DIR)/logs)
learning: build
	$(BIN)/python -m bench.learning $(ARGS)

# What the defaults rest on (docs/learning.md): hours; goes on where it stopped.
study: build
	$(BIN)/python -m bench.study $(ARGS)

$(VENV)/.lint: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --group lint
	touch $@

C_SOURCES := $(shell find csrc bench tests -name '*.[ch]')

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(C_SOURCES)
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/cython-lint src/nbt/_core.pyx src/nbt/_*.pxi src/nbt/*.pxd

format: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_SOURCES)

# The tests that reach into C under AddressSanitizer and UndefinedBehaviorSanitizer.
REACH_C := kernels contract bits bad_input values unbiased_core waiting vmath full_bptt ctw baselines checkpoint \
	replicas threads readouts scaler lags networks continuous general general_contract compiled \
	general_unbiased own_loss metrics along fuzz divergence range patterns turns callbacks
SANITIZE := LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	PYTHONMALLOC=malloc
.venv-sanitize/.installed: $(SOURCES) pyproject.toml
	$(PYTHON) -m venv .venv-sanitize
	.venv-sanitize/bin/python -m pip install --quiet --upgrade pip
	.venv-sanitize/bin/python -m pip install --quiet --group test $(BUILD_TOOLS)
	.venv-sanitize/bin/python -m pip install --quiet --no-build-isolation -Cbuild-dir=.venv-sanitize/build \
		-Ccmake.define.NBT_SANITIZE=ON -Ccmake.define.NBT_STRICT=ON .
	touch $@
sanitize: .venv-sanitize/.installed
	$(SANITIZE) .venv-sanitize/bin/python -m pytest -q -p no:cacheprovider -m "not slow and not soak" \
		$(REACH_C:%=tests/*/test_%.py) $(ARGS)

# What the same bits rest on, built by clang, on each instruction set: make test-clang CLANG=clang-18
CLANG ?= clang
COMPILED := kernels bits contract vmath vmath_points range
.venv-clang/.installed: $(SOURCES) pyproject.toml
	$(PYTHON) -m venv .venv-clang
	.venv-clang/bin/python -m pip install --quiet --upgrade pip
	.venv-clang/bin/python -m pip install --quiet --group test $(BUILD_TOOLS)
	CC="$(CLANG)" .venv-clang/bin/python -m pip install --quiet --no-build-isolation \
		-Cbuild-dir=.venv-clang/build -Ccmake.define.NBT_STRICT=ON .
	touch $@
test-clang: .venv-clang/.installed
	CC="$(CLANG)" .venv-clang/bin/python -m pytest -q -p no:cacheprovider tests/core/test_isa.py $(ARGS)
	for isa in $$(.venv-clang/bin/python -c "import nbt; print(*nbt.build_info()['isas'])"); do \
		NBT_ISA=$$isa CC="$(CLANG)" .venv-clang/bin/python -m pytest -q -n auto -p no:cacheprovider \
			$(COMPILED:%=tests/*/test_%.py) $(ARGS) || exit 1; \
	done

clean:
	rm -rf build dist .venv .venv-docs .venv-clang .venv-sanitize .venv-peers .venv-reservoir .bench .pytest_cache .ruff_cache .benchmarks
