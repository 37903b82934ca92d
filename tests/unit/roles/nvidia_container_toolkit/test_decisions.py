# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role decides from what it saw: whether, which packages, which settings, which method, what waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.gpulab.workstation.tests.unit.roles.evaluator import ROLES, Evaluator

ROLE = ROLES / "nvidia_container_toolkit"
PACKAGES = [
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
]
ENGINE = {"running": True, "answers": True, "version": "26.1.5+dfsg1", "started": 1000.0}

Evaluate = Callable[..., Any]


def seen(**more: Any) -> dict[str, Any]:
    """What gpu_visibility_info says of a machine on which all is well."""
    names = ("pci", "kernel_driver", "device_nodes", "nvml", "toolkit", "cdi", "docker", "container")
    layers = dict.fromkeys(names, "ok") | more.pop("layers", {})
    return {
        "platform": "bare_metal",
        "counts": {"pci": 2},
        "layers": [{"name": name, "status": status} for name, status in layers.items()],
        "findings": [],
        "summary": "2 of 2 GPUs",
        "docker": {"gpu_methods": {"cdi": True, "gpus": True, "runtime": True}, "default_runtime": "runc"},
        "container": {"method": "cdi"},
        **more,
    }


def host(versions: dict[str, str] | None = None, held: bool = False, **more: Any) -> dict[str, Any]:
    """What docker_engine_info says of it."""
    packages = {name: {"version": version, "held": held} for name, version in (versions or {}).items()}
    return {
        "engine": ENGINE,
        "packages": packages,
        "snap": None,
        "architecture": "amd64",
        "containers": {"running": 1, "names": ["training"]},
        **more,
    }


@pytest.fixture
def evaluate(evaluator: Evaluator) -> Evaluate:
    def of(name: str, **given: Any) -> Any:
        variables = {
            "inventory_hostname": "gpu1",
            "ansible_facts": {"service_mgr": "systemd"},
            "__nvidia_container_toolkit_seen": seen(),
            "__nvidia_container_toolkit_host": host(),
        }
        for key, value in given.items():
            prefix = "__nvidia_container_toolkit_" if key in ("seen", "host", "linked", "hook_file") else ""
            variables[prefix + key] = value
        return evaluator.evaluate(ROLE, f"__nvidia_container_toolkit_{name}", **variables)

    return of


@pytest.mark.parametrize(
    ("look", "wanted"),
    [
        (seen(), True),
        (seen(counts={"pci": 0}), False),
        (seen(counts={"pci": None}), False),
        (seen(counts={"pci": None}, platform="wsl"), True),
        (seen(counts={"pci": 0}, platform="wsl"), False),
        (seen(counts={"pci": None}, platform="jetson"), True),
        # A device is enough: whoever installs the driver later finds the toolkit there.
        (seen(layers={"kernel_driver": "broken", "nvml": "unknown"}), True),
    ],
)
def test_auto_goes_by_the_device(evaluate: Evaluate, look: dict[str, Any], wanted: bool) -> None:
    assert evaluate("wanted", seen=look) is wanted


@pytest.mark.parametrize("value", [True, "true", "True"])
def test_true_needs_no_device(evaluate: Evaluate, value: Any) -> None:
    assert evaluate("wanted", seen=seen(counts={"pci": 0}), nvidia_container_toolkit_present=value) is True


@pytest.mark.parametrize("value", [False, "false"])
def test_false_beats_the_device(evaluate: Evaluate, value: Any) -> None:
    assert evaluate("wanted", nvidia_container_toolkit_present=value) is False
    assert "nvidia_container_toolkit_present: false" in evaluate(
        "skipped_sentence", nvidia_container_toolkit_present=value
    )


def test_a_host_without_a_device_is_told_so(evaluate: Evaluate) -> None:
    said = evaluate("skipped_sentence", seen=seen(counts={"pci": 0}))
    assert said.strip() == "gpu1 has no NVIDIA device, so the NVIDIA Container Toolkit is left out."


