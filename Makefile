# report · test · lab · notebooks · clean: each sets up .venv by itself, from environment.yml's pip section.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: report test lab notebooks clean
.DEFAULT_GOAL := report

report: $(READY)
	@$(BIN)/sersupport report --profile demo

test: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

lab: $(READY)
	@$(BIN)/jupyter lab --notebook-dir=notebooks

# run the notebooks where they lie, so that their committed outputs are those of the demo profile
notebooks: $(READY)
	@TQDM_DISABLE=1 $(BIN)/jupyter nbconvert --to notebook --execute --inplace --log-level=WARN \
	    --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

clean:
	rm -rf $(VENV) build *.egg-info

$(READY): environment.yml pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	    { echo "Python 3.11 is needed; name it with: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up $(VENV) (once; a few minutes)"
	@$(PYTHON) -m venv $(VENV)
	@sed -n '/- pip:/,$$ s/^ *- *\([A-Za-z0-9._-]*==.*\)/\1/p' environment.yml > $(VENV)/pins.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --requirement $(VENV)/pins.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --editable .
	@touch $@
