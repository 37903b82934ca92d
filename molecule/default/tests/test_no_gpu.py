# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine without a GPU has nothing of NVIDIA's toolkit."""

from __future__ import annotations

import pytest
from testinfra.host import Host


@pytest.mark.parametrize("package", ["nvidia-container-toolkit-base", "libnvidia-container1"])
def test_nothing_is_installed(host: Host, package: str) -> None:
    assert not host.package(package).is_installed


def test_no_repository_is_added(host: Host) -> None:
    assert not host.file("/etc/apt/sources.list.d/nvidia-container-toolkit.sources").exists
    assert not host.file("/etc/apt/keyrings/nvidia-container-toolkit.asc").exists
