# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image as a file, by way of the controller or on a stick: what was built arrives, and what is damaged does not.

It is the stand-in that the builder has. The machines that get it have an older one, and no layer of this one. What is
refused before anything is loaded is in tests/unit/roles/keras_image/test_distribution.py.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.lab.tests.conftest import (
    REGISTRY,
    STANDIN,
    forget_standin,
    image_id,
    machine,
)
from ansible_collections.gpulab.workstation.molecule.resources.playbook import (
    inventory_directory,
    run_playbook,
    words,
)
from testinfra.host import Host

# Which gets it from the controller, and which from a stick.
BY_COPY, BY_STICK = "gpulab-lab-2", "gpulab-lab-1"
BY_ARCHIVE = ("--tags", "keras_image", "-e", "keras_image_name=standin", "-e", "keras_image_distribution=archive")
TRANSIT = "/var/lib/gpulab/transit"
STICK = "/media/usb"
testinfra_hosts = [f"ansible://{BY_COPY}"]


def publish_and_provide() -> dict[str, int]:
    """How many tasks changed something on the builder and on the machine."""
    hosts = REGISTRY, BY_COPY
    said = run_playbook("site", *BY_ARCHIVE, "--limit", ",".join(hosts))
    return {host: said.changed(host) for host in hosts}


def flip_a_byte(path: Path) -> None:
    with path.open("r+b") as file:
        middle = file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(middle)
        file.write(bytes([byte ^ 0xFF]))


@pytest.fixture(scope="module")
def archive() -> Path:
    """What the controller keeps. The machine has got it from there."""
    images = inventory_directory() / ".gpulab/images"
    shutil.rmtree(images, ignore_errors=True)
    older = forget_standin(machine(BY_COPY))
    assert all(publish_and_provide().values())
    assert image_id(machine(BY_COPY), STANDIN) != older
    (kept,) = images.glob("standin-cpu-*.tar.zst")
    return kept


@pytest.fixture
def stick(archive: Path) -> Iterator[str]:
    """The archive on the other machine itself, with the record beside it."""
    host = machine(BY_STICK)
    host.ansible("copy", f"src={archive.parent}/ dest={STICK}/ mode=0444 directory_mode=0755", check=False, become=True)
    yield f"{STICK}/{archive.name}"
    host.check_output("rm -r %s", STICK)


@pytest.fixture
def damaged(archive: Path, stick: str) -> Iterator[Path]:
    """Once the stick has a copy of it."""
    flip_a_byte(archive)
    yield archive
    flip_a_byte(archive)


def test_it_is_packed_once_and_arrives(host: Host, registry: Host, archive: Path) -> None:
    assert image_id(host, STANDIN) == image_id(registry, STANDIN)
    assert host.file(TRANSIT).listdir() == []
    before = archive.stat()
    assert publish_and_provide() == {REGISTRY: 0, BY_COPY: 0}
    assert archive.stat() == before


def test_a_damaged_one_leaves_nothing_and_a_stick_holds_another(
    host: Host, registry: Host, damaged: Path, stick: str
) -> None:
    lucky = machine(BY_STICK)
    older = forget_standin(host)
    assert forget_standin(lucky) == older
    each = "{{ " + repr({BY_STICK: stick}) + "[inventory_hostname] | default('') }}"
    from_there = json.dumps({"keras_image_archive": each})
    limit = f"{BY_COPY},{BY_STICK}"
    said = words(run_playbook("workstation", *BY_ARCHIVE, "-e", from_there, "--limit", limit, ends=2).text)
    assert f"{damaged.name} could not be loaded on {BY_COPY}" in said
    assert "is still what it was" in said
    assert image_id(host, STANDIN) == older
    assert host.file(TRANSIT).listdir() == []
    assert image_id(lucky, STANDIN) == image_id(registry, STANDIN) != older
