# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The `docker` of these tests: it leaves nothing running, and nobody reads half of what it remembers."""

from __future__ import annotations

import json
import subprocess
import typing as t

import pytest
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    Docker,
    MakeSettings,
)


@pytest.fixture
def waiters() -> t.Iterator[list[subprocess.Popen[bytes]]]:
    """Looked at after `docker` was taken down, where it is requested before that."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        try:
            process.wait(timeout=10)
        finally:
            process.kill()
            process.wait()


def test_waits_no_longer_than_the_test(
    waiters: list[subprocess.Popen[bytes]], docker: Docker, make_settings: MakeSettings
) -> None:
    docker.put_container(make_settings())
    waiters.append(subprocess.Popen(["docker", "wait", "keras"], stderr=subprocess.DEVNULL))


def test_changes_its_container_in_one_step(docker: Docker, make_settings: MakeSettings) -> None:
    before = docker.put_container(make_settings())
    with (docker.directory / "container").open() as reader:
        subprocess.run(["docker", "stop", "keras"], check=True)
        assert json.loads(reader.read()) == before
    assert not docker.container()["State"]["Running"]
