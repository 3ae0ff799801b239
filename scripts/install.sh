#!/bin/sh
# Makes the virtual environment: locked dependencies, hashes checked, wheels only, then this checkout.
set -eu
venv=$1

newest_python() {
    for name in python3.14 python3.13 python3.12 python3.11 python3 python; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import ensurepip, sys, venv; raise SystemExit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "wanliu needs Python 3.11 to 3.14 with venv on the PATH; found: $(python3 --version 2>&1 || echo none)" >&2
    echo "on Debian and Ubuntu: apt-get install python3 python3-venv" >&2
    exit 1
}

# An existing environment is kept if it works, so that a second install takes a moment.
if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    python=$(newest_python)
    echo "installing into $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
pip="$venv/bin/python -m pip --disable-pip-version-check -qq" # errors only: a missing index is one, its mirrors are not
$pip install --require-hashes --only-binary :all: -r requirements.lock
$pip install --no-deps --no-build-isolation --no-index --editable .
