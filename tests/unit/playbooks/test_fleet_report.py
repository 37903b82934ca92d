# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/fleet_report.yml with nothing but the controller: the report is written, whatever goes wrong on the way."""

from __future__ import annotations

import json
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.unit.ansible_playbook import ansible_playbook

pytestmark = pytest.mark.slow


def play(tmp_path: Path, more: dict[str, Any] | None = None, ends: int = 0, **variables: Any) -> dict[str, Any]:
    """The report of a host that only serves the registry, of one that nobody reaches, and of more workstations."""
    local = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    away = {"ansible_connection": "ssh", "ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=1"}
    groups = {"registry": {"here": local}, "builder": {"away": away}, "workstations": more or {}}
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({group: {"hosts": hosts} for group, hosts in groups.items()}))
    extra = json.dumps({"lab_registry_host": "127.0.0.1", "lab_registry_port": 1, **variables})
    book, home = "playbooks/fleet_report.yml", {"HOME": str(tmp_path)}
    ansible_playbook("-i", inventory, book, "-e", extra, ends=ends, environment=home)
    [written] = tmp_path.rglob("fleet.json")
    return json.loads(written.read_text())


def test_a_machine_of_which_nothing_can_be_asked_does_not_end_the_report(tmp_path: Path) -> None:
    """The first of them, with whose variables all is done that is done once."""
    broken = {"broken": {"ansible_host": "{{ nowhere }}"}}
    report = play(tmp_path, more=broken, ends=2, fleet_report_drift=False)
    assert {host["name"] for host in report["hosts"]} == {"broken", "away", "here"}


def test_a_check_that_cannot_begin_does_not_end_the_report(tmp_path: Path) -> None:
    before = time.time()
    report = play(tmp_path, fleet_report_drift_timeout="abc")
    assert report["check"]["status"] == "failed"
    assert "abc" in report["check"]["problem"]
    hosts = {host["name"]: host for host in report["hosts"]}
    assert hosts["away"]["severity"] == "unreachable"
    assert hosts["here"]["drift"]["status"] == "unknown"
    # A second controller does not have what the first has made.
    missed = f"this controller does not have {tmp_path}/.gpulab/registry/ca.pem"
    assert any(missed in reason["text"] for reason in hosts["here"]["reasons"]), hosts["here"]["reasons"]
    assert "drift not known" in (tmp_path / ".gpulab/report/fleet.html").read_text()
    # It says how old what was seen is, and not when it was written.
    assert int(before) <= report["made_at_seconds"] < time.time() - 1


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    """It may be a link, as on many a web server."""
    public = tmp_path / "srv"
    public.mkdir()
    public.chmod(0o755)
    (tmp_path / "public_html").symlink_to(public)
    play(tmp_path, fleet_report_directory="~/public_html", fleet_report_drift=False)
    assert stat.S_IMODE(public.stat().st_mode) == 0o755


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"fleet_report_timeout": "soon"}, 'fleet_report_timeout is "soon", and must be a number of whole seconds'),
        ({"fleet_report_timeout": 0}, "fleet_report_timeout is 0, and must be a number of whole seconds from 1"),
        ({"fleet_report_refresh": "often"}, 'fleet_report_refresh is "often", and must be a number of whole seconds'),
        ({"fleet_report_low_disk_gib": "ten"}, 'fleet_report_low_disk_gib is "ten", and must be a number of GiB'),
        (
            {"fleet_report_prometheus": "/nodir/x.prom"},
            "/nodir/x.prom cannot be written: /nodir is not there on this controller (fleet_report_prometheus).",
        ),
        (
            {"fleet_report_directory": "/dev/null/report"},
            "/dev/null/report/fleet.html cannot be written: /dev/null/report is not there on this controller "
            "(fleet_report_directory).",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_looked_at(
    variables: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"workstations": {"hosts": {"away": {"ansible_host": "192.0.2.1"}}}}))
    given = ("-e", json.dumps({"fleet_report_low_disk_gib": 10.5, "fleet_report_refresh": "300", **variables}))
    said = ansible_playbook("-i", inventory, "playbooks/fleet_report.yml", *given, ends=2, environment={}).stdout
    assert sentence in said.partition("\nSUMMARY ")[2]
    assert "Look at the Linux machines" not in said
    assert not list(tmp_path.rglob("fleet.*"))
