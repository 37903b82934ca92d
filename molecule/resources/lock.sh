#!/bin/sh
# Pins every *.in file of requirements, with hashes and without an index URL, and shows what changed.
set -eu
cd "$(dirname "$0")/../.."
.venv/bin/python -m venv .cache/uv
.cache/uv/bin/python -m pip install --quiet --upgrade uv
uv=$PWD/.cache/uv/bin/uv

# lock FILE.in [OPTION ...]
lock() {
    source=$1
    shift
    echo "==> $source"
    (cd "$(dirname "$source")" && "$uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-annotate --custom-compile-command 'make lock' "$@" \
        -o "$(basename "$source" .in).txt" "$(basename "$source")")
}

lock requirements.in
# It includes the one before it.
lock tests/requirements.in

image=roles/keras_image/files/requirements
lock "$image/tools.in"
lock "$image/cpu.in"
lock "$image/gpu.in" --constraints cpu.txt
# Layers on top of these keep to what is below them, and may lie on top of one another.
lock "$image/extras.in" --constraints cpu.txt --overrides overrides.txt
lock "$image/jax-cpu.in" --constraints cpu.txt --constraints extras.txt
lock "$image/jax-gpu.in" --constraints cpu.txt --constraints extras.txt
lock "$image/torch-cpu.in" --constraints cpu.txt --constraints extras.txt --overrides not-on-cpu.txt
lock "$image/torch-gpu.in" --constraints cpu.txt --constraints extras.txt
git --no-pager diff --unified=0 -- '*.txt' | grep '^[-+][a-z]' || echo "Nothing changed."
