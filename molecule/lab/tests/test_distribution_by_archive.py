# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image as a file, by way of the controller or on a stick: what was built arrives, and what is damaged does not.

It is the stand-in that the builder has. The machine that gets it has an older one, and no layer of this one.
"""

from __future__ import annotations

import re
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

MACHINE = "gpulab-lab-2"
BY_ARCHIVE = ("-e", "keras_image_name=standin", "-e", "keras_image_distribution=archive")
STICK = "/media/usb"
NOTHING_CHANGED = r"changed=0 +unreachable=0 +failed=0"
testinfra_hosts = [f"ansible://{MACHINE}"]


def publish() -> int:
    """Have the builder make the archive; return how many tasks changed something there."""
    return run_playbook("build_image", *BY_ARCHIVE, "--limit", REGISTRY).changed(REGISTRY)


def provide(*arguments: str, ends: int = 0) -> str:
    run = ("--tags", "keras_image", "--limit", MACHINE, *BY_ARCHIVE, *arguments)
    return words(run_playbook("workstation", *run, ends=ends).text)


def flip_a_byte(path: Path) -> None:
    with path.open("r+b") as file:
        middle = file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(middle)
        file.write(bytes([byte ^ 0xFF]))


@pytest.fixture(scope="module")
def archive() -> Path:
    """What the controller keeps."""
    images = inventory_directory() / ".gpulab/images"
    shutil.rmtree(images, ignore_errors=True)
    assert publish() > 0
    (kept,) = images.glob("standin-cpu-*.tar.zst")
    return kept


@pytest.fixture
def older(host: Host) -> str:
    return forget_standin(host)


@pytest.fixture
def damaged(archive: Path) -> Iterator[Path]:
    flip_a_byte(archive)
    yield archive
    flip_a_byte(archive)


@pytest.fixture(scope="module")
def stick(archive: Path) -> Iterator[str]:
    """The archive on the machine itself, with the record beside it."""
    host = machine(MACHINE)
    host.ansible("copy", f"src={archive.parent}/ dest={STICK}/ mode=0444 directory_mode=0755", check=False, become=True)
    yield f"{STICK}/{archive.name}"
    host.check_output("rm -r %s", STICK)


def test_the_builder_packs_it_once(archive: Path) -> None:
    before = archive.stat()
    assert publish() == 0
    assert archive.stat() == before


def test_it_arrives_and_a_second_run_does_nothing(host: Host, registry: Host, archive: Path, older: str) -> None:
    provide()
    assert image_id(host, STANDIN) == image_id(registry, STANDIN) != older
    assert host.file("/var/lib/gpulab/transit").listdir() == []
    assert re.search(NOTHING_CHANGED, provide())


def test_a_damaged_one_is_a_sentence_and_leaves_nothing(host: Host, damaged: Path, older: str) -> None:
    said = provide(ends=2)
    assert f"{damaged.name} could not be loaded on {MACHINE}" in said
    assert "is still what it was" in said
    assert image_id(host, STANDIN) == older
    assert host.file("/var/lib/gpulab/transit").listdir() == []


def test_it_comes_from_a_stick_which_is_then_not_missed(host: Host, registry: Host, stick: str, older: str) -> None:
    provide("-e", f"keras_image_archive={stick}")
    assert image_id(host, STANDIN) == image_id(registry, STANDIN) != older
    assert re.search(NOTHING_CHANGED, provide("-e", f"keras_image_archive={STICK}/away"))


def test_a_stick_without_it_is_a_sentence(host: Host, stick: str, older: str) -> None:
    said = provide("-e", f"keras_image_archive={STICK}/away", ends=2)
    assert f"keras_image_archive is {STICK}/away for {MACHINE}, and there is no such file on it." in said
    assert image_id(host, STANDIN) == older


def test_a_stick_with_another_version_is_a_sentence(host: Host, stick: str, older: str) -> None:
    """Without a record, its name has to do."""
    host.check_output("rm %s", stick.replace(".tar.zst", ".json"))
    said = provide("-e", f"keras_image_archive={stick}", "-e", "keras_image_revision=newer", ends=2)
    assert re.search(rf"{re.escape(stick)} holds standin:cpu-\w+, and {MACHINE} should have standin:cpu-\w+", said)
    assert image_id(host, STANDIN) == older


def test_a_stick_with_a_damaged_file_is_a_sentence(host: Host, stick: str, older: str) -> None:
    """Here by what `sha256sum` wrote."""
    host.check_output("sha256sum %s > %s", stick, f"{stick}.sha256")
    host.check_output("printf x | dd of=%s bs=1 seek=1000 conv=notrunc", stick)
    said = provide("-e", f"keras_image_archive={stick}", ends=2)
    assert f"keras_image_archive is {stick} for {MACHINE}, and its SHA-256 is not the one that lies beside it" in said
    assert image_id(host, STANDIN) == older
