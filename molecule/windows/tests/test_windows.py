# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role left on the simulated machines: on the fresh one, and in each case of vars/cases.yml."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

MACHINES = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "windows", "machines")
CASES = yaml.safe_load((Path(__file__).parents[1] / "vars" / "cases.yml").read_text())["cases"]


class Machine:
    def __init__(self, name: str) -> None:
        self.root = MACHINES / name
        self.state: dict[str, Any] = json.loads((self.root / "state.json").read_text())
        calls = (self.root / "calls.jsonl").read_text().splitlines() if (self.root / "calls.jsonl").exists() else []
        # One line per call, as one would type it.
        self.calls = [" ".join(json.loads(call)) for call in calls]

    def file(self, name: str) -> Path:
        drive, _colon, rest = name.partition(":\\")
        return self.root.joinpath(drive.lower(), *rest.split("\\"))


@pytest.fixture(scope="module")
def fresh() -> Machine:
    return Machine("fresh")


def test_windows_was_prepared(fresh: Machine) -> None:
    features = fresh.state["features"]
    assert features["VirtualMachinePlatform"] == features["Microsoft-Windows-Subsystem-Linux"] == "Enabled"
    assert features["Microsoft-Hyper-V"] == "Disabled"
    assert fresh.state["services"]["LanmanServer"] == "auto"
    assert fresh.state["wsl"] == "2.3.26"


def test_docker_desktop_runs_in_the_session_of_the_user(fresh: Machine) -> None:
    task = fresh.state["scheduled_tasks"]["\\gpulab\\Docker Desktop"]
    assert (task["logon_type"], task["run_level"]) == ("interactive_token", "limited")
    assert fresh.state["desktop"]["runs"]
    assert fresh.state["desktop"]["user"] == "ada"


def test_settings_were_written_without_a_mark(fresh: Machine) -> None:
    raw = fresh.file("C:\\Users\\ada\\AppData\\Roaming\\Docker\\settings-store.json").read_bytes()
    assert raw.startswith(b"{")
    assert json.loads(raw) == {"SettingsVersion": 43, "WslEngineEnabled": True, "AutoStart": True}
    assert fresh.file("C:\\Users\\ada\\.wslconfig").read_text() == "[wsl2]\r\nmemory=16GB\r\nprocessors=8\r\n".replace(
        "\r\n", "\n"
    )


def test_the_command_of_the_tutorials_was_run_word_for_word(fresh: Machine) -> None:
    assert "docker run --rm -v c:/Users:/data alpine ls /data" in fresh.calls


def test_a_word_crossed_for_each_directory_and_nothing_stayed(fresh: Machine) -> None:
    crossed = [
        re.search(r"-v (\S+):/share alpine sh -c .* (/share\S*)/?\.gpulab-selftest-(\w+) (\w+)$", call)
        for call in fresh.calls
    ]
    found = {match[1]: match for match in crossed if match}
    assert found.keys() == {"C:/Users", "C:/work"}
    assert all(match[3] == match[4] and len(match[3]) == 16 for match in found.values())
    # Only administrators may write to C:\Users itself.
    assert found["C:/Users"][2] == "/share/ada/"
    assert not list(fresh.root.rglob(".gpulab-selftest-*"))


def test_the_gpu_was_seen(fresh: Machine) -> None:
    assert any("--gpus=all" in call and "nvidia-smi" in call for call in fresh.calls)


def test_the_image_is_the_one_of_linux(fresh: Machine) -> None:
    """Built once, tested, and only then the current one."""
    builds = [call for call in fresh.calls if call.startswith("docker build")]
    assert len(builds) == 1
    assert "LOCK=cpu" in builds[0]
    version = next(name for name in fresh.state["images"] if re.fullmatch("keras:cpu-[0-9a-f]{12}", name))
    assert fresh.state["images"]["keras:cpu"] == fresh.state["images"][version]
    order = [
        next(n for n, call in enumerate(fresh.calls) if word in call)
        for word in ("docker build", "smoke_test.py", "docker tag")
    ]
    assert order == sorted(order)
    context = fresh.file("C:\\ProgramData\\gpulab\\keras_image")
    linux = Path(__file__).parents[3] / "roles" / "keras_image" / "files"
    assert (context / "Dockerfile").read_bytes() == (linux / "Dockerfile").read_bytes()
    assert not list(context.glob("secret.*"))


