# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may not become root reads a sentence, and not sudo's."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.unit.ansible_playbook import ansible_playbook


@pytest.mark.slow
@pytest.mark.parametrize("name", ["build_image", "gpu_report", "status", "uninstall"])
def test_it_says_what_to_do(name: str, tmp_path: Path) -> None:
    refused = {"ansible_connection": "local", "ansible_become_user": "nobody", "ansible_become_exe": "/nowhere/sudo"}
    inventory = tmp_path / "lab.yml"
    inventory.write_text(yaml.safe_dump({"workstations": {"hosts": {"lab07": refused}}}))
    said = ansible_playbook("-i", inventory, f"playbooks/{name}.yml", ends=2, environment={}).stdout
    summary = said.partition("\nSUMMARY ")[2]
    assert "lab07 failed, become | Say what is missing: Cannot become root on lab07:" in summary
    assert "Run the same command again with `-K`" in summary
