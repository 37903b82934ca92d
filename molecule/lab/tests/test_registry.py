# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After side_effect.yml: workstations pull by digest, nobody else does, and what was cleaned away is gone."""

from __future__ import annotations

import base64
import json
import re

import pytest
from testinfra.host import Host

CONFIG = "/etc/gpulab/registry/pull"
testinfra_hosts = ["ansible://gpulab-lab-1", "ansible://gpulab-lab-2"]


@pytest.fixture(scope="module")
def repository(registry: Host) -> str:
    return f"{registry.ansible.get_variables()['ansible_host']}:5000/versions"


@pytest.fixture(scope="module")
def digest(registry: Host, repository: str) -> str:
    """Of the newest version, as the engine that pushed it was told."""
    pushed = repository.replace(":5000", ":5001")
    form = "{{range .RepoDigests}}{{println .}}{{end}}"
    found = registry.check_output(f"docker image inspect --format '{form}' {pushed}:cpu-3")
    return next(line.split("@")[1] for line in found.splitlines() if line.startswith(pushed))


def remove(host: Host, image: str) -> None:
    host.run(f"docker image rm --force {image}")


def test_a_workstation_pulls_by_digest_and_runs_it(host: Host, repository: str, digest: str) -> None:
    remove(host, f"{repository}@{digest}")
    host.check_output(f"docker --config {CONFIG} pull --quiet {repository}@{digest}")
    assert host.check_output(f"docker run --rm --network none {repository}@{digest} /bin/busybox echo ran") == "ran"


def test_nobody_pulls_without_the_password(host: Host, repository: str, digest: str) -> None:
    remove(host, f"{repository}@{digest}")
    pull = host.run(f"docker pull {repository}@{digest}")
    assert pull.rc != 0
    assert "no basic auth credentials" in pull.stderr


def test_nor_with_a_wrong_one(host: Host, repository: str, digest: str) -> None:
    remove(host, f"{repository}@{digest}")
    wrong = {"auths": {repository.split("/")[0]: {"auth": base64.b64encode(b"pull:wrong").decode()}}}
    host.check_output("mkdir -p /srv/wrong")
    host.check_output(f"echo '{json.dumps(wrong)}' > /srv/wrong/config.json")
    pull = host.run(f"docker --config /srv/wrong pull {repository}@{digest}")
    assert pull.rc != 0
    assert re.search("unauthorized|authentication required|401", pull.stderr)


def test_nor_from_a_registry_of_another_authority(host: Host, repository: str, digest: str) -> None:
    remove(host, f"{repository}@{digest}")
    ca = f"/etc/docker/certs.d/{repository.split('/')[0]}/ca.crt"
    host.check_output(
        f"cp {ca} /srv/ca.kept && openssl req -x509 -newkey ed25519 -nodes -subj /CN=other -keyout /dev/null -out {ca}"
    )
    try:
        pull = host.run(f"docker --config {CONFIG} pull {repository}@{digest}")
    finally:
        host.check_output(f"cp /srv/ca.kept {ca}")
    assert pull.rc != 0
    assert "certificate signed by unknown authority" in pull.stderr


@pytest.mark.parametrize("port", [5000, 5001])
def test_a_workstation_cannot_push(host: Host, repository: str, digest: str, port: int) -> None:
    host.check_output(f"docker --config {CONFIG} pull --quiet {repository}@{digest}")
    there = repository.replace(":5000", f":{port}")
    host.check_output(f"docker tag {repository}@{digest} {there}:mine")
    push = host.run(f"docker --config {CONFIG} push {there}:mine")
    remove(host, f"{there}:mine")
    assert push.rc != 0, f"the account pull can write on port {port}"


def test_only_root_reads_the_account(host: Host) -> None:
    assert host.file("/etc/gpulab/registry").mode == 0o700
    assert host.file(f"{CONFIG}/config.json").mode == 0o600
    assert not host.file("/etc/gpulab/registry/push").exists


def test_the_oldest_version_is_gone(host: Host, repository: str) -> None:
    pull = host.run(f"docker --config {CONFIG} pull {repository}:cpu-1")
    assert pull.rc != 0
    assert "not found" in pull.stderr or "manifest unknown" in pull.stderr


def test_and_its_space_is_free(registry: Host) -> None:
    before, after = (
        int(registry.file(f"/srv/storage.{when}").content_string.split()[0]) for when in ("before", "after")
    )
    assert before - after > 7000, f"{before} kB before the cleaning, {after} kB after it"


def test_it_is_cleaned_without_being_asked(registry: Host) -> None:
    timer = registry.service("docker-registry-clean.timer")
    assert timer.is_enabled
    assert timer.is_running


def test_pushes_are_taken_again_after_the_cleaning(registry: Host) -> None:
    assert registry.service("docker-registry-push").is_running


def test_the_pull_process_cannot_write(registry: Host) -> None:
    """Whatever its configuration says: systemd keeps it from it."""
    pid = registry.check_output("systemctl show --property=MainPID --value docker-registry")
    write = registry.run(f"nsenter --target {pid} --mount touch /var/lib/docker-registry/written")
    assert write.rc != 0
    assert "Read-only file system" in write.stderr
