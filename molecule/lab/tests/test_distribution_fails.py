# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go wrong on the image's way: a sentence, nothing lost, and another run goes on.

It befalls a stand-in for the image, of which the machines have an older version. What a registry may answer otherwise
is in tests/unit/roles/keras_image/test_ask.py.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from typing import NamedTuple

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
    run_playbook,
    words,
)
from testinfra.host import Host

# Whom things befall, and the other one.
UNLUCKY, LUCKY = "gpulab-lab-2", "gpulab-lab-1"
AWAY = "gpulab-away"
WITH_STANDIN = ("--tags", "keras_image", "-e", "keras_image_name=standin")
testinfra_hosts = [f"ansible://{UNLUCKY}"]


@pytest.fixture
def older(host: Host) -> str:
    return forget_standin(host)


class BadDay(NamedTuple):
    """How a run ended, and the image that the unlucky one had before."""

    said: str
    older: str


@pytest.fixture(scope="module")
def bad_day(tmp_path_factory: pytest.TempPathFactory) -> BadDay:
    """The engine of one has 5 MB for what it downloads; another has an address that nobody has (RFC 5737)."""
    away = tmp_path_factory.mktemp("inventory") / "away.json"
    away.write_text(
        json.dumps({"workstations": {"hosts": {AWAY: {"ansible_host": "192.0.2.1", "ansible_timeout": 2}}}})
    )
    forget_standin(machine(LUCKY))
    unlucky = machine(UNLUCKY)
    older = forget_standin(unlucky)
    unlucky.check_output("mount -t tmpfs -o size=5m tmpfs /var/lib/docker/tmp")
    try:
        run = ("--inventory", str(away), "--tags", "keras_image,jupyter", "-e", "keras_image_name=standin")
        return BadDay(run_playbook("workstation", *run, ends=4).text, older)
    finally:
        unlucky.check_output("umount /var/lib/docker/tmp")


def test_failures_are_a_line_each_and_the_others_have_their_notebook(host: Host, bad_day: BadDay) -> None:
    lucky = machine(LUCKY)
    summary = bad_day.said.rpartition("\nSUMMARY")[2].strip("* \n").splitlines()
    assert [line.split()[0] for line in summary[:-1]] == [AWAY, UNLUCKY], summary
    assert "was not reached" in summary[0]
    assert "the disk is full" in summary[1]
    assert "`docker image prune` frees some" in words(bad_day.said)
    assert summary[-1].startswith("1 of 3 hosts got to the end.")
    assert summary[-1].endswith(f"--limit {AWAY},{UNLUCKY}")
    assert image_id(host, STANDIN) == bad_day.older
    assert image_id(lucky, STANDIN) == image_id(machine(REGISTRY), STANDIN)
    Notebook(lucky, MACHINES[LUCKY]).wait_until_it_answers()


def test_a_registry_that_is_down_is_a_sentence_where_it_is_needed(
    host: Host, registry: Host, bad_day: BadDay, older: str
) -> None:
    """The lucky one has all that it wants."""
    registry.check_output("systemctl stop docker-registry")
    try:
        run = run_playbook("workstation", *WITH_STANDIN, "--limit", f"{UNLUCKY},{LUCKY}", ends=2)
    finally:
        registry.check_output("systemctl start docker-registry")
    assert re.search(rf"^{LUCKY} .*changed=0 +unreachable=0 +failed=0", run.text, re.M), run.text
    said = words(run.text)
    assert f"{UNLUCKY} asked the registry" in said
    assert "Connection refused" in said
    assert "is still what it was" in said
    assert image_id(host, STANDIN) == older


def test_a_run_that_was_killed_is_continued_by_the_next(host: Host, registry: Host, older: str) -> None:
    # The registry falls silent between the question for the digest and the pull.
    question = "journalctl -fn0 -o cat -u docker-registry | { grep -qm1 'HEAD /v2/standin'; %s; }"
    fall_silent = question % "systemctl kill -s STOP docker-registry"
    registry.check_output("systemd-run --quiet --collect --unit=fall-silent sh -c %s", fall_silent)
    alone = (*WITH_STANDIN, "--limit", UNLUCKY)
    run = subprocess.Popen(
        command("workstation", *alone),
        env=environment(),
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 180
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
    run_playbook("workstation", *alone)
    assert image_id(host, STANDIN) == image_id(registry, STANDIN)
