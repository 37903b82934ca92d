#!/bin/sh
# Pins every *.in file of requirements, with hashes and without an index URL, and shows what changed.
set -eu
cd "$(dirname "$0")/../.."
.venv/bin/python -m venv .cache/uv
.cache/uv/bin/python -m pip install --quiet --upgrade uv
uv=$PWD/.cache/uv/bin/uv

# lock FILE.in ...: in their order, because one may include the ones before it
lock() {
    for source in "$@"; do
        echo "==> $source"
        (cd "$(dirname "$source")" && "$uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
            --no-emit-index-url --no-annotate --custom-compile-command 'make lock' \
            -o "$(basename "$source" .in).txt" "$(basename "$source")")
    done
}

image=roles/keras_image/files/requirements
lock requirements.in tests/requirements.in "$image/tools.in" "$image/cpu.in" "$image/gpu.in"
git --no-pager diff --unified=0 -- '*.txt' | grep '^[-+][a-z]' || echo "Nothing changed."
