# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that is switched off holds back nobody else: Ansible ends a run where all hosts of a play fail."""

from __future__ import annotations

from pathlib import Path

import yaml

PLAYS = yaml.safe_load((Path(__file__).resolve().parents[3] / "playbooks/lab.yml").read_text(encoding="utf-8"))


def test_no_play_is_of_the_registry_alone() -> None:
    alone = [play["name"] for play in PLAYS if not {"workstations", "windows"} <= set(play["hosts"].split(":"))]
    assert PLAYS
    assert not alone


def test_only_registry_and_builder_do_something() -> None:
    tasks = [task for play in PLAYS for task in play["tasks"]]
    everywhere = [task["name"] for task in tasks if not task["when"].startswith("inventory_hostname in groups[")]
    assert len(tasks) >= len(PLAYS)
    assert not everywhere
