# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image was built once, every machine has the very one that the registry has, and what may go wrong on its way.

That befalls a stand-in for the image, of which the machines have an older version.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.lab.tests.conftest import (
    MACHINES,
    REGISTRY,
    image_id,
    machine,
    name_of,
)
from ansible_collections.gpulab.workstation.molecule.resources.notebook import Notebook
from ansible_collections.gpulab.workstation.molecule.resources.playbook import (
    command,
    environment,
    inventory_directory,
    run_playbook,
    words,
)
from testinfra.host import Host

# Whom things befall, and the other one.
UNLUCKY, LUCKY = "gpulab-lab-2", "gpulab-lab-1"
AWAY = "gpulab-away"
CURRENT = "keras:cpu"
STANDIN = "standin:cpu"
WITH_STANDIN = ("--tags", "keras_image", "-e", "keras_image_name=standin")
testinfra_hosts = [f"ansible://{name}" for name in MACHINES]
unlucky = pytest.mark.testinfra_hosts(f"ansible://{UNLUCKY}")


def references(host: Host) -> list[str]:
    """What the engine knows of the image's origin: REGISTRY/NAME@DIGEST."""
    return list(json.loads(host.check_output("docker image inspect --format '{{json .RepoDigests}}' %s", CURRENT)))


def provide(host: Host, *arguments: str, ends: int = 0) -> str:
    """What the operator's command prints, for this machine alone."""
    said = run_playbook("workstation", *WITH_STANDIN, "--limit", name_of(host), *arguments, ends=ends)
    return words(said.text)


def forget(host: Host) -> str:
    """Leave an older version of the stand-in, and no layer of the present one; return the ID of the older."""
    names = host.check_output("docker image ls --format '{{.Repository}}:{{.Tag}}'").split()
    if stale := [name for name in names if re.search(r"(^|/)standin:", name)]:
        host.check_output(f"docker image rm {' '.join(stale)}")
    host.check_output(f"docker tag {CURRENT} {STANDIN}")
    return image_id(host, STANDIN)


@pytest.fixture
def older(host: Host) -> str:
    return forget(host)


@pytest.fixture
def small_disk(host: Host) -> Iterator[None]:
    """The engine has 5 MB for what it downloads."""
    host.check_output("mount -t tmpfs -o size=5m tmpfs /var/lib/docker/tmp")
    yield
    host.check_output("umount /var/lib/docker/tmp")


@pytest.fixture
def other_state(tmp_path: Path) -> Path:
    """A copy of what the controller keeps of the registry, to be spoiled."""
    return Path(shutil.copytree(inventory_directory() / ".gpulab/registry", tmp_path / "registry"))


def test_every_machine_has_the_digest_of_the_registry(host: Host, registry: Host) -> None:
    found = references(host)
    assert len(found) == 1, found
    assert found == references(registry)
    # The registry itself says so, to the account of a machine.
    asked = host.check_output("docker --config /etc/gpulab/registry/pull pull %s", found[0])
    assert "Image is up to date" in asked


def test_it_came_by_digest(host: Host, registry: Host) -> None:
    digest = references(host)[0].rpartition("@")[2]
    client = host.ansible.get_variables()["ansible_host"]
    log = registry.check_output("journalctl --unit docker-registry --output cat --no-pager")
    asked = rf'^{re.escape(client)} .*"GET /v2/keras/manifests/'
    assert re.search(asked + digest, log, re.M), log[-2000:]
    assert not re.search(asked + "cpu", log, re.M), "somebody pulled by the tag"


def test_it_was_built_once(host: Host, registry: Host) -> None:
    assert image_id(host, CURRENT) == image_id(registry, CURRENT)
    assert host.check_output("docker image ls --quiet gpulab/base") == "", "the base of a build"
    assert "Build Cache: 0" in host.check_output("docker system df --format '{{.Type}}: {{.TotalCount}}'").splitlines()
    assert not host.package("mmdebstrap").is_installed
    assert registry.package("mmdebstrap").is_installed


def test_and_a_notebook_runs_it(host: Host) -> None:
    notebook = Notebook(host, MACHINES[name_of(host)])
    assert notebook.inspect("{{json .Image}}") == image_id(host, CURRENT)
    assert notebook.run_cell("import keras; print(float(keras.ops.sum(keras.ops.ones((2, 3)))))") == "6.0"


@unlucky
def test_nothing_is_left_to_do_without_the_registry(host: Host, registry: Host) -> None:
    provide(host)
    registry.check_output("systemctl stop docker-registry")
    try:
        assert re.search(r"changed=0 +unreachable=0 +failed=0", provide(host))
    finally:
        registry.check_output("systemctl start docker-registry")


