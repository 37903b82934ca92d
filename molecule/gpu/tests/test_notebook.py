# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notebook's own container, as its unit started it, has the GPUs; the report asks in there."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.gpulab.workstation.molecule.gpu.tests.conftest import FIRST, SECOND, Report

testinfra_hosts = ["ansible://simulated_gpus"]


@pytest.fixture
def name(host: t.Any) -> str:
    return str(host.check_output("hostname"))


def test_unit_starts_after_the_specification_was_written(host: t.Any) -> None:
    after = host.check_output("systemctl show --property After --value jupyter-keras.service").split()
    assert {"docker.service", "nvidia-cdi-refresh.service"} <= set(after), after


def test_unit_runs_the_container(host: t.Any) -> None:
    assert host.service("jupyter-keras").is_running
    label = '{{index .Config.Labels "gpulab.workstation.jupyter"}}'
    assert host.check_output(f"docker inspect --format '{label}' jupyter-keras") == "keras"


def test_container_has_nodes_and_nvidia_smi(host: t.Any) -> None:
    nodes = host.check_output("docker exec jupyter-keras /bin/sh -c 'echo /dev/nvidia*'").split()
    assert {"/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm"} <= set(nodes), nodes
    listed = host.check_output("docker exec jupyter-keras nvidia-smi -L")
    assert FIRST in listed, listed
    assert SECOND in listed, listed


def test_engine_was_asked_in_the_way_that_it_knows(host: t.Any, name: str) -> None:
    asked = json.loads(host.check_output("docker inspect --format '{{json .HostConfig.DeviceRequests}}' jupyter-keras"))
    assert len(asked) == 1, asked
    if name == "gpulab-gpu-old-engine":
        assert asked[0]["Capabilities"] == [["gpu"]], asked
    else:
        assert (asked[0]["Driver"], asked[0]["DeviceIDs"]) == ("cdi", ["nvidia.com/gpu=all"]), asked


@pytest.fixture(scope="module")
def seen(report: Report, tmp_path_factory: pytest.TempPathFactory) -> dict[str, t.Any]:
    """What the report wrote of both machines, when it was to ask TensorFlow."""
    written = tmp_path_factory.mktemp("report") / "gpus.json"
    asked = ("-e", f"gpu_report_json={written}", "-e", '{"gpu_report_frameworks": ["tensorflow"]}')
    report(*asked, hosts="simulated_gpus")
    return t.cast("dict[str, t.Any]", json.loads(written.read_text())["hosts"])


def test_report_asks_in_the_notebook(seen: dict[str, t.Any], name: str) -> None:
    """This image has no TensorFlow, and the report says so of the first of them."""
    found = seen[name]
    assert (found["container"]["name"], found["counts"]["container"]) == ("jupyter-keras", 2), found["container"]
    assert found["frameworks"][0]["where"] == "container", found["frameworks"]
    layer = next(layer for layer in found["layers"] if layer["name"] == "framework:tensorflow")
    assert layer["evidence"][0]["ref"] == "tensorflow in jupyter-ada", layer
    assert "No module named 'tensorflow'" in layer["evidence"][0]["text"], layer
    assert layer["status"] == "skipped", layer
