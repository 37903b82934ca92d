# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever layer is broken by hand, the report names it, and is green again after the repair."""

from __future__ import annotations

import re
import typing as t

import pytest
import yaml
from ansible_collections.gpulab.workstation.molecule.gpu.tests.conftest import RESOURCES, Report

testinfra_hosts = ["ansible://gpulab-gpu"]

BREAKS = yaml.safe_load((RESOURCES / "vars/gpu_breaks.yml").read_text())["gpu_breaks"]
LAYERS = ["pci", "kernel_driver", "device_nodes", "nvml", "toolkit", "cdi", "docker", "container"]


def chain(page: str) -> dict[str, str]:
    """Each layer and its status, in the order in which they are printed."""
    return dict(re.findall(r"^  ([a-z_:]+) +(ok|degraded|broken|skipped|unknown)\b", page, re.M))


@pytest.mark.parametrize("broken", BREAKS, ids=[one["finding"] for one in BREAKS])
def test_report_names_what_was_broken(host: t.Any, report: Report, broken: dict[str, str]) -> None:
    """And no more than that: each report also shows that what was broken before is whole again."""
    host.check_output(broken["break"])
    try:
        page = report(hosts="gpulab-gpu", ends=2)
    finally:
        host.check_output(broken["repair"])
    named = re.findall(r"^  (?:error|warning) .*\[(\w+)\]$", page, re.M)
    assert named[0] == broken["finding"], page
    assert not set(named[1:]) & {one["finding"] for one in BREAKS}, page


def test_every_layer_is_green_again(report: Report) -> None:
    assert chain(report(hosts="gpulab-gpu")) == dict.fromkeys(LAYERS, "ok")