@pytest.mark.parametrize(
    ("installed", "pin", "specs"),
    [
        ({}, "1.20.0", [f"{name}=1.20.0*" for name in PACKAGES]),
        ({}, "", PACKAGES),
        (dict.fromkeys(PACKAGES, "1.20.0-1"), "1.20.0", []),
        (dict.fromkeys(PACKAGES, "1.20.0-1"), "1.20.", []),
        (dict.fromkeys(PACKAGES, "1.17.8-1"), "", []),
        (dict.fromkeys(PACKAGES, "1.200.0-1"), "1.20.", [f"{name}=1.20.*" for name in PACKAGES]),
        # All four move together, whichever of them differs or is missing.
        (dict.fromkeys(PACKAGES, "1.20.0-1") | {PACKAGES[3]: "1.19.1-1"}, "1.20.0", [f"{p}=1.20.0*" for p in PACKAGES]),
        ({"nvidia-container-toolkit-base": "1.20.0-1"}, "", PACKAGES),
    ],
)
def test_packages_move_together(evaluate: Evaluate, installed: dict[str, str], pin: str, specs: list[str]) -> None:
    assert evaluate("specs", host=host(installed), nvidia_container_toolkit_version=pin) == specs


def test_an_upgrade_is_asked_for(evaluate: Evaluate) -> None:
    old = host(dict.fromkeys(PACKAGES, "1.17.8-1"))
    given = {"host": old, "nvidia_container_toolkit_version": "", "nvidia_container_toolkit_upgrade": True}
    assert evaluate("specs", **given) == PACKAGES


def test_holds(evaluate: Evaluate) -> None:
    current = dict.fromkeys(PACKAGES, "1.20.0-1")
    assert evaluate("to_hold", host=host(current)) == PACKAGES
    assert evaluate("to_hold", host=host(current, held=True)) == []
    assert evaluate("to_hold", host=host(current), nvidia_container_toolkit_hold=False) == []
    # apt has released what somebody held, in order to change it.
    old = host(dict.fromkeys(PACKAGES, "1.19.1-1"), held=True)
    assert evaluate("to_hold", host=old, nvidia_container_toolkit_hold=False) == PACKAGES
    assert evaluate("to_hold", host=old) == PACKAGES


@pytest.mark.parametrize(
    ("version", "has_cdi"), [("20.10.24+dfsg1", False), ("24.0.9", False), ("25.0.0", True), ("29.1.2", True)]
)
def test_cdi_is_asked_of_engines_that_know_it(evaluate: Evaluate, version: str, has_cdi: bool) -> None:
    settings = evaluate("settings", host=host(engine={**ENGINE, "version": version}))
    assert settings["runtimes"] == {"nvidia": {"path": "nvidia-container-runtime", "args": []}}
    assert settings.get("features", {}) == ({"cdi": True} if has_cdi else {})


def test_an_engine_that_is_older_than_the_hook_is_restarted(evaluate: Evaluate) -> None:
    assert evaluate("hook_is_newer", hook_file={"stat": {"exists": True, "ctime": 1001.0}}) is True
    assert evaluate("hook_is_newer", hook_file={"stat": {"exists": True, "ctime": 999.0}}) is False
    assert evaluate("hook_is_newer", hook_file={"stat": {"exists": False}}) is False
    assert evaluate("hook_is_newer", hook_file={"changed": False, "skipped": True}) is False


@pytest.mark.parametrize(
    ("look", "method"),
    [
        (seen(), "cdi"),
        (seen(container={"method": "runtime"}), "runtime"),
        # Not seen in a container yet: what the engine supports, the sturdiest first.
        (seen(container=None, layers={"container": "skipped"}), "cdi"),
        (
            seen(
                container=None,
                layers={"container": "unknown"},
                docker={"gpu_methods": {"cdi": False, "gpus": False, "runtime": True}},
            ),
            "runtime",
        ),
        (seen(container=None, layers={"container": "skipped"}, docker=None), "none"),
        (seen(container={"method": "gpus"}, layers={"nvml": "broken", "container": "unknown"}), "none"),
    ],
)
def test_method(evaluate: Evaluate, look: dict[str, Any], method: str) -> None:
    assert evaluate("method", seen=look) == method


@pytest.mark.parametrize(
    ("look", "proven"),
    [
        (seen(), True),
        (seen(layers={"container": "degraded"}), True),
        (seen(layers={"container": "degraded"}, findings=[{"id": "container_gpus_missing"}]), False),
        (seen(layers={"container": "broken"}), False),
    ],
)
def test_a_container_has_to_show_all_that_the_host_has(evaluate: Evaluate, look: dict[str, Any], proven: bool) -> None:
    assert evaluate("proven", seen=look) is proven


