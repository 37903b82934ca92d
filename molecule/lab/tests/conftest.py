# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of the lab, for tests that look at more than one."""

from __future__ import annotations

import os
import re

import pytest
from testinfra.host import Host

REGISTRY = "gpulab-lab-registry"
CURRENT = "keras:cpu"
STANDIN = "standin:cpu"
# Each workstation, and one of its notebooks.
MACHINES = {"gpulab-lab-1": "keras", "gpulab-lab-2": "ada"}


def machine(name: str) -> Host:
    return Host.get_host(f"ansible://{name}", ansible_inventory=os.environ["MOLECULE_INVENTORY_FILE"], sudo=True)


def name_of(host: Host) -> str:
    return str(host.backend.host)


def image_id(host: Host, image: str) -> str:
    return str(host.check_output("docker image inspect --format '{{.Id}}' %s", image))


def forget_standin(host: Host) -> str:
    """Leave an older version of the stand-in, and no layer of the present one; return the ID of the older."""
    names = host.check_output("docker image ls --format '{{.Repository}}:{{.Tag}}'").split()
    if stale := [name for name in names if re.search(r"(^|/)standin:", name)]:
        host.check_output(f"docker image rm {' '.join(stale)}")
    host.check_output(f"docker tag {CURRENT} {STANDIN}")
    return image_id(host, STANDIN)


@pytest.fixture(scope="session")
def registry() -> Host:
    return machine(REGISTRY)
