# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/gpu_report.yml on simulated machines: what is printed, written, and exited with."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.gpulab.workstation.molecule.resources.gpu import files, programs
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Machine, t4
from ansible_collections.gpulab.workstation.tests.unit.ansible_playbook import ansible_playbook

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="device nodes for a simulated machine take root"),
]


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A healthy machine, one with a lost GPU, one with fewer GPUs than expected, one without any, one out of reach."""
    for name, gpus in {"well": 2, "lost": 2, "fewer": 2, "none": 0}.items():
        there = {"driver": None, "library": None, "toolkit": None, "cdi": False} if gpus == 0 else {}
        machine = Machine(gpus=t4(gpus), **there)  # type: ignore[arg-type]
        root = files.build(tmp_path / name, machine, nodes=True)
        if name == "lost":
            programs.replayer(root / "usr/bin/nvidia-smi", programs.smi_replies(machine, lost={1}))
    hosts = {"well": {"expected_gpus": 2}, "lost": {}, "fewer": {"expected_gpus": 4}, "none": {}}
    away = {"ansible_connection": "ssh", "ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=1"}
    local = {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "gpu_report_root": f"{tmp_path}/{{{{ inventory_hostname }}}}",
    }
    path = tmp_path / "inventory.yml"
    path.write_text(yaml.safe_dump({"workstations": {"hosts": {**hosts, "away": away}, "vars": local}}))
    return path


def play(inventory: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return ansible_playbook("-i", inventory, "playbooks/gpu_report.yml", *more, ends=None, environment=environment)


def test_report(inventory: Path, tmp_path: Path) -> None:
    table, document = tmp_path / "gpus.csv", tmp_path / "gpus.json"
    done = play(
        inventory, "-e", f"gpu_report_csv={table}", "-e", f"gpu_report_json={document}", NO_COLOR="1", TERM="xterm"
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    for line in (
        "well  ok  2 of 2 GPUs visible in cdi",
        "lost  degraded  1 of 2 GPUs visible in nvml: a GPU has fallen off the bus",
        "fewer  degraded  2 of 4 GPUs visible in pci: 2 of 4 expected GPUs are there",
        "none  no_gpu  no GPU of NVIDIA",
    ):
        assert re.search(rf"^{re.escape(line)}$", done.stdout, re.M), done.stdout
    rows = {row["host"]: row["status"] for row in csv.DictReader(table.open())}
    assert rows == {"well": "ok", "lost": "degraded", "fewer": "degraded", "none": "no_gpu", "away": "unreachable"}
    hosts = json.loads(document.read_text())["hosts"]
    assert hosts["lost"]["findings"][0]["id"] == "gpu_lost"
    assert hosts["away"] is None
    recap = dict(re.findall(r"^(\w+) +: .*failed=(\d)", done.stdout, re.M))
    assert {host for host, failed in recap.items() if failed != "0"} == {"lost", "fewer"}


def test_bundle(inventory: Path, tmp_path: Path) -> None:
    """What was seen on one machine is looked at as if one were there; with -v, the evidence is on the page."""
    kept = tmp_path / "lost.json"
    first = play(inventory, "--limit", "lost,localhost", "-e", f"gpu_report_bundle={kept}")
    assert first.returncode == 2, first.stdout + first.stderr
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "nvidia-smi -L (exit 15)" not in first.stdout
    again = play(inventory, "--limit", "well,localhost", "-v", "-e", f"gpu_report_root={kept}", NO_COLOR="1")
    assert again.returncode == 2, again.stdout + again.stderr
    assert "well  degraded  1 of 2 GPUs visible in nvml: a GPU has fallen off the bus" in again.stdout
    assert "nvml: nvidia-smi -L (exit 15)" in again.stdout
    assert "Next: Switch the machine off and on" in again.stdout
    both = play(inventory, "--limit", "lost,none,localhost", "-e", f"gpu_report_bundle={tmp_path}/each.json")
    assert both.returncode == 2, both.stdout + both.stderr
    assert {path.name for path in tmp_path.glob("each*")} == {"each-lost.json", "each-none.json"}


def test_query(inventory: Path) -> None:
    """One value, a table, or the evidence, in place of the page; a mistake in it is a sentence."""
    asked = ("--limit", "lost,localhost", "-e")
    done = play(inventory, *asked, json.dumps({"report_query": "findings[].[id, confidence]"}), NO_COLOR="1")
    assert done.returncode == 2, done.stdout + done.stderr
    assert re.search(r"^\s+- +- gpu_lost\n\s+- certain$", done.stdout, re.M), done.stdout
    assert "Next: " not in done.stdout
    evidence = play(inventory, *asked, json.dumps({"report_query": "layers[?status != 'ok'].evidence[].ref"}))
    assert "nvidia-smi -L" in evidence.stdout
    wrong = play(inventory, *asked, json.dumps({"report_query": "findings[?"}))
    assert wrong.returncode == 2
    assert "JMESPath" in wrong.stdout + wrong.stderr


def test_exit_status(inventory: Path) -> None:
    """For cron; and colours where they are wanted."""
    assert play(inventory, "--limit", "lost,localhost").returncode == 2
    done = play(inventory, "--limit", "well,none,localhost", ANSIBLE_FORCE_COLOR="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b[32mok\x1b[0m  2 of 2 GPUs" in done.stdout


@pytest.mark.parametrize(
    ("hosts", "setting", "status", "ends"),
    [
        ("away", "gpu_report_timeout=30", "unreachable", 4),
        # Neither is the look of every host that fails in itself, as it does without a password for sudo.
        ("well", "ansible_python_interpreter=/nowhere/python", "failed", 2),
    ],
)
def test_files_are_written_whatever_happens(
    inventory: Path, tmp_path: Path, hosts: str, setting: str, status: str, ends: int
) -> None:
    """Or cron would go on reading those of yesterday; and only of the hosts that were asked for."""
    table = tmp_path / "gpus.csv"
    name, _equals, value = setting.partition("=")
    settings = yaml.safe_load(inventory.read_text())
    settings["workstations"]["hosts"][hosts][name] = value
    inventory.write_text(yaml.safe_dump(settings))
    done = play(inventory, "--limit", hosts, "-e", "gpu_report_csv=gpus.csv", PWD=str(tmp_path))
    assert done.returncode == ends, done.stdout + done.stderr
    assert [(row["host"], row["status"]) for row in csv.DictReader(table.open())] == [(hosts, status)]