def test_the_token_is_in_a_file_and_nowhere_else(fresh: Machine) -> None:
    token = fresh.file("C:\\Users\\ada\\.gpulab\\jupyter\\keras\\token").read_text().strip()
    assert len(token) >= 32
    others = [path for path in fresh.root.rglob("*") if path.is_file() and path.name != "token"]
    assert not [path for path in others if token.encode() in path.read_bytes()]


def test_the_notebook_is_on_loopback_and_comes_back(fresh: Machine) -> None:
    container = fresh.state["containers"]["jupyter-keras"]
    assert container["Running"]
    assert container["restarts"]
    assert container["publish"] == "127.0.0.1:8888:8888"
    assert "--mount=type=bind,source=C:/work,target=/src" in container["argv"]
    assert any(word.endswith("target=/run/gpulab,readonly") for word in container["argv"])
    assert fresh.state["firewall_rules"] == {}


def test_the_playbook_says_where_the_notebook_is_and_its_token(fresh: Machine) -> None:
    said = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ansible.log").read_text()
    assert "Notebook keras: http://localhost:8888/lab in a browser on fresh (healthy)" in said
    shown = re.search(r'its token:  type "(.+)"', said)
    assert shown
    assert fresh.file(shown[1]).is_file()


@pytest.mark.parametrize("name", ["checked-winget", "checked-chocolatey", "checked-hyper-v"])
def test_check_mode_looks_and_changes_nothing(name: str) -> None:
    machine = Machine(name)
    assert machine.calls, f"the role never looked at {name}"
    looks = "systeminfo|tasklist /V|docker ps|wsl --version"
    assert not [call for call in machine.calls if not re.match(looks, call)]
    state = machine.state
    assert set(state["features"].values()) == {"Disabled"}
    assert state["services"]["LanmanServer"] == "manual"
    assert "version" not in state["desktop"]
    assert not state["scheduled_tasks"]
    assert not state["groups"]["docker-users"]
    assert not machine.file("C:\\work").exists()
    assert not machine.file("C:\\ProgramData").exists()
    assert not list(machine.file("C:\\Users\\ada").rglob("*.json"))


@pytest.fixture(params=CASES, ids=lambda case: case["name"])
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


def in_order(patterns: list[str], calls: list[str]) -> list[str]:
    """The patterns that no call matches after those before them."""
    left = list(patterns)
    for call in calls:
        if left and re.search(left[0], call):
            left.pop(0)
    return left


def test_case(case: dict[str, Any]) -> None:
    machine = Machine(case["name"])
    outcome = json.loads((machine.root / "outcome.json").read_text())
    failed, pending = outcome["failed"], "\n".join(outcome["pending"])
    if "says" not in case:
        assert not failed, f"the role failed on {case['name']}: {failed}"
    missing = [words for words in case.get("says", []) if words not in failed]
    assert not missing, f"the role on {case['name']} said {failed or 'nothing, it succeeded'}; it did not say {missing}"
    missing = [words for words in case.get("pending", []) if words not in pending]
    assert not missing, f"pending on {case['name']}: {pending or 'nothing'}; not among it: {missing}"
    if "pending" not in case:
        assert not pending, f"pending on {case['name']}: {pending}"
    asked = "\n".join(machine.calls)
    left = in_order(case.get("asks", []), machine.calls)
    assert not left, f"{case['name']} was not asked, in this order, {left}; it was asked:\n{asked}"
    wrongly = [call for call in machine.calls for pattern in case.get("never", []) if re.search(pattern, call)]
    assert not wrongly, f"{case['name']} should not have been asked {wrongly}"
    assert "nobody ended it" not in asked, f"a program on {case['name']} outlived its deadline"
    for name, expected in case.get("leaves", {}).items():
        text = machine.file(name).read_bytes().decode()
        there = text if isinstance(expected, str) else json.loads(text)
        assert there == expected, f"{name} of {case['name']} is {there}"
    for name, expected in case.get("backs_up", {}).items():
        backups = [
            path.read_bytes().decode() for path in machine.file(name).parent.glob(f"{machine.file(name).name}.*.bak")
        ]
        there = backups if isinstance(expected, str) else [json.loads(text) for text in backups]
        assert there == [expected], f"the backups of {name} of {case['name']} are {there}"
    urls = [notebook["url"] for notebook in outcome["notebooks"]]
    assert urls == ([case["url"]] if "url" in case else []), f"{case['name']} has its notebook at {urls}"
    assert not list(machine.root.rglob(".gpulab-selftest-*")), f"the self-test left its marker on {case['name']}"
