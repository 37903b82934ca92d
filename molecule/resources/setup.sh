#!/bin/sh
# Makes the virtual environment: setup.sh PYTHON VENV REQUIREMENTS
# Installs the distribution packages it cannot do without, and only those that are missing.
set -eu
python=$1 venv=$2 requirements=$3

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    found=$("$python" --version 2>&1) || found="no $python"
    echo "Ansible needs Python 3.11 or later on this machine; found $found." >&2
    echo "Name a newer one: make PYTHON=python3.12 ..." >&2
    exit 1
fi

missing=
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
command -v ssh >/dev/null || missing="$missing openssh-client"
command -v git >/dev/null || missing="$missing git"
# For upload, download and the image as an archive.
command -v rsync >/dev/null || missing="$missing rsync"
if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null; then
        echo "Install these first, this machine has no apt-get to do it with:$missing" >&2
        exit 1
    fi
    echo "==> Installing distribution packages:$missing"
    [ "$(id -u)" = 0 ] && sudo= || sudo=sudo
    $sudo apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
fi

echo "==> Installing $requirements into $venv (a minute or so: Ansible with its collections is large)"
# One that was broken off while it was made has no pip.
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$requirements"
