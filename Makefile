# Everything a person or a machine does with a checkout. Needs Python 3.11 or later, git and make; nothing is written
# outside the checkout. Another Python: make demo PYTHON=/path/to/python

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test acceptance coverage accuracy bench benchmarks install-size figures docs lint format types imports clean
export PYTHON

TEST := sh tools/setup.sh cli dev
RUN := .venv/bin/python tools/inside.py
LANES :=

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## */  make \1|/' | column -t -s '|'

demo:  ## set up, say why the gradient is divided by N, train on 1797 real handwritten digits, print where the report is
	@sh tools/setup.sh cli
	@$(RUN) .venv/bin/xent explain --why
	@echo
	@echo "demo: a net learns to read 1797 handwritten digits; a page shows how well, and what its loss was divided by"
	@rm -rf runs/demo
	@$(RUN) .venv/bin/xent train digits --out runs/demo
	@echo
	@echo "the program is .venv/bin/xent; the report: runs/demo/report.html"

test:  ## set up and run the whole suite, lane by lane  (some: make test LANES="core laws")
	@$(TEST)
	@$(RUN) .venv/bin/python tools/lanes.py $(LANES)

acceptance:  ## the long grids that are no part of `make test`
	@$(TEST)
	@$(RUN) .venv/bin/python tools/lanes.py acceptance torch-laws torch-long
	@echo "== digits over 20 splits"
	@$(RUN) .venv/bin/xent train digits --repeat 20

coverage:  ## which lines and branches the tests reach; the kernels by a sample that runs them as plain Python
	@$(TEST)
	@$(RUN) .venv/bin/python -m coverage run -m pytest -q -m "not browser and not slow" src tests
	@NUMBA_DISABLE_JIT=1 $(RUN) .venv/bin/python -m coverage run -m pytest -q -m "not slow" src tests/laws
	@$(RUN) .venv/bin/python -m coverage combine -q
	@$(RUN) .venv/bin/python -m coverage report

accuracy:  ## worst error of loss and gradient by class count, rows and dtype, beside NumPy's textbook formula
	@$(TEST)
	@$(RUN) .venv/bin/python -m tests.accuracy.table

bench:  ## is today's code slower, less exact or larger than the committed run? (on a quiet machine)
	@$(TEST)
	@$(RUN) .venv/bin/xent bench --compare benchmarks/float32.json

benchmarks:  ## measure what benchmarks/ holds anew, beside the peers that .venv has, and write its tables and picture
	@$(TEST)
	@$(RUN) .venv/bin/python tools/benchmarks.py
	@$(RUN) .venv/bin/python tools/bench_figures.py

install-size:  ## what `pip install xent` takes on disk and `import xent` in time
	@$(TEST)
	@$(RUN) .venv/bin/python tools/measure_install.py

figures:  ## compute the pictures, tables and command lines shown in docs/ anew
	@$(TEST)
	@$(RUN) .venv/bin/python tools/batch_picture.py
	@$(RUN) .venv/bin/python tools/show_commands.py
	@$(RUN) .venv/bin/python tools/sweep_pictures.py

docs:  ## build the documentation, warnings being errors; prints where it is
	@$(TEST)
	@$(RUN) .venv/bin/python -m sphinx -W --keep-going -q -n -d .cache/doctrees -b html docs docs/_build/html
	@echo "documentation: docs/_build/html/index.html"

lint:  ## ruff: rules and format
	@$(TEST)
	@$(RUN) .venv/bin/ruff check
	@$(RUN) .venv/bin/ruff format --check

format:  ## let ruff format, and mend what it can
	@$(TEST)
	@$(RUN) .venv/bin/ruff check --fix
	@$(RUN) .venv/bin/ruff format

types:  ## mypy, strict
	@$(TEST)
	@$(RUN) .venv/bin/mypy

imports:  ## the import contracts: which module may import which
	@$(TEST)
	@$(RUN) .venv/bin/lint-imports --cache-dir .cache/import-linter

clean:  ## remove what the commands above made; trained models in runs/ stay
	rm -rf .venv .cache docs/_build build dist
