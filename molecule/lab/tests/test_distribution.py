# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image was built once, and every machine has the very one that the registry has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.playbook import run_playbook, words
from testinfra.host import Host

MACHINES = ["gpulab-lab-1", "gpulab-lab-2"]
REGISTRY = "gpulab-lab-registry"
CURRENT = "keras:cpu"
testinfra_hosts = [f"ansible://{name}" for name in MACHINES]


def name_of(host: Host) -> str:
    return str(host.backend.host)


def references(host: Host, image: str = CURRENT) -> list[str]:
    """What the engine knows of the image's origin: REGISTRY/NAME@DIGEST."""
    return list(json.loads(host.check_output("sudo docker image inspect --format '{{json .RepoDigests}}' %s", image)))


def provide(host: Host, *arguments: str, ends: int = 0) -> str:
    """What the operator's command prints, for this machine alone."""
    said = run_playbook("workstation", "--tags", "keras_image", "--limit", name_of(host), *arguments, ends=ends)
    return words(said.text)


@pytest.fixture(scope="module")
def registry() -> Host:
    return Host.get_host(f"ansible://{REGISTRY}")


@pytest.fixture
def forgotten(host: Host) -> Iterator[str]:
    """The machine has the image, and no longer the names that say so; afterwards it has them again."""
    names = host.check_output("sudo docker image inspect --format '{{join .RepoTags \" \"}}' %s", CURRENT).split()
    others = [name for name in names if name != CURRENT]
    host.check_output(f"sudo docker image rm {' '.join(others)}")
    yield host.check_output("sudo docker image inspect --format '{{.Id}}' %s", CURRENT)
    provide(host)
    assert set(names) == set(
        host.check_output("sudo docker image inspect --format '{{join .RepoTags \" \"}}' %s", CURRENT).split()
    )


def image_id(host: Host) -> str:
    return str(host.check_output("sudo docker image inspect --format '{{.Id}}' %s", CURRENT))


def test_every_machine_has_the_digest_of_the_registry(host: Host, registry: Host) -> None:
    found = references(host)
    assert len(found) == 1, found
    assert found == references(registry)
    # The registry itself says so, to the account of a machine.
    asked = host.check_output("sudo docker --config /etc/gpulab/registry/pull pull %s", found[0])
    assert "Image is up to date" in asked


def test_it_came_by_digest(host: Host, registry: Host) -> None:
    reference = references(host)[0]
    log = registry.check_output("sudo journalctl --unit 'docker-registry*' --output cat --no-pager")
    assert re.search(rf"GET.*/v2/keras/manifests/{reference.rpartition('@')[2]}", log), log[-2000:]


def test_nothing_is_left_to_do_without_the_registry(host: Host, registry: Host) -> None:
    registry.check_output("sudo systemctl stop docker-registry")
    try:
        assert re.search(r"changed=0 +unreachable=0 +failed=0", provide(host))
    finally:
        registry.check_output("sudo systemctl start docker-registry")


def test_a_registry_that_is_down_is_a_sentence(host: Host, registry: Host, forgotten: str) -> None:
    registry.check_output("sudo systemctl stop docker-registry")
    try:
        said = provide(host, ends=2)
    finally:
        registry.check_output("sudo systemctl start docker-registry")
    assert f"{name_of(host)} asked the registry" in said
    assert "Connection refused" in said
    assert "is still what it was" in said
    assert image_id(host) == forgotten


def test_a_tag_that_nobody_built_is_a_sentence(host: Host) -> None:
    before = image_id(host)
    said = provide(host, "-e", "keras_image_revision=nobody-built-this", ends=2)
    assert "has no keras:cpu-" in said
    assert f"--limit {REGISTRY}`" in said
    assert image_id(host) == before


def test_a_pull_that_hangs_ends(host: Host, registry: Host, forgotten: str) -> None:
    registry.check_output("sudo systemctl kill --signal STOP docker-registry")
    try:
        said = provide(host, ends=2)
    finally:
        registry.check_output("sudo systemctl kill --signal CONT docker-registry")
    assert "timed out" in said
    assert image_id(host) == forgotten
