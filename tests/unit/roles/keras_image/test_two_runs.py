# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs that want different images of one host: while the first waits for its turn, the second brings its files."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.unit.roles.keras_image.role import ROLE

PACKAGES = ("humanize", "polars")
# Of the image, what it holds: what the last argument, the context, holds of it.
DOCKER = """#!/bin/sh
for word; do case $word in --tag=*) tag=${word#*:} ;; esac; done
cat "$word/requirements.txt" > "$BUILT/$tag"
"""


def run(directory: Path, package: str) -> subprocess.Popen[bytes]:
    prepare = yaml.safe_load((ROLE / "tasks" / "prepare.yml").read_text(encoding="utf-8"))
    layer = {"ansible.builtin.include_role": {"name": "gpulab.workstation.keras_image", "tasks_from": "layer"}}
    own = [task for task in prepare if "ansible.builtin.tempfile" in task]
    play = {"hosts": "all", "gather_facts": False, "tasks": [*own, layer]}
    book = directory / f"{package}.yml"
    book.write_text(json.dumps([play]))
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "keras_image_extra_packages": [package],
        "keras_image_wanted": f"keras:{package}",
        "__keras_image_directory": str(directory),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "ansible", "playbook", "-i", "lab01,", book, "-e", json.dumps(variables)],
        cwd=ROLE.parents[1],
        env={**os.environ, "PATH": f"{directory}:{os.environ['PATH']}", "BUILT": str(directory / "built")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.slow
def test_each_image_is_made_from_the_files_of_its_own_run(tmp_path: Path) -> None:
    (tmp_path / "built").mkdir()
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    runs = []
    with (tmp_path / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for number, package in enumerate(PACKAGES, start=1):
            runs.append(run(tmp_path, package))
            deadline = time.monotonic() + 60
            while len([*tmp_path.glob("build-*.log")]) < number:
                assert time.monotonic() < deadline, "the run does not get to its build"
                time.sleep(0.05)
    for process in runs:
        said, _nothing = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()
    built = {path.name: path.read_text() for path in (tmp_path / "built").iterdir()}
    assert built == {package: package for package in PACKAGES}
