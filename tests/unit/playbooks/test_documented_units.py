# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that people copy from the docs find their program where the README installs it, the playbook, its variables."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def units(page: str) -> list[ConfigParser]:
    found = []
    for text in re.findall(r"^```ini\n(.*?)^```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.M | re.S):
        unit = ConfigParser(interpolation=None)
        unit.read_string(text)
        found.append(unit)
    return found


@pytest.mark.parametrize("page", ["maintenance.md", "fleet_report.md"])
def test_service_runs_what_is_there(page: str) -> None:
    (unit,) = [unit for unit in units(page) if "Service" in unit]
    service = unit["Service"]
    program, *arguments = service["ExecStart"].split()
    # systemd's own PATH has no virtual environment.
    assert program == f"{service['WorkingDirectory']}/.venv/bin/ansible-playbook"
    assert "network-online.target" in unit["Unit"]["After"]
    (playbook,) = [word for word in arguments if word.startswith("playbooks/")]
    head = (ROOT / playbook).read_text(encoding="utf-8").partition("\n- ")[0]
    given = [word.partition("=")[0] for word in arguments if "=" in word]
    assert [name for name in given if not re.search(rf"^# +{name}:", head, re.M)] == []


def test_maintenance_does_not_run_into_monday() -> None:
    """Neither because there is much to wait for, nor because the controller was off on Sunday."""
    service, timer = units("maintenance.md")
    began = re.fullmatch(r"Sun (\d\d):00", timer["Timer"]["OnCalendar"])
    hours = re.search(r"maintenance_hours=(\d+)", service["Service"]["ExecStart"])
    assert began
    assert hours
    assert int(began[1]) + int(hours[1]) < 22
    assert not timer["Timer"].getboolean("Persistent")
