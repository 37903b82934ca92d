# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After side_effect.yml: containers get the GPUs, and the one that ran all the time still has its own."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.gpulab.workstation.molecule.gpu.tests.conftest import FIRST, SECOND

testinfra_hosts = ["ansible://simulated_gpus"]

PACKAGES = [
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
]
WAYS = {
    "cdi": ("--device nvidia.com/gpu=all", f"--device nvidia.com/gpu={SECOND}"),
    "gpus": ("--gpus all", f"--gpus device={SECOND}"),
    "runtime": (
        "--runtime nvidia --env NVIDIA_VISIBLE_DEVICES=all",
        f"--runtime nvidia --env NVIDIA_VISIBLE_DEVICES={SECOND}",
    ),
}


@pytest.fixture
def name(host: t.Any) -> str:
    return str(host.check_output("hostname"))


@pytest.fixture
def image(host: t.Any) -> str:
    images = host.check_output("docker image ls --format '{{.Repository}}:{{.Tag}}' gpulab/nvidia-smi").split()
    assert len(images) == 1, images
    return str(images[0])


@pytest.mark.parametrize("way", WAYS)
def test_containers_see_the_gpus_that_they_ask_for(host: t.Any, image: str, name: str, way: str) -> None:
    if way == "cdi" and name == "gpulab-gpu-old-engine":
        pytest.skip("Docker 20.10 has no CDI")
    everything, one = WAYS[way]
    listed = host.check_output(f"docker run --rm {everything} {image} nvidia-smi -L")
    assert FIRST in listed, listed
    assert SECOND in listed, listed
    listed = host.check_output(f"docker run --rm {one} {image} nvidia-smi -L")
    assert FIRST not in listed, listed
    assert SECOND in listed, listed


def test_containers_that_ask_for_none_get_none(host: t.Any, image: str) -> None:
    assert host.run(f"docker run --rm {image} nvidia-smi -L").rc == 127
    assert host.check_output("docker info --format '{{.DefaultRuntime}}'") == "runc"


def test_a_container_of_its_own_may_open_the_device(host: t.Any, image: str, name: str) -> None:
    """Only the engine itself lets it, by CDI: the stand-in hook makes nodes and no more."""
    if name == "gpulab-gpu-old-engine":
        pytest.skip("Docker 20.10 has no CDI")
    said = host.run("docker run --rm --device nvidia.com/gpu=0 busybox /bin/busybox cat /dev/nvidia0").stderr
    assert "No such device or address" in said, said


def test_the_running_container_is_the_one_that_was_started(host: t.Any) -> None:
    now = host.check_output("docker inspect --format '{{.State.StartedAt}} {{.State.Pid}}' training")
    assert now == host.file("/srv/training.before").content_string.strip()


def test_the_running_container_never_lost_its_gpu(host: t.Any) -> None:
    lines = host.check_output("docker logs training 2>&1").splitlines()
    assert len(lines) > 30, lines
    others = {line for line in lines if "No such device or address" not in line}
    assert not others, others


def test_devices_are_linked_for_systemd(host: t.Any) -> None:
    for number, node in {"195:0": "nvidia0", "195:1": "nvidia1", "195:255": "nvidiactl"}.items():
        assert host.check_output(f"readlink -f /dev/char/{number}") == f"/dev/{node}"


def test_devices_were_linked_before_systemd_read_the_new_units(host: t.Any) -> None:
    linked = float(host.check_output("stat --format %.Y /dev/char/195:0"))
    installed = float(host.check_output("stat --format %.Z /usr/bin/nvidia-ctk"))
    assert linked < installed


def test_links_are_made_at_every_load_of_the_driver(host: t.Any) -> None:
    rule = host.file("/etc/udev/rules.d/71-gpulab-nvidia-dev-char.rules").content_string
    assert "nvidia-ctk system create-dev-char-symlinks --create-all" in rule


def test_versions_are_one_and_held(host: t.Any, name: str) -> None:
    version = "1.20.0-1" if name == "gpulab-gpu" else "1.19.1-1"
    assert {host.package(package).version for package in PACKAGES} == {version}
    assert set(PACKAGES) <= set(host.check_output("apt-mark showhold").split())


def test_apt_has_one_entry_for_the_repository(host: t.Any) -> None:
    update = host.run("LC_ALL=C apt-get update")
    assert update.rc == 0, update.stderr
    assert "Conflicting values" not in update.stderr
    sources = host.check_output("apt-get indextargets --format '$(SITE) $(SOURCESENTRY)' 'Created-By: Packages'")
    entries = {line for line in sources.splitlines() if line.startswith("http://127.0.0.1:8098")}
    assert len(entries) == 1, sources
    assert "nvidia-container-toolkit.sources" in entries.pop()


def test_daemon_json_has_what_the_toolkit_needs_and_nothing_else_of_it(host: t.Any, name: str) -> None:
    settings = json.loads(host.file("/etc/docker/daemon.json").content_string)
    assert settings["runtimes"]["nvidia"]["path"] == "nvidia-container-runtime"
    assert settings.get("features", {}) == ({"cdi": True} if name == "gpulab-gpu" else {})
    assert settings["live-restore"] is True
    assert "default-runtime" not in settings


def test_predecessor_is_gone_and_its_configuration_file_is_not(host: t.Any) -> None:
    assert not host.package("nvidia-docker2").is_installed
    assert host.file("/etc/docker/daemon.json").exists


def test_the_specification_is_refreshed_at_boot(host: t.Any) -> None:
    for unit in ("nvidia-cdi-refresh.path", "nvidia-cdi-refresh.service"):
        assert host.service(unit).is_enabled
    assert host.service("nvidia-cdi-refresh.path").is_running


def test_engine_was_restarted_no_more_than_needed(host: t.Any, name: str) -> None:
    """Its first start; for CDI or the hook; by somebody, and back."""
    journal = host.check_output("journalctl --unit=docker.service --output=cat")
    starts = journal.count("Daemon has completed initialization")
    assert starts == (4 if name == "gpulab-gpu" else 2), f"{starts} starts; `journalctl -u docker` says when"
