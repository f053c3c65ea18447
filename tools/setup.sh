#!/bin/sh
# Finds a Python and hands over to setup_env.py.  usage: sh tools/setup.sh EXTRA...
# 3.11 comes first: there every package that the tests want has a build for plain CPUs.
set -eu
enough='import sys; sys.exit(sys.version_info < (3, 11))'
for python in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}; do
    if "$python" -c "$enough" 2>/dev/null; then
        exec "$python" "$(dirname "$0")/setup_env.py" "$@"
    fi
done
echo "xent needs Python 3.11 or later, and found none (tried: ${PYTHON:-python3.11 … python3.14, python3, python}); name one with PYTHON=/path/to/python" >&2
exit 2
