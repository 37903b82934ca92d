# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go wrong on the image's way: a sentence, nothing lost, and another run goes on.

It befalls a stand-in for the image, of which the machines have an older version.
"""

from __future__ import annotations

import contextlib
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
    STANDIN,
    forget_standin,
    image_id,
    machine,
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
WITH_STANDIN = ("--tags", "keras_image", "-e", "keras_image_name=standin", "--limit", UNLUCKY)
testinfra_hosts = [f"ansible://{UNLUCKY}"]


def provide(*arguments: str, ends: int = 0) -> str:
    """What the operator's command prints, for this machine alone."""
    said = run_playbook("workstation", *WITH_STANDIN, *arguments, ends=ends)
    return words(said.text)


@pytest.fixture
def older(host: Host) -> str:
    return forget_standin(host)


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


@contextlib.contextmanager
def between(registry: Host, before: str, after: str) -> Iterator[None]:
    """What systemctl does to the registry first, and, whatever happens, in the end."""
    registry.check_output(f"systemctl {before} docker-registry")
    try:
        yield
    finally:
        registry.check_output(f"systemctl {after} docker-registry")


def test_nothing_is_left_to_do_without_the_registry(host: Host, registry: Host) -> None:
    provide()
    with between(registry, "stop", "start"):
        assert re.search(r"changed=0 +unreachable=0 +failed=0", provide())


def test_a_registry_that_is_down_is_a_sentence(host: Host, registry: Host, older: str) -> None:
    with between(registry, "stop", "start"):
        said = provide(ends=2)
    assert f"{UNLUCKY} asked the registry" in said
    assert "Connection refused" in said
    assert "is still what it was" in said
    assert image_id(host, STANDIN) == older


def test_one_that_hangs_too(host: Host, registry: Host, older: str) -> None:
    with between(registry, "kill --signal STOP", "kill --signal CONT"):
        said = provide(ends=2)
    assert "timed out" in said
    assert image_id(host, STANDIN) == older


def test_a_tag_that_nobody_built_is_a_sentence(host: Host, older: str) -> None:
    said = provide("-e", "keras_image_revision=nobody-built-this", ends=2)
    assert "has no standin:cpu-" in said
    assert f"--limit {REGISTRY}`" in said
    assert image_id(host, STANDIN) == older


def test_a_wrong_authority_is_a_sentence(host: Host, older: str, other_state: Path) -> None:
    make = "openssl req -x509 -newkey ed25519 -nodes -subj /CN=other -keyout /dev/null -out ca.pem"
    subprocess.run(make.split(), cwd=other_state, check=True, capture_output=True)
    said = provide("-e", f"lab_registry_state={other_state}", ends=2)
    assert "its certificate is not one of the authority in /etc/docker/certs.d/" in said
    assert "is still what it was" in said
    assert image_id(host, STANDIN) == older


def test_a_wrong_password_is_a_sentence(host: Host, older: str, other_state: Path) -> None:
    (other_state / "pull.password").write_text("wrong")
    said = provide("-e", f"lab_registry_state={other_state}", ends=2)
    assert "it refuses the account of /etc/gpulab/registry/pull" in said
    assert "is still what it was" in said
    assert image_id(host, STANDIN) == older


def test_failures_are_a_line_each_and_the_others_have_their_notebook(
    host: Host, older: str, small_disk: None, tmp_path: Path
) -> None:
    """A full disk here, and a machine that is away; nobody has an address of its net (RFC 5737)."""
    lucky = machine(LUCKY)
    forget_standin(lucky)
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


def test_a_run_that_was_killed_is_continued_by_the_next(host: Host, registry: Host, older: str) -> None:
    # The registry falls silent between the question for the digest and the pull.
    question = "journalctl -fn0 -o cat -u docker-registry | { grep -qm1 'HEAD /v2/standin'; %s; }"
    fall_silent = question % "systemctl kill -s STOP docker-registry"
    registry.check_output("systemd-run --quiet --collect --unit=fall-silent sh -c %s", fall_silent)
    run = subprocess.Popen(
        command("workstation", *WITH_STANDIN),
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
    provide()
    assert image_id(host, STANDIN) == image_id(registry, STANDIN)
