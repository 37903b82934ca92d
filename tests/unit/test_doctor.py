# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make doctor`: the look at this very machine, with nothing but Python."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.gpu import files
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Machine

CLONE = Path(__file__).parents[2]
KEPT = CLONE / "tests/unit/plugins/module_utils/_gpu_visibility/bundles"
DOCTOR = "ansible_collections.gpulab.workstation.molecule.resources.doctor"


def doctor(*arguments: str | Path) -> str:
    # The system's own Python, where there is one: no package of a virtual environment is needed.
    python = next(name for name in ("/usr/bin/python3", "python3") if name == "python3" or os.access(name, os.X_OK))
    done = subprocess.run(
        [
            python,
            "-I",
            "-B",
            "-c",
            f"import sys; sys.path.insert(0, 'collections'); from {DOCTOR} import main; main()",
            *arguments,
        ],
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_looks_at_this_machine(tmp_path: Path) -> None:
    assert doctor("--bundle", tmp_path / "here.json").splitlines()[-1].startswith("Next: ")
    assert (tmp_path / "here.json").stat().st_mode & 0o777 == 0o600
    # The same machine from its file.
    assert doctor("--root", tmp_path / "here.json").splitlines()[-1].startswith("Next: ")


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("engine_without_gpu", "Next: Use the host's own engine"),
        ("toolkit_no_cgroups", "Next: Switch it off"),
        ("module_blacklisted", "Next: Take it out with the tool that wrote it"),
    ],
)
def test_ends_with_what_to_do(name: str, last: str) -> None:
    assert doctor("--root", KEPT / f"{name}.json").splitlines()[-1].startswith(last)


def test_shows_what_was_seen() -> None:
    path = KEPT / "uvm_lost_by_sleep.json"
    assert "CUDA unknown error" in doctor("--root", path, "--verbose")


def test_changes_nothing(tmp_path: Path) -> None:
    root = files.build(tmp_path / "root", Machine())
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    doctor("--root", root)
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == before


def test_make(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "--silent", "doctor", f"BUNDLE={tmp_path / 'kept.json'}"],
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("Next: ")
    assert json.loads((tmp_path / "kept.json").read_text())["format"].startswith("gpulab.workstation gpu bundle")
