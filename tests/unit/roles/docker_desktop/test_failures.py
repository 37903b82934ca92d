# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role says when a step fails, and what it does not do after that."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.gpulab.workstation.tests.unit.roles.docker_desktop.conftest import (
    FRESH,
    ROAMING,
    Machine,
    Play,
)

# The same deadline on Windows, on other machines, and where the controller was the first to lose patience.
EXPIRED = [
    {"failed": True, "msg": "timed out waiting for module completion"},
    {"failed": True, "msg": "Timeout exceeded"},
    {"failed": True, "msg": "Maximum time limit reached"},
    {"failed": True, "msg": "async task did not complete within the requested time - 4s"},
]
WORD = "a1b2c3d4e5f6g7h8"


def program(stderr: str = "", stdout: str = "", rc: int = 1) -> dict[str, Any]:
    """What a program ended with."""
    return {"rc": rc, "stdout": stdout, "stdout_lines": stdout.splitlines(), "stderr": stderr}


def missing(words: list[str], said: str) -> list[str]:
    return [word for word in words if word not in said]


@pytest.mark.parametrize(
    ("machine", "wanted", "facts", "refused"),
    [
        (FRESH, {}, {"reboot_required": True}, True),
        (FRESH, {"allow_reboot": True}, {"reboot_required": True}, False),
        (FRESH, {}, {"reboot_required": False}, False),
        # One that an earlier run enabled.
        (FRESH | {"windows": {"reboot_pending": True}}, {}, {"reboot_required": False}, True),
        # Updates of Windows wait for one, which is no reason when all is installed.
        ({"windows": {"reboot_pending": True}}, {}, {"reboot_required": False}, False),
    ],
)
def test_a_restart_that_is_not_allowed(
    play: Play, machine: dict[str, Any], wanted: dict[str, Any], facts: dict[str, Any], refused: bool
) -> None:
    answers = {
        "system | Enable the features of Windows": facts,
        "wsl | Ask for its version again": program(stdout="2.3.26.0", rc=0),
    }
    player = play("preflight.yml", machine=machine, answers=answers, **wanted)
    said = player.said_by("system.yml")
    assert bool(said) is refused
    if refused:
        words = [
            "must be restarted",
            "Microsoft-Windows-Subsystem-Linux and VirtualMachinePlatform",
            "docker_desktop_allow_reboot",
        ]
        assert not missing(words, said)
        assert "reboot | Restart Windows" not in player.ran
        assert not [name for name in player.ran if name.startswith("wsl |")]


def test_a_package_of_wsl_that_is_not_there(play: Play) -> None:
    answers = {
        "wsl | Install the package of WSL": {
            "failed": True,
            "msg": "Cannot find path 'C:\\lab\\wsl.msi' because it does not exist.",
        },
        "wsl | Ask for its version again": program(stdout="WSL version: 2.0.14.0", rc=0),
    }
    player = play("preflight.yml", machine={"wsl": "2.0.14"}, answers=answers, wsl_package="C:\\lab\\wsl.msi")
    said = player.said_by("system.yml")
    assert not missing(["is at 2.0.14", "C:\\lab\\wsl.msi", "does not exist", "docker_desktop_wsl_package"], said)
    assert "wsl | Get WSL from Microsoft" not in player.ran


INSTALLER = "install_exe | Run the installer (minutes)"


@pytest.mark.parametrize(
    ("wanted", "answers", "words", "never"),
    [
        (
            {},
            {
                "install_exe | Download the installer (600 MB)": {
                    "failed": True,
                    "msg": "Error downloading: The remote name could not be resolved",
                }
            },
            ["could not be downloaded", "could not be resolved", "docker_desktop_install_source file"],
            INSTALLER,
        ),
        (
            {"install_source": "file", "installer_path": "C:\\installer.exe"},
            {"install_exe | Compare its checksum": {"stat": {"exists": True, "checksum": "b" * 64}}},
            ["C:\\installer.exe on win01 has the SHA-256 " + "b" * 64, "is " + "a" * 64, "Nothing was installed"],
            INSTALLER,
        ),
        *(
            (
                {},
                {INSTALLER: answer},
                [
                    "The installer of Docker Desktop failed",
                    "did not end within docker_desktop_install_timeout, 1800 seconds",
                ],
                "install_exe | Remove the download",
            )
            for answer in EXPIRED
        ),
        (
            {"install_source": "winget"},
            {"install_winget | Ask winget (minutes)": program("The file cannot be accessed by the system.")},
            ["winget could not install", "cannot be accessed", "set docker_desktop_install_source to exe or file"],
            "installed | Look for its programs",
        ),
    ],
)
def test_an_installation_that_fails(
    play: Play, wanted: dict[str, Any], answers: dict[str, Any], words: list[str], never: str
) -> None:
    machine = FRESH | {"files": ("C:\\installer.exe",), "windows": {"user_id": "ada"}}
    good = {"install_exe | Compare its checksum": {"stat": {"exists": True, "checksum": "a" * 64}}}
    player = play("preflight.yml", machine=machine, answers=good | answers, **wanted)
    assert not missing(words, player.said_by("install.yml"))
    assert never not in player.ran


