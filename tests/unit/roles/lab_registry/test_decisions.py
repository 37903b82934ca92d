# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of its processes the role takes for older than what they should run with, and which waits; what it warns of."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.workstation.tests.unit.roles.evaluator import ROLES, Evaluator

CONFIG, UNITS = "/etc/docker/registry", "/etc/systemd/system"
UNPACKED = "/var/lib/dpkg/info/docker-registry.list"
SHARED = [f"{CONFIG}/server.pem", f"{CONFIG}/server.key"]
OF_PULLS = [f"{CONFIG}/pull.yml", f"{UNITS}/docker-registry.service"]
OF_PUSHES = [f"{CONFIG}/push.yml", f"{UNITS}/docker-registry-push.service"]
STARTED = 1000.0


def says(evaluator: Evaluator, name: str, look: dict[str, Any], **given: Any) -> Any:
    return evaluator.evaluate(ROLES / "lab_registry", f"__lab_registry_{name}", __lab_registry_look=look, **given)


def decides(evaluator: Evaluator, name: str, newer: str, pushing: int = 0) -> Any:
    """`newer` was written after both processes were started."""
    written = {path: {"written": STARTED - 1} for path in [*SHARED, *OF_PULLS, *OF_PUSHES, UNPACKED]}
    unit = {"active": True, "started": STARTED}
    look = {
        "files": written | {newer: {"written": STARTED + 1}},
        "units": {"docker-registry.service": unit, "docker-registry-push.service": unit},
        "ports": {"5000": {"clients": 0}, "5001": {"clients": pushing}},
    }
    return says(evaluator, name, look)


@pytest.mark.parametrize(
    ("newer", "pull", "push"),
    [
        *[(path, True, True) for path in SHARED],
        *[(path, True, False) for path in OF_PULLS],
        *[(path, False, True) for path in OF_PUSHES],
        # A new version of the package, which restarts the process for pulls itself.
        (UNPACKED, False, True),
        ("/etc/hostname", False, False),
    ],
)
def test_a_process_that_is_older_than_what_it_reads_is_restarted(
    evaluator: Evaluator, newer: str, pull: bool, push: bool
) -> None:
    assert decides(evaluator, "pull_is_old", newer) is pull
    assert decides(evaluator, "push_is_old", newer) is push


@pytest.mark.parametrize("pushing", [0, 1])
def test_who_pushes_is_not_cut_off_by_a_new_version(evaluator: Evaluator, pushing: int) -> None:
    assert decides(evaluator, "push_waits", UNPACKED, pushing) is bool(pushing)


@pytest.mark.parametrize(("percent", "warns"), [(85, False), (86, True)])
def test_a_disk_that_fills_is_announced(evaluator: Evaluator, percent: int, warns: bool) -> None:
    look = {
        "space": {"percent": percent, "free": 14.04e9},
        "units": {"docker-registry-clean.service": {"result": "success"}},
    }
    sentence = f"{percent} % of the file system of /var/lib/docker-registry on lab01 are in use, more than"
    sentence += " lab_registry_disk_limit (85); 14.0 GB are free."
    notes = says(evaluator, "notes", look)
    assert [note.startswith(sentence) for note in notes] == ([True] if warns else []), notes


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, []),
        (
            {
                "host": "192.0.2.1",
                "port": "443",
                "push_port": 444,
                "bind_address": "192.0.2.255",
                "storage": "/srv",
                "keep": 1,
            },
            [],
        ),
        *[
            ({"host": host}, [f"lab_registry_host is {host or '(empty)'};"])
            for host in (
                "https://lab.example",
                "lab.example/images",
                "lab server",
                "lab.example:5000",
                "lab_1",
                "",
                "-lab",
            )
        ],
        ({"port": 0}, ["lab_registry_port is 0, which is no port"]),
        ({"push_port": 65536}, ["lab_registry_push_port is 65536, which is no port"]),
        ({"port": "5001"}, ["lab_registry_port and lab_registry_push_port are both 5001"]),
        *[
            ({"bind_address": address}, [f"lab_registry_bind_address is {address}, which is no IPv4 address"])
            for address in ("eth0", "192.0.2.256", "192.0.2", "::1")
        ],
        ({"storage": "images"}, ["lab_registry_storage is images, which is no absolute path"]),
        ({"keep": 0}, ["lab_registry_keep is 0, which would remove every image"]),
        (
            {"host": "a/b", "port": 70000, "keep": -1},
            ["lab_registry_host is a/b", "lab_registry_port is 70000", "lab_registry_keep is -1"],
        ),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused_together(
    evaluator: Evaluator, given: dict[str, Any], words: list[str]
) -> None:
    problems = says(evaluator, "problems", {}, **{f"lab_registry_{name}": value for name, value in given.items()})
    assert [problem.startswith(begin) for problem, begin in zip(problems, words, strict=True)] == [True] * len(words)
