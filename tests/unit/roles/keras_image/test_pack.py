# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of the archives is the role's own; what it stands in is the operator's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.unit.ansible_playbook import ansible_playbook

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.slow
@pytest.mark.parametrize("below", ["images", "new/images"])
def test_the_directory_around_it_is_left_alone(tmp_path: Path, below: str) -> None:
    tasks = yaml.safe_load((ROOT / "roles/keras_image/tasks/pack.yml").read_text(encoding="utf-8"))
    (task,) = [one for one in tasks if one["name"] == "pack | Make a directory on the controller"]
    around = tmp_path / "srv"
    around.mkdir(mode=0o755)
    archives = around / below
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    variables = json.dumps({"keras_image_archives": str(archives)})
    ansible_playbook("-i", "localhost,", tmp_path / "play.yml", "-e", variables, environment={})
    assert archives.stat().st_mode & 0o777 == 0o700
    assert around.stat().st_mode & 0o777 == 0o755
