# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a real GPU proves: that the driver, the toolkit and the frameworks are as the simulation plays them.

Changes nothing on the machine but an image of some megabytes, and containers that are removed again.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.workstation.tests.gpu.conftest import Look, run

pytestmark = pytest.mark.gpu

HOST_LAYERS = ("pci", "kernel_driver", "device_nodes", "nvml")
ARGUMENTS = {
    "cdi": ["--device", "nvidia.com/gpu=all"],
    "gpus": ["--gpus", "all"],
    "runtime": ["--runtime", "nvidia", "--env", "NVIDIA_VISIBLE_DEVICES=all"],
}


def test_report_says_what_nvidia_smi_says(report: dict[str, Any], smi: list[str]) -> None:
    assert [gpu["uuid"] for gpu in report["gpus"] if gpu["visible_in"]["nvml"]] == smi, report["summary"]
    assert report["counts"]["nvml"] == len(smi)


def test_no_layer_of_a_working_driver_is_called_broken(report: dict[str, Any], smi: list[str]) -> None:
    status = {layer["name"]: layer["status"] for layer in report["layers"] if layer["name"] in HOST_LAYERS}
    # In a container or WSL the PCI bus may be hidden.
    assert set(status.values()) <= {"ok", "skipped"}, (status, report["findings"])


@pytest.mark.parametrize("field", ["name", "compute_cap", "driver_version", "memory.total"])
def test_details_are_those_of_nvidia_smi(report: dict[str, Any], smi: list[str], field: str) -> None:
    done = run("nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits")
    if done.returncode != 0:
        pytest.skip(f"this nvidia-smi does not know {field}")
    said = [line.strip() for line in done.stdout.splitlines()]
    gpus = [gpu for gpu in report["gpus"] if gpu["visible_in"]["nvml"]]
    seen = {
        "name": [gpu["name"] for gpu in gpus],
        "compute_cap": [gpu["compute_capability"] for gpu in gpus],
        "driver_version": [report["driver"]["loaded_version"]] * len(gpus),
        "memory.total": [str(gpu["memory_total_bytes"] // 2**20) for gpu in gpus],
    }
    assert seen[field] == said


def test_a_look_costs_little_more_than_nvidia_smi(look: Look, smi: list[str]) -> None:
    """The whole ad-hoc command, so Ansible's own start is measured by a look at nothing, and taken off."""

    def seconds(action: Any) -> float:
        begun = time.monotonic()
        action()
        return time.monotonic() - begun

    own = seconds(lambda: (run("nvidia-smi", "-L"), run("nvidia-smi", "-q", "-x")))
    nothing = seconds(lambda: look(layers=["pci"]))
    everything = seconds(look)
    assert everything - nothing - own <= 1.5


def test_cdi_specification_is_fresh(report: dict[str, Any], methods: dict[str, bool]) -> None:
    files = (report["cdi"] or {}).get("spec_files")
    if not files:
        pytest.skip("there is no CDI specification here; nvidia-cdi-refresh.service writes it")
    stale = {file["path"]: file["stale_reasons"] for file in files if file["stale"]}
    assert not stale


@pytest.mark.parametrize("method", ARGUMENTS)
def test_containers_get_every_gpu(
    look: Look, smi: list[str], methods: dict[str, bool], image: str, method: str
) -> None:
    if not methods[method]:
        pytest.skip(f"this machine does not offer {method}")
    done = run("docker", "run", "--rm", "--pull=never", *ARGUMENTS[method], image, "nvidia-smi", "-L")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [uuid for uuid in smi if uuid in done.stdout] == smi
    seen = look(container={"image": image, "method": method})
    assert seen["counts"]["container"] == len(smi), seen["findings"]


def test_a_container_keeps_its_gpu_when_systemd_reads_its_units_again(
    smi: list[str], methods: dict[str, bool], image: str
) -> None:
    if os.geteuid() != 0 or not Path("/run/systemd/system").is_dir():
        pytest.skip("needs root, and systemd as the first process")
    if not any(Path("/dev/char").glob("195:*")):
        pytest.skip("the devices have no links in /dev/char, so this could take GPUs from running containers")
    method = next(name for name in ARGUMENTS if methods[name])
    name = f"gpulab-test-{os.getpid()}"
    started = run(
        "docker",
        "run",
        "--detach",
        "--interactive",
        "--rm",
        f"--name={name}",
        *ARGUMENTS[method],
        image,
        "/bin/sh",
        "-c",
        "read _",
    )
    assert started.returncode == 0, started.stderr
    try:
        assert run("systemctl", "daemon-reload").returncode == 0
        listed = run("docker", "exec", name, "nvidia-smi", "-L")
        assert listed.returncode == 0, listed.stdout
        assert [uuid for uuid in smi if uuid in listed.stdout] == smi
    finally:
        run("docker", "rm", "--force", name)


def test_tensorflow_sees_every_gpu(look: Look, smi: list[str], methods: dict[str, bool]) -> None:
    if run("docker", "image", "inspect", "keras:gpu").returncode != 0:
        pytest.skip("the image keras:gpu is not here: playbooks/build_image.yml with keras_image_variant: gpu makes it")
    seen = look(container={"image": "keras:gpu"}, frameworks=["tensorflow"])
    assert seen["counts"]["frameworks"]["tensorflow"] == len(smi), seen["findings"]