@pytest.mark.parametrize(
    ("source", "file"), [("exe", "exe"), ("file", "exe"), ("winget", "winget"), ("chocolatey", "chocolatey")]
)
def test_each_source_has_its_tasks(play: Play, source: str, file: str) -> None:
    player = play(install_source=source)
    assert player.value("__docker_desktop_install_file", {}) == f"install_{file}.yml"


@pytest.mark.parametrize(("scope", "user"), [("all_users", []), ("user", ["--user"])])
def test_what_the_installer_is_told(play: Play, scope: str, user: list[str]) -> None:
    words = play(scope=scope, installer_arguments=["--x"]).value("__docker_desktop_installer_words", {})
    assert words == ["install", "--quiet", "--accept-license", "--backend=wsl-2", *user, "--x"]


def test_an_installer_of_another_version(play: Play) -> None:
    answers = {
        "installed | Look for its programs": lambda path: {"stat": {"exists": Machine().exists(path)}},
        "installed | Look at its version": {"win_file_version": {"product_version": "4.88.0"}},
    }
    said = play("preflight.yml", machine=FRESH, answers=answers, version="4.89.0").said_by("installed.yml")
    assert not missing(["has Docker Desktop 4.88.0 after the installation", "docker_desktop_version is 4.89.0"], said)


def slurped(text: str) -> dict[str, str]:
    return {"content": base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # Not a comma before the end: Python 3.13 names another place for that than Python 3.11.
        (
            '{\n  "AutoStart": true,\n  x\n}',
            ["Docker\\settings-store.json, line 3, column 3: not JSON", "left as it is"],
        ),
        (
            '{"AutoStart": true, "autoStart": false}',
            ['settings-store.json: "AutoStart" and "autoStart" are the same key', "Remove one of them"],
        ),
    ],
)
def test_settings_that_cannot_be_merged_end_the_run_before_anything_is_stopped(
    play: Play, text: str, words: list[str]
) -> None:
    player = play(
        answers={"settings | Read the settings of Docker Desktop": slurped(text)}, settings={"AutoStart": True}
    )
    said = player.said_by("main.yml")
    assert not missing(words, said)
    assert player.ran[-1] == "settings | Decide what has to wait"
    assert not [name for name in player.ran if name.startswith(("stop", "install", "configure"))]


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (Machine().tasklist(), "and still runs"),
        (Machine(program="com.docker.backend.exe").tasklist(), "and still runs"),
        (program("ERROR: Server execution failed"), "tasklist does not say whether it did"),
    ],
)
def test_a_docker_desktop_that_does_not_stop(play: Play, after: dict[str, Any], words: str) -> None:
    task = "stop | See that it has stopped"
    player = play("preflight.yml", "settings.yml", answers={task: after}, settings={"AutoStart": True})
    assert player.value("__docker_desktop_must_stop and __docker_desktop_held | length == 0", {}) is True
    assert not missing(["was asked to stop", words, "Its settings were not changed"], player.said_by("stop.yml"))
    assert player.ran[-1] == "stop | Say that it has not"


def test_one_that_stops_late_has_stopped(play: Play) -> None:
    task = "stop | See that it has stopped"
    gone = Machine(runs_for=()).tasklist()
    answers = {
        task: [Machine().tasklist(), program("ERROR"), gone],
        "stop | Read the settings again": slurped("{}"),
    }
    player = play("preflight.yml", "settings.yml", answers=answers, settings={"AutoStart": True})
    assert player.said_by("stop.yml") == ""


LISTING = "selftest | Run docker run --rm -v c:/Users:/data alpine ls /data"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        *(
            (
                answer,
                [
                    "`docker run --rm -v c:/Users:/data alpine ls /data` failed",
                    "did not end within its deadline",
                    "Docker Desktop hangs",
                ],
            )
            for answer in EXPIRED
        ),
        (
            program("docker: error getting credentials - err: 1, out: `A specified logon session does not exist`"),
            ["A specified logon session does not exist", "docker/cli#4353", "credsStore"],
        ),
        (
            program("docker: Error response from daemon: failed to resolve reference 'alpine': no such host"),
            ["no such host", "The image could not be pulled"],
        ),
        (
            program("docker: no matching manifest for windows/amd64 10.0.22631 in the manifest list entries"),
            ["no matching manifest for windows", "Switch to Linux containers"],
        ),
        (
            program("docker: Error response from daemon: The path c:/Users is not shared from the host"),
            [
                "The path c:/Users is not shared from the host",
                "FilesharingDirectories",
                "docker_desktop_restart=always",
            ],
        ),
        (program(rc=0), ["sees nothing in C:\\Users", "docker/for-win#12323", "wsl --shutdown"]),
        (program(stdout="ada", rc=0), ["sees ada in C:\\Users"]),
    ],
)
def test_a_listing_that_fails(play: Play, answer: dict[str, Any], words: list[str]) -> None:
    player = play("preflight.yml", answers={LISTING: answer})
    assert not missing(words, player.said_by("selftest.yml"))
    assert "selftest | Let a file cross in both directions" not in player.ran


