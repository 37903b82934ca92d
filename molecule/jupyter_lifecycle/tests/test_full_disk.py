# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that cannot be built, because the disk is full, takes nothing away from the one that is there."""

from __future__ import annotations

from ansible_collections.gpulab.workstation.molecule.jupyter_lifecycle.tests.conftest import Play
from testinfra.host import Host

MACHINE = "gpulab-lifecycle-full"
testinfra_hosts = [f"ansible://{MACHINE}"]


def test_build_says_that_the_disk_is_full(host: Host, play: Play) -> None:
    host.check_output("tar -cC / etc/hostname | docker import - keras:cpu")
    before = host.check_output("docker image inspect --format '{{.Id}}' keras:cpu")
    said = play("keras_image", MACHINE, succeeds=False)
    assert "No space left on device" in said or "no space left on device" in said
    assert "could not be built" in said
    assert "keras:cpu is still what it was" in said
    assert host.check_output("docker image inspect --format '{{.Id}}' keras:cpu") == before
    assert host.check_output("docker image ls --quiet --filter reference='keras:cpu-*'") == ""
