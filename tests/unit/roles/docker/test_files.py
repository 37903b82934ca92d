# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the controller that a variable names and that are not there."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.gpulab.workstation.tests.unit.roles.evaluator import ROLES, Evaluator

ROLE = ROLES / "docker"


def test_a_certificate_that_is_not_there_is_named_with_its_variable(evaluator: Evaluator, tmp_path: Path) -> None:
    there = tmp_path / "there.pem"
    there.write_text("")
    good = {"docker_ca_certificates": [str(there)], "docker_registry_certificates": {"lab:5000": str(there)}}
    bad = {"docker_ca_certificates": ["ca.pem"], "docker_registry_certificates": {"lab:5000": "~/nope/lab.pem"}}
    search = {"ansible_search_path": ["/lab/roles", "/lab"]}
    nothing, said = (evaluator.evaluate(ROLE, "__docker_missing_files", **given, **search) for given in (good, bad))
    assert not nothing.strip()
    assert " ".join(said.split()) == (
        "docker_ca_certificates names ca.pem, and this controller has no such file, or may not read it. It was looked"
        " for beside the playbook, in /lab and its `files`; write the whole path."
        " docker_registry_certificates names ~/nope/lab.pem, and this controller has no such file, or may not read it."
    )
