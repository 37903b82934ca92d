# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What preflight refuses, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.workstation.tests.unit.roles.docker_desktop.conftest import FOLDER, FRESH, Play


@pytest.mark.parametrize("machine", [{}, FRESH])
def test_a_good_machine_passes(play: Play, machine: dict[str, Any]) -> None:
    assert play(machine=machine).said_by("preflight.yml") == ""


def problems(play: Play, machine: dict[str, Any], **wanted: Any) -> list[str]:
    """Every reason of preflight. What several of them ask for is evaluated once."""
    player = play("preflight.yml", machine=machine, **wanted)
    for name in ("exists", "installed_version", "is_upgrade", "own_processes", "publish", "paths", "profile"):
        player.given[f"__docker_desktop_{name}"] = player.value(f"__docker_desktop_{name}", {})
    found: list[str] = player.value("__docker_desktop_problems", {})
    return found


@pytest.mark.parametrize(
    ("machine", "wanted", "words"),
    [
        ({"runs_for": ()}, {"target_user": "", "start_mode": "none"}, ["docker_desktop_target_user is empty"]),
        ({"windows": {"os_product_type": "server"}}, {}, ["Windows Server"]),
        ({"windows": {"distribution_version": "10.0.19044.0"}}, {}, ["build 19044"]),
        ({"windows": {"distribution_version": "10.0.22621.0"}}, {}, ["build 22621"]),
        ({"windows": {"memtotal_mb": 4096}}, {}, ["4096 MB of memory"]),
        (FRESH | {"firmware": "No"}, {}, ["Virtualization is switched off"]),
        (
            {"edition": "CoreSingleLanguage"},
            {"backend": "hyper-v", "gpu_test": False},
            ["Windows Home has no Hyper-V"],
        ),
        (
            FRESH | {"windows": {"user_id": "ada"}},
            {"backend": "hyper-v", "gpu_test": False, "scope": "user"},
            ["An installation for one user has no Hyper-V"],
        ),
        ({}, {"backend": "hyper-v"}, ["Hyper-V gives containers no GPU"]),
        (
            {},
            {"backend": "hyper-v", "gpu_test": False, "keras_variant": "gpu"},
            ["Hyper-V gives containers no GPU"],
        ),
        (
            {},
            {"backend": "hyper-v", "gpu_test": False, "wslconfig": {"wsl2": {"memory": "16GB"}}},
            ["docker_desktop_wslconfig means nothing with Hyper-V"],
        ),
        (FRESH, {"accept_license": False}, ["docker_desktop_accept_license"]),
        ({}, {"version": "latest"}, ["must be three numbers, such as 4.88.0, and is latest"]),
        ({}, {"version": "4.35.0"}, ["takes port 8888 for itself"]),
        ({"version": "4.35.0"}, {}, ["takes port 8888 for itself"]),
        (
            FRESH,
            {"scope": "user"},
            [
                "docker_desktop_scope user works for the user who connects, Administrator",
                "docker_desktop_scope all_users",
            ],
        ),
        (
            FRESH,
            {"install_source": "winget"},
            [
                "docker_desktop_install_source winget works for the user who connects, Administrator",
                "exe, file or choc",
            ],
        ),
        (FRESH, {"install_source": "none"}, [f"There is no {FOLDER}\\Docker Desktop.exe", "install_source is none"]),
        (FRESH, {"installer_url": ""}, ["docker_desktop_installer_url is empty"]),
        (FRESH, {"installer_sha256": "1234"}, ["docker_desktop_installer_sha256 must be the SHA-256"]),
        (
            FRESH,
            {"install_source": "file", "installer_path": "D:\\nothing.exe"},
            ["there is no file D:\\nothing.exe"],
        ),
        (FRESH, {"install_source": "file"}, ["there is no file (docker_desktop_installer_path is empty)"]),
        ({}, {"profile": "D:\\ada"}, ["has no home D:\\ada"]),
        (
            {"wsl": "2.0.14"},
            {"manage_wsl": False},
            ["WSL is at 2.0.14, and Docker Desktop needs 2.1.5"],
        ),
        ({"wsl": "0"}, {"manage_wsl": False}, ["WSL is not installed, and Docker Desktop needs 2.1.5"]),
        (
            {},
            {"shared_directories": ["\\\\nas\\data", "data"]},
            ["\\\\nas\\data, data: not a path on a local drive"],
        ),
        ({}, {"shared_directories": ["Z:\\data"]}, ["Z:\\data: the drive is not on a disk of this machine"]),
        ({}, {"shared_directories": ["C:\\nowhere"]}, ["C:\\nowhere: no such directory"]),
        (
            {},
            {"settings": {"memoryMiB": 4096, "Cpus": 2}},
            ["memoryMiB, Cpus in docker_desktop_settings means nothing with WSL 2"],
        ),
        ({}, {"jupyter_name": "Keras!"}, ["docker_desktop_jupyter_name must be"]),
        ({}, {"jupyter_publish": "8888:8888"}, ["opens the notebook to others"]),
        (
            {"listeners": ({"name": "nginx", "port": 8888},)},
            {},
            ["Port 8888 is taken by nginx"],
        ),
        (
            {"runs_for": ("bob",), "logged_on": ("bob",)},
            {},
            ["runs in the session of bob"],
        ),
        ({"runs_for": (), "logged_on": ()}, {}, ["is not logged on", "docker_desktop_start_mode to logon_only"]),
    ],
)
def test_one_reason(play: Play, machine: dict[str, Any], wanted: dict[str, Any], words: list[str]) -> None:
    reasons = problems(play, machine, **wanted)
    assert len(reasons) == 1
    assert not [word for word in words if word not in reasons[0]], reasons


