# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the controller that a variable names and that are not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROLE = Path(__file__).resolve().parents[4] / "roles" / "docker"
EVALUATOR = Path(__file__).parents[1] / "keras_image" / "evaluate.py"


def says(name: str, *given: dict[str, Any]) -> list[Any]:
    """What the variable is with each of these."""
    questions = [json.dumps({"role": str(ROLE), "name": name, "given": one}) for one in given]
    done = subprocess.run(
        [sys.executable, EVALUATOR], input="\n".join(questions), capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_certificate_that_is_not_there_is_named_with_its_variable(tmp_path: Path) -> None:
    there = tmp_path / "there.pem"
    there.write_text("")
    good = {"docker_ca_certificates": [str(there)], "docker_registry_certificates": {"lab:5000": str(there)}}
    bad = {"docker_ca_certificates": ["ca.pem"], "docker_registry_certificates": {"lab:5000": "~/nope/lab.pem"}}
    search = {"ansible_search_path": ["/lab/roles", "/lab"]}
    nothing, said = says("__docker_missing_files", good | search, bad | search)
    assert not nothing.strip()
    assert " ".join(said.split()) == (
        "docker_ca_certificates names ca.pem, and this controller has no such file, or may not read it. It was looked"
        " for beside the playbook, in /lab and its `files`; write the whole path."
        " docker_registry_certificates names ~/nope/lab.pem, and this controller has no such file, or may not read it."
    )
