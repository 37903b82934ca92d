# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of the lab, for tests that look at more than one."""

from __future__ import annotations

import os

import pytest
from testinfra.host import Host

REGISTRY = "gpulab-lab-registry"
CURRENT = "keras:cpu"
# Each workstation, and one of its notebooks.
MACHINES = {"gpulab-lab-1": "keras", "gpulab-lab-2": "ada"}


def machine(name: str) -> Host:
    return Host.get_host(f"ansible://{name}", ansible_inventory=os.environ["MOLECULE_INVENTORY_FILE"], sudo=True)


def name_of(host: Host) -> str:
    return str(host.backend.host)


def image_id(host: Host, image: str) -> str:
    return str(host.check_output("docker image inspect --format '{{.Id}}' %s", image))


@pytest.fixture(scope="session")
def registry() -> Host:
    return machine(REGISTRY)
