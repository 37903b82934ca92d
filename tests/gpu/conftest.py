# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests on a real GPU share: a look at this machine, or the reason why there is nothing to look at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PCI = Path("/sys/bus/pci/devices")

Look = Callable[..., dict[str, Any]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gpu: needs a real NVIDIA GPU on this machine; skipped where there is none")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def has_device() -> bool:
    """A display device of NVIDIA, or one that a container or WSL was given."""
    for device in PCI.glob("*"):
        if (device / "vendor").read_text().strip() == "0x10de" and (device / "class").read_text().startswith("0x03"):
            return True
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()


@pytest.fixture(scope="session")
def look() -> Look:
    """Runs gpu_visibility_info on this machine, as a playbook would."""
    if not has_device():
        pytest.skip("this machine has no NVIDIA GPU")

    def with_options(**options: Any) -> dict[str, Any]:
        command = [
            str(Path(sys.executable).with_name("ansible")),
            "localhost",
            "--inventory=localhost,",
            "--connection=local",
            "--module-name=gpulab.workstation.gpu_visibility_info",
            *([f"--args={json.dumps(options)}"] if options else []),
            f"--extra-vars=ansible_python_interpreter={sys.executable}",
        ]
        env = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_NOCOLOR": "1",
        }
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=300)
        head, _arrow, text = done.stdout.partition(" => ")
        assert "SUCCESS" in head, f"{done.stdout}\n{done.stderr}"
        report: dict[str, Any] = json.loads(text)
        return report

    return with_options


@pytest.fixture(scope="session")
def report(look: Look) -> dict[str, Any]:
    return look()


@pytest.fixture(scope="session")
def smi(look: Look) -> list[str]:
    """The UUIDs that nvidia-smi itself lists, asked in another way than the module does."""
    try:
        done = run("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
    except FileNotFoundError:
        pytest.skip("this machine has an NVIDIA device, and no nvidia-smi: its driver is not installed")
    if done.returncode != 0:
        pytest.skip(f"nvidia-smi does not work here: {done.stdout.strip()}")
    return done.stdout.split()


@pytest.fixture(scope="session")
def methods(report: dict[str, Any], smi: list[str]) -> dict[str, bool]:
    """How the engine of this machine can give GPUs to containers."""
    if not report["docker"] or report["docker"]["version"] is None:
        pytest.skip("Docker Engine does not answer here, or not to this user")
    supported: dict[str, bool] = report["docker"]["gpu_methods"]
    if not any(supported.values()):
        pytest.skip("the NVIDIA Container Toolkit is not set up here: ansible-playbook site.yml does that")
    return supported


@pytest.fixture(scope="session")
def image(methods: dict[str, bool]) -> str:
    """The image that the role nvidia_container_toolkit tests with, made of this machine's own C library."""
    name = "gpulab/nvidia-smi:tests"
    made = run("sh", str(ROOT / "roles/nvidia_container_toolkit/files/test-image.sh"), name)
    assert made.returncode == 0, made.stderr
    return name