def test_an_address_that_is_none(play: Play) -> None:
    reasons = problems(play, {}, jupyter_publish="elsewhere")
    # Nor is it the loopback, so it is refused for both.
    assert "must be ADDRESS:PORT:8888" in reasons[0]
    assert len(reasons) == 2


def test_another_scope_than_the_one_that_is_there(play: Play) -> None:
    reasons = problems(play, {}, scope="user")
    # What is there is not seen as an installation, so one would be made, for the user who connects.
    assert len(reasons) == 2
    assert "works for the user who connects, Administrator" in reasons[0]
    assert "installed, but not as docker_desktop_scope (user) says. Set it to all_users" in reasons[1]


@pytest.mark.parametrize(
    ("machine", "wanted"),
    [
        # Docker Desktop's own processes listen for the notebook that runs.
        ({"listeners": ({"name": "com.docker.backend", "port": 8888},)}, {}),
        ({"listeners": ({"name": "nginx", "port": 8888},)}, {"jupyter": False}),
        ({"runs_for": (), "logged_on": ()}, {"start_mode": "logon_only"}),
        ({}, {"jupyter_publish": "8888:8888", "jupyter_allow_plain_http": True}),
        ({}, {"accept_license": False}),
        ({"version": "4.35.0"}, {"version": "4.88.0"}),
        (FRESH | {"windows": {"user_id": "Ada"}}, {"scope": "user"}),
    ],
)
def test_no_reason(play: Play, machine: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert problems(play, machine, **wanted) == []


def test_nothing_is_done_after_a_refusal(play: Play) -> None:
    player = play(start_mode="none", target_user="", accept_license=False, machine=FRESH)
    first, *reasons = player.said_by("main.yml").strip().split("\n")
    assert first == "win01 cannot run Docker Desktop as it is wanted:"
    assert [reason.split(". ")[0] for reason in reasons] == ["1", "2"]
    assert player.ran[-1] == "preflight | Refuse what cannot work"
    assert not [name for name in player.ran if name.startswith(("system", "stop", "install", "configure"))]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"failed": True, "msg": "timed out waiting for module completion"}, "it did not end within its deadline"),
        ({"rc": 1, "stdout": "", "stderr": "ERROR: Server execution failed"}, "ERROR: Server execution failed"),
    ],
)
def test_a_tasklist_that_does_not_answer(play: Play, answer: dict[str, Any], words: str) -> None:
    player = play(answers={"observe | List the processes of all sessions with a desktop": answer})
    said = player.said_by("preflight.yml")
    assert f"does not say who is logged on and whether Docker Desktop runs: {words}." in said
    assert "docker_desktop_command_timeout" in said
    assert "observe | Ask the engine what runs in it" not in player.ran
