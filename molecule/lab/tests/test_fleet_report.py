# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/fleet_report.yml on the machines of the lab, one of which is not there."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.gpulab.workstation.molecule.resources.playbook import Said, run_playbook
from testinfra.host import Host

MACHINE = "gpulab-lab-1"
# Of two people, and the one that serves the images.
PEOPLE, REGISTRY = "gpulab-lab-2", "gpulab-lab-registry"
AWAY = "gpulab-away"
testinfra_hosts = [f"ansible://{MACHINE}"]


@contextmanager
def inventory_with_one_away(directory: Path) -> Iterator[Path]:
    """Nobody has an address of this net (RFC 5737)."""
    path = directory / "away.json"
    away = {"ansible_host": "192.0.2.1", "ansible_timeout": 2}
    path.write_text(json.dumps({"workstations": {"hosts": {AWAY: away}}}))
    yield path


def report(
    directory: Path, *arguments: str, machines: tuple[str, ...] = (MACHINE,), drift: bool = False, ends: int = 0
) -> tuple[Said, dict[str, Any]]:
    """What was printed, and each host's entry."""
    with inventory_with_one_away(directory) as away:
        said = run_playbook(
            "fleet_report",
            f"--inventory={away}",
            f"--limit={','.join([*machines, AWAY])}",
            "-e",
            json.dumps({"fleet_report_directory": str(directory / "report"), "fleet_report_drift": drift}),
            *arguments,
            ends=ends,
            timeout=600,
        )
    document = json.loads((directory / "report/fleet.json").read_text())
    assert document["schema_version"] == 1
    return said, {entry["name"]: entry for entry in document["hosts"]}


def test_every_host_is_an_entry(tmp_path: Path) -> None:
    said, hosts = report(tmp_path, drift=True)
    assert hosts[AWAY]["severity"] == "unreachable"
    assert next(iter(hosts)) == AWAY, "what was not reached comes first"
    assert hosts[PEOPLE]["severity"] == "not_asked"
    entry = hosts[MACHINE]
    assert entry["engine"]["answers"], entry
    assert entry["image"]["is_wanted"], entry
    assert [notebook["health"] for notebook in entry["notebooks"]] == ["healthy"] * len(entry["notebooks"])
    assert entry["notebooks"], "the lab's machine has a notebook"
    assert entry["drift"]["status"] == "none", entry["drift"]
    assert said.changed(MACHINE) == 2, "only the directory and the files on the controller change"
    for name in ("fleet.html", "fleet.json", "fleet.csv"):
        assert stat.S_IMODE((tmp_path / "report" / name).stat().st_mode) == 0o600
    with (tmp_path / "report/fleet.csv").open() as table:
        assert {AWAY, MACHINE} <= {row["host"] for row in csv.DictReader(table)}
    metrics = (tmp_path / "report/fleet.prom").read_text().splitlines()
    assert f'gpulab_host_reachable{{host="{AWAY}"}} 0' in metrics
    assert f'gpulab_engine_answers{{host="{MACHINE}"}} 1' in metrics


def test_a_stopped_engine_is_told_and_stays_stopped(host: Host, tmp_path: Path) -> None:
    stopped = host.run("systemctl stop docker.socket docker.service")
    assert stopped.rc == 0, stopped.stderr
    try:
        said, hosts = report(tmp_path, "-e", "fleet_report_fail=true", machines=(MACHINE, PEOPLE, REGISTRY), ends=2)
        assert not host.service("docker").is_running
    finally:
        started = host.run("systemctl start docker.socket docker.service")
    assert started.rc == 0, started.stderr
    needy = said.text.partition("These need attention:")[2]
    assert AWAY in needy
    assert MACHINE in needy
    entry = hosts[MACHINE]
    assert entry["severity"] == "attention"
    assert "Docker Engine does not answer" in entry["summary"]
    # What the others are is told all the same.
    assert hosts[REGISTRY]["registry"] == "answers", hosts[REGISTRY]
    people = [(notebook["name"], notebook["health"]) for notebook in hosts[PEOPLE]["notebooks"]]
    assert people == [("ada", "healthy"), ("grace", "healthy")]