@pytest.mark.parametrize(
    ("crossing", "back", "words"),
    [
        (
            program("cat: can't open '/share/ada/.gpulab-selftest-x/from-windows': No such file or directory"),
            {},
            ["C:\\Users of win01 is not shared", "does not see the file that was written a moment ago"],
        ),
        (program(stdout="a word of yesterday", rc=0), {}, ["read `a word of yesterday`", "docker/for-win#5530"]),
        (program(stdout=WORD, rc=0), {"failed": True}, ["it is not there in Windows", "docker/for-win#11958"]),
        (
            program("sh: can't create /share/from-container: Read-only file system"),
            {},
            ["Read-only file system", "The container may read there"],
        ),
        (EXPIRED[0], {}, ["did not end within its deadline", "Docker Desktop hangs"]),
    ],
)
def test_a_word_that_does_not_cross(
    play: Play, crossing: dict[str, Any], back: dict[str, Any], words: list[str]
) -> None:
    answers = {"share | Read it in a container, and write it back": crossing, "share | Read what came back": back}
    player = play("preflight.yml", answers=answers, __docker_desktop_share="C:\\Users")
    player.fixed = {"__docker_desktop_word": WORD}
    assert not missing(words, player.said_by("share.yml"))
    assert player.ran[-1] == "share | Remove the marker"


def test_a_word_that_crosses(play: Play) -> None:
    answers = {
        "share | Read it in a container, and write it back": program(stdout=WORD, rc=0),
        "share | Read what came back": slurped(WORD),
    }
    player = play("preflight.yml", answers=answers, __docker_desktop_share="C:\\Users")
    player.fixed = {"__docker_desktop_word": WORD}
    assert player.said_by("share.yml") == ""
    assert player.ran[-1] == "share | Remove the marker"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            program("docker: WSL environment detected but no adapters were found: unknown"),
            ["no adapters were found", "NVIDIA's own driver"],
        ),
        (program(rc=0), ["see no GPU"]),
    ],
)
def test_no_gpu(play: Play, answer: dict[str, Any], words: list[str]) -> None:
    player = play("preflight.yml", answers={"gpu | List the GPUs that a container sees": answer})
    assert not missing(words, player.said_by("gpu.yml"))


def test_a_build_that_fails_leaves_no_secret(play: Play) -> None:
    task = "build | Build the image (minutes, and a download of 500 MB the first time; the GPU variant 3 GB)"
    answers = {task: program("#9 12.3 error: invalid peer certificate: UnknownIssuer")}
    player = play("preflight.yml", answers=answers)
    said = player.said_by("image.yml")
    words = ["could not be built", "invalid peer certificate: UnknownIssuer", "docker_desktop_build_ca_bundle"]
    assert not missing(words, said)
    assert player.ran[-1] == "build | Remove what the image may not know"
    assert not [name for name in player.ran if name.startswith("promote")]


@pytest.mark.parametrize(
    ("health", "answer", "stranger", "words"),
    [
        (
            "healthy",
            {"status_code": 200},
            {"status_code": 200},
            ["does not answer 403 to a wrong token", "docker stop jupyter-keras"],
        ),
        ("unhealthy", {"status_code": 200}, {}, ["is unhealthy", "docker logs jupyter-keras"]),
        ("healthy", {"failed": True, "status_code": -1}, {}, ["is healthy, and http://127.0.0.1:8888/api answered -1"]),
        ("healthy", {"status_code": 200}, {"status_code": 403}, []),
    ],
)
def test_a_notebook_that_is_not_as_it_should_be(
    play: Play, health: str, answer: dict[str, Any], stranger: dict[str, Any], words: list[str]
) -> None:
    answers = {
        "verify | Wait until the notebook is healthy": program(stdout=health, rc=0),
        "verify | Ask the server from Windows": answer,
        "verify | Try a wrong token": stranger,
    }
    player = play("preflight.yml", answers=answers, jupyter_start_timeout=0)
    said = player.said_by("verify.yml")
    assert not missing(words, said)
    assert bool(said) is bool(words)


def test_the_file_of_settings_is_the_one_that_is_there(play: Play) -> None:
    player = play("preflight.yml", machine=FRESH | {"files": (f"{ROAMING}\\settings.json",)})
    assert player.value("__docker_desktop_settings_file", {}) == f"{ROAMING}\\settings.json"