@unlucky
def test_a_registry_that_is_down_is_a_sentence(host: Host, registry: Host, older: str) -> None:
    registry.check_output("systemctl stop docker-registry")
    try:
        said = provide(host, ends=2)
    finally:
        registry.check_output("systemctl start docker-registry")
    assert f"{UNLUCKY} asked the registry" in said
    assert "Connection refused" in said
    assert "is still what it was" in said
    assert image_id(host, STANDIN) == older


@unlucky
def test_one_that_hangs_too(host: Host, registry: Host, older: str) -> None:
    registry.check_output("systemctl kill --signal STOP docker-registry")
    try:
        said = provide(host, ends=2)
    finally:
        registry.check_output("systemctl kill --signal CONT docker-registry")
    assert "timed out" in said
    assert image_id(host, STANDIN) == older


@unlucky
def test_a_tag_that_nobody_built_is_a_sentence(host: Host, older: str) -> None:
    said = provide(host, "-e", "keras_image_revision=nobody-built-this", ends=2)
    assert "has no standin:cpu-" in said
    assert f"--limit {REGISTRY}`" in said
    assert image_id(host, STANDIN) == older


@unlucky
def test_a_wrong_authority_is_a_sentence(host: Host, older: str, other_state: Path) -> None:
    make = "openssl req -x509 -newkey ed25519 -nodes -subj /CN=other -keyout /dev/null -out ca.pem"
    subprocess.run(make.split(), cwd=other_state, check=True, capture_output=True)
    said = provide(host, "-e", f"lab_registry_state={other_state}", ends=2)
    assert "its certificate is not one of the authority in /etc/docker/certs.d/" in said
    assert "is still what it was" in said
    assert image_id(host, STANDIN) == older


@unlucky
def test_a_wrong_password_is_a_sentence(host: Host, older: str, other_state: Path) -> None:
    (other_state / "pull.password").write_text("wrong")
    said = provide(host, "-e", f"lab_registry_state={other_state}", ends=2)
    assert "it refuses the account of /etc/gpulab/registry/pull" in said
    assert "is still what it was" in said
    assert image_id(host, STANDIN) == older


@unlucky
def test_failures_are_a_line_each_and_the_others_have_their_notebook(
    host: Host, older: str, small_disk: None, tmp_path: Path
) -> None:
    """A full disk here, and a machine that is away; nobody has an address of its net (RFC 5737)."""
    lucky = machine(LUCKY)
    forget(lucky)
    away = tmp_path / "away.json"
    away.write_text(
        json.dumps({"workstations": {"hosts": {AWAY: {"ansible_host": "192.0.2.1", "ansible_timeout": 2}}}})
    )
    run = ("--inventory", str(away), "--tags", "keras_image,jupyter", "-e", "keras_image_name=standin")
    said = run_playbook("workstation", *run, ends=4).text
    summary = said.rpartition("\nSUMMARY")[2].strip("* \n").splitlines()
    assert [line.split()[0] for line in summary[:-1]] == [AWAY, UNLUCKY], summary
    assert "was not reached" in summary[0]
    assert "the disk is full" in summary[1]
    assert "`docker image prune` frees some" in words(said)
    assert summary[-1].startswith("1 of 3 hosts got to the end.")
    assert summary[-1].endswith(f"--limit {AWAY},{UNLUCKY}")
    assert image_id(host, STANDIN) == older
    assert image_id(lucky, STANDIN) == image_id(machine(REGISTRY), STANDIN)
    Notebook(lucky, MACHINES[LUCKY]).wait_until_it_answers()


@unlucky
def test_a_run_that_was_killed_is_continued_by_the_next(host: Host, registry: Host, older: str) -> None:
    # The registry falls silent between the question for the digest and the pull.
    question = "journalctl -fn0 -o cat -u docker-registry | { grep -qm1 'HEAD /v2/standin'; %s; }"
    fall_silent = question % "systemctl kill -s STOP docker-registry"
    registry.check_output("systemd-run --quiet --collect --unit=fall-silent sh -c %s", fall_silent)
    run = subprocess.Popen(
        command("workstation", *WITH_STANDIN, "--limit", UNLUCKY),
        env=environment(),
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 90
        while host.run("pgrep -f %s", "^docker .*pull .*/standin@sha256:").failed:
            assert run.poll() is None, "the run ended by itself"
            assert time.monotonic() < deadline, "the run did not pull"
            time.sleep(0.5)
        os.killpg(run.pid, signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
    finally:
        registry.check_output("systemctl kill -s CONT docker-registry")
        registry.run("systemctl stop fall-silent")
    assert image_id(host, STANDIN) == older
    provide(host)
    assert image_id(host, STANDIN) == image_id(registry, STANDIN)
