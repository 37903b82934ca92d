#!/bin/sh
# Pins every requirements.in, with hashes and without an index URL, and shows what changed.
set -eu
cd "$(dirname "$0")/../.."
.venv/bin/python -m venv .cache/uv
.cache/uv/bin/python -m pip install --quiet --upgrade uv
for directory in . tests; do
    (cd "$directory" && "$OLDPWD/.cache/uv/bin/uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-annotate --custom-compile-command 'make lock' -o requirements.txt requirements.in)
done
git --no-pager diff --stat -- '*requirements*.txt'
git --no-pager diff --unified=0 -- '*requirements*.txt' | grep '^[-+][a-z]' || echo "Nothing changed."