def test_a_driver_that_does_not_work_is_pending_with_its_remedy(evaluate: Evaluate) -> None:
    finding = {
        "id": "driver_not_communicating",
        "severity": "error",
        "message": "the kernel module nvidia is not loaded",
        "remedy": {"text": "Install the driver."},
    }
    broken = seen(layers={"kernel_driver": "broken", "nvml": "unknown", "container": "unknown"}, findings=[finding])
    (sentence,) = evaluate("pending", seen=broken)
    assert sentence.startswith("gpu1 has the toolkit, and no NVIDIA driver that works")
    assert "the kernel module nvidia is not loaded. Install the driver." in sentence


@pytest.mark.parametrize(
    ("platform", "nvml", "works"),
    [
        ("bare_metal", "ok", True),
        ("bare_metal", "degraded", True),
        ("bare_metal", "broken", False),
        ("bare_metal", "unknown", False),
        ("bare_metal", "skipped", False),
        ("jetson", "skipped", True),
    ],
)
def test_the_driver_works_where_nvidia_smi_does(evaluate: Evaluate, platform: str, nvml: str, works: bool) -> None:
    assert evaluate("driver_works", seen=seen(platform=platform, layers={"nvml": nvml})) is works


def test_a_specification_that_is_not_written_is_pending(evaluate: Evaluate) -> None:
    finding = {"layer": "cdi", "severity": "warning", "message": "no CDI specification names a GPU"}
    look = seen(layers={"cdi": "degraded"}, findings=[finding], container={"method": "gpus"})
    (sentence,) = evaluate("pending", seen=look)
    assert "no CDI specification names a GPU. `journalctl -u nvidia-cdi-refresh`" in sentence
    assert sentence.endswith("the method gpus.")
    # An engine without CDI does not miss it.
    assert evaluate("pending", seen=look, host=host(engine={**ENGINE, "version": "20.10.24"})) == []


def test_what_the_engine_waits_for_is_pending(evaluate: Evaluate) -> None:
    unproven = seen(layers={"container": "broken"})
    (sentence,) = evaluate("pending", seen=unproven, docker_pending=["Docker Engine on gpu1 waits for a restart."])
    assert sentence.endswith("because Docker Engine on gpu1 waits for a restart.")
    assert evaluate("pending", docker_pending=["Something else waits."]) == []


def test_installation_waits_where_it_would_take_gpus(evaluate: Evaluate) -> None:
    failed = {"rc": 1, "stderr": "ln: /dev/char: Read-only file system\n"}
    assert evaluate("installs", linked=failed) is False
    (sentence,) = evaluate("pending", linked=failed, seen=seen(layers={"container": "unknown"}))
    assert "Read-only file system" in sentence
    idle = host(containers={"running": 0, "names": []})
    assert evaluate("installs", linked=failed, host=idle) is True
    assert evaluate("installs", linked={"rc": 0, "stderr": ""}) is True


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ansible_facts": {"service_mgr": "sysvinit"}}, "has sysvinit as its first process"),
        ({"host": host(architecture="riscv64")}, "is riscv64, for which NVIDIA makes no toolkit"),
        ({"host": host(snap="2976")}, "docker_allow_engine_replacement"),
        ({"host": host(engine={"running": False, "answers": False})}, "has no running Docker Engine"),
    ],
)
def test_obstacles_are_sentences(evaluate: Evaluate, given: dict[str, Any], words: str) -> None:
    (obstacle,) = evaluate("obstacles", **given)
    assert words in obstacle


def test_an_engine_that_others_start_is_no_obstacle(evaluate: Evaluate) -> None:
    stopped = host(engine={"running": False, "answers": False})
    assert evaluate("obstacles", host=stopped, docker_service_manager="none") == []
    assert evaluate("obstacles", host=stopped, ansible_check_mode=True) == []
    assert evaluate("obstacles") == []
    unproven = seen(layers={"container": "skipped"})
    (sentence,) = evaluate("pending", host=stopped, seen=unproven, docker_service_manager="none")
    assert "left to others" in sentence


def test_predecessors_are_named_until_they_may_go(evaluate: Evaluate) -> None:
    old = host({"nvidia-docker2": "2.13.0-1"})
    (note,) = evaluate("notes", host=old)
    assert "nvidia-docker2" in note
    assert "nvidia_container_toolkit_remove_legacy" in note
    assert evaluate("notes", host=old, nvidia_container_toolkit_remove_legacy=True) == []


def test_default_runtime_is_mentioned(evaluate: Evaluate) -> None:
    docker = {"gpu_methods": {"cdi": True, "gpus": True, "runtime": True}, "default_runtime": "nvidia"}
    (note,) = evaluate("notes", seen=seen(docker=docker))
    assert "[[default-runtime]]" in note
