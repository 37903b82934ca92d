# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the layer on top of the image gets uv from: the build's cache, or, on a machine that did not build, pip."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.tests.unit.roles.keras_image.role import ROLE

LAYER = ROLE / "templates/layer.Dockerfile.j2"
# As pip, which leaves a directory that is there as it is.
PIP = """\
#!/bin/sh
while [ "$1" != --target ]; do shift; done
test -e "$2/bin" || { mkdir -p "$2/bin" && echo pip >"$2/bin/uv"; }
"""


@pytest.mark.parametrize("is_cached", [True, False])
def test_uv_is_there_whoever_built(is_cached: bool, tmp_path: Path) -> None:
    (step,) = re.findall(r"^RUN (.+?)\n\n", LAYER.read_text(encoding="utf-8").split("\nFROM ")[1], re.S | re.M)
    step = re.sub(r"^ *#.*\n", "", step, flags=re.M).replace("\\\n", " ")
    script = re.sub(r"--mount=\S+", "", step)
    for path in ("/opt/", "/var/cache/", "/run/"):
        script = script.replace(path, f"{tmp_path}{path}")
    lock = tmp_path / "opt/keras/share/gpulab/tools.txt"
    lock.parent.mkdir(parents=True)
    lock.write_text("uv==1\n")
    if is_cached:
        cache = tmp_path / "var/cache/uv/tools" / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
        cache.mkdir(parents=True)
        (cache / "uv").write_text("cache\n")
    (tmp_path / "pip").write_text(PIP)
    (tmp_path / "pip").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-euc", script], check=True, env=environment)
    assert (tmp_path / "opt/tools/bin/uv").read_text() == ("cache\n" if is_cached else "pip\n")
