# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/maintenance.yml: a restart and what speaks against it, a machine that is lost on the way, and waking.

What needs a real notebook, or batches, is in the scenario lab. There nothing is new, so no upgrade by maintenance is a
real one anywhere: the role docker's own is in its scenario docker_upstream.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.unit.playbooks.machines import (
    ANSWERS,
    FETCHES,
    GPUS,
    NOTEBOOK,
    QUIET,
    ROOT,
    Lab,
)

pytestmark = pytest.mark.slow
CARED_FOR = ["docker upgrade", "nvidia_container_toolkit upgrade", "nvidia_driver as it is"]
RESTART = ("-e", "maintenance_reboot=true")
AT_WORK = {"instances": [{**NOTEBOOK, "busy": ["digits.ipynb runs a cell"]}]}
IDLE = {"instances": [NOTEBOOK]}
# The broadcast address of the loopback, so that no packet leaves this machine; the port is the module's.
LOOPBACK, DISCARD = "127.255.255.255", 7


REGISTRY_CARED_FOR = [
    "['docker-registry', 'apache2-utils'] only_upgrade=True state=latest",
    "lab_registry as it is",
]
PULLED_FROM = {**QUIET, "ports": {"5000": {"clients": 2}, "5001": {"clients": 0}}}
CLEANED = {**QUIET, "units": {"docker-registry-clean.service": {"active": True}}}
BUILDS = {"processes": [4711]}
NO_BUILD = ANSWERS["docker_image_work_info"]
NOTEBOOK_OPENS = "jupyter-keras.service state=started"
IS_BUILT = "an image is being built or moved: process 4711"
IS_PULLED_FROM = "somebody pulls from the registry or pushes to it, or it is being cleaned"
LOST = None


def report(said: str) -> dict[str, str]:
    return dict(re.findall(r"^(lab\d+): (\w.*)$", said.rpartition("PLAY [Report]")[2], re.M))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """One machine, which asks for a restart."""
    lab = Lab(tmp_path, "lab01")
    (lab["lab01"] / "reboot-required").touch()
    return lab


def test_restart_is_only_where_it_is_allowed(lab: Lab) -> None:
    said = lab.maintain()
    assert lab.log("lab01") == CARED_FOR
    assert report(said) == {"lab01": "done, It asks for a restart: -e maintenance_reboot=true does that."}


def test_the_machine_that_runs_this_is_not_told_to_have_itself_restarted(lab: Lab) -> None:
    lab.hosts["lab01"]["ansible_connection"] = "local"
    said = lab.maintain(*RESTART)
    assert lab.log("lab01") == CARED_FOR
    why = "It asks for a restart, which is left to a person: it runs this playbook itself."
    assert report(said) == {"lab01": f"done, {why}"}


def test_who_is_at_work_is_left_alone_at_once_where_nobody_waits(lab: Lab) -> None:
    lab.answers("lab01", "jupyter_info", AT_WORK)
    said = lab.maintain("-e", "maintenance_drain_minutes=0")
    assert lab.log("lab01") == []
    assert report(said) == {"lab01": "left as it is, digits.ipynb runs a cell"}


def test_notebooks_are_closed_before_the_driver_and_opened_after_the_restart(lab: Lab) -> None:
    said = lab.maintain(*RESTART)
    closed, driver, restarted, seen, opened = lab.log("lab01")[len(CARED_FOR) :]
    assert closed == "jupyter-keras.service state=stopped"
    assert driver == "nvidia_driver upgrade"
    assert restarted == ""
    # What it notes of a restart that it waits for is over.
    assert seen == "nvidia_driver as it is"
    assert opened == "jupyter-keras.service state=started"
    assert report(said) == {"lab01": "done"}
    assert not (lab["lab01"] / "reboot-required").exists()


def test_who_begins_meanwhile_is_not_cut_off(lab: Lab) -> None:
    lab.answers("lab01", "jupyter_info", IDLE, IDLE, AT_WORK)
    said = lab.maintain(*RESTART)
    assert lab.log("lab01") == CARED_FOR
    assert report(said)["lab01"].endswith("restart, and has not been: digits.ipynb runs a cell.")


def test_a_computation_outside_notebooks_is_not_cut_off(lab: Lab) -> None:
    known = {**ANSWERS["nvidia_driver_info"], "in_use": [{"sentence": "train.py computes"}]}
    lab.answers("lab01", "nvidia_driver_info", known)
    said = lab.maintain(*RESTART)
    assert lab.log("lab01")[-3:] == [
        "jupyter-keras.service state=stopped",
        "nvidia_driver upgrade",
        "jupyter-keras.service state=started",
    ]
    assert report(said)["lab01"].endswith("restart, and has not been: train.py computes.")


def test_notebooks_are_opened_again_when_the_driver_fails(lab: Lab) -> None:
    answers = [{}, {}, {}, {"failed": True, "msg": "the module does not build"}]
    lab.answers("lab01", "role", *answers)
    said = lab.maintain(*RESTART, ends=2)
    assert lab.log("lab01")[-1] == "jupyter-keras.service state=started"
    assert report(said)["lab01"].startswith("failed, ")
    assert report(said)["lab01"].endswith(": the module does not build")


def test_a_machine_that_is_worse_than_before_has_failed(lab: Lab) -> None:
    lab.answers("lab01", "gpu_visibility_info", GPUS, {"status": "broken", "summary": "the module is not loaded"})
    said = lab.maintain(ends=2)
    assert report(said)["lab01"].endswith("worse than before: GPUs: the module is not loaded")


@pytest.mark.parametrize("last", ["role name=docker", "reboot"])
def test_a_machine_that_is_lost_on_the_way_is_the_last(tmp_path: Path, last: str) -> None:
    lab = Lab(tmp_path, "lab01", "lab02")
    for name in "lab01", "lab02":
        (lab[name] / "reboot-required").touch()
    (lab["lab01"] / "goes_with").write_text(last)
    said = lab.maintain(*RESTART, ends=2)
    became = report(said)
    assert became["lab01"].startswith("failed, ")
    assert became["lab01"].endswith(": it does not answer any more")
    assert became["lab02"] == "not begun"
    assert lab.log("lab02") == []


def test_no_machine_is_begun_when_the_time_is_over(lab: Lab) -> None:
    assert report(lab.maintain("-e", "maintenance_hours=0")) == {"lab01": "not begun"}
    assert lab.log("lab01") == []


@pytest.fixture
def servers(tmp_path: Path) -> Lab:
    """A registry, a builder, and a workstation that has its turn after them."""
    lab = Lab(tmp_path, "lab01", "lab02", "lab03", maintenance_drain_minutes=0)
    lab.groups = {"registry": ["lab01"], "builder": ["lab02"], "workstations": ["lab03"]}
    return lab


def test_registry_and_builder_have_their_turn(servers: Lab) -> None:
    (servers["lab01"] / "reboot-required").touch()
    became = report(servers.maintain(*RESTART))
    assert servers.log("lab01") == REGISTRY_CARED_FOR
    assert servers.log("lab02") == ["docker upgrade"]
    assert servers.log("lab03")[: len(CARED_FOR)] == CARED_FOR
    assert became.pop("lab01") == "done, It asks for a restart, which is left to a person: the lab has one of it."
    assert became == {"lab02": "done", "lab03": "done"}


def first(calls: list[str], *names: str) -> list[int]:
    """Where each is called first."""
    return [next(at for at, call in enumerate(calls) if call.startswith(name)) for name in names]


@pytest.mark.parametrize("name", ["lab01", "lab02", "lab03"])
def test_the_lists_of_packages_are_there_before_anybody_is_waited_for(servers: Lab, name: str) -> None:
    """Who comes while they are fetched would be cut off."""
    servers.maintain("--limit", name)
    calls = servers.calls(name)
    assert calls[0 if name != "lab03" else 1] == FETCHES
    assert calls.index(FETCHES) < first(calls, "docker_image_work_info")[0]


def test_a_mirror_that_does_not_answer_is_for_the_roles_to_judge(lab: Lab) -> None:
    """They may have the new key of a repository to fetch first."""
    lab.answers("lab01", "apt", {"failed": True, "msg": "the key has expired"})
    lab.maintain()
    assert lab.log("lab01") == CARED_FOR


def test_a_registry_is_not_done_without_the_lists_of_packages(servers: Lab) -> None:
    servers.answers("lab01", "apt", {"failed": True, "msg": "the mirror does not answer"})
    assert report(servers.maintain(ends=2))["lab01"].endswith(": the mirror does not answer")
    assert servers.log("lab01") == []


def test_the_machine_of_a_small_lab_is_all_at_once(servers: Lab) -> None:
    """Its engine has its turn once, with the notebooks."""
    servers.groups = {"registry": ["lab01"], "workstations": ["lab01"]}
    assert report(servers.maintain()) == {"lab01": "done"}
    assert servers.log("lab01") == REGISTRY_CARED_FOR + CARED_FOR


def test_who_pulls_when_a_push_ends_is_seen(servers: Lab) -> None:
    """A registry that is asked before the builder was quiet until then."""
    servers.groups = {"registry": ["lab01"]}
    servers.answers("lab01", "docker_image_work_info", BUILDS, NO_BUILD)
    servers.answers("lab01", "lab_registry_info", PULLED_FROM)
    assert report(servers.maintain()) == {"lab01": f"left as it is, {IS_PULLED_FROM}"}
    calls = servers.calls("lab01")
    assert [call.split()[0] for call in calls[1:4]] == [
        "docker_image_work_info",
        "docker_image_work_info",
        "lab_registry_info",
    ]
    assert servers.log("lab01") == []


def test_the_registry_is_upgraded_directly_after_it_was_looked_at(servers: Lab) -> None:
    servers.groups = {"registry": ["lab01"]}
    assert report(servers.maintain()) == {"lab01": "done"}
    calls = servers.calls("lab01")
    upgraded = calls.index(
        "apt lock_timeout=300 name=['docker-registry', 'apache2-utils'] only_upgrade=True state=latest"
    )
    assert calls[upgraded - 1].startswith("lab_registry_info")
    engine = calls.index("role name=docker upgrade")
    assert [call.split()[0] for call in calls[engine - 2 : engine]] == ["docker_image_work_info", "lab_registry_info"]
    assert engine > upgraded


def test_who_begins_while_another_is_waited_for_is_seen(servers: Lab) -> None:
    """The builder is quiet, then the registry is waited for, and meanwhile a build begins."""
    servers.groups = {"registry": ["lab01"]}
    servers.answers("lab01", "docker_image_work_info", NO_BUILD, BUILDS)
    servers.answers("lab01", "lab_registry_info", PULLED_FROM, QUIET)
    assert report(servers.maintain()) == {"lab01": f"left as it is, {IS_BUILT}"}
    assert servers.log("lab01") == []


def test_a_machine_that_pulls_is_left_as_it_is_whatever_it_is(servers: Lab) -> None:
    servers.answers("lab03", "docker_image_work_info", BUILDS)
    assert report(servers.maintain("--limit", "lab03")) == {"lab03": f"left as it is, {IS_BUILT}"}
    assert servers.log("lab03") == []


@pytest.mark.parametrize(
    ("name", "look", "answers"),
    [
        ("lab01", "lab_registry_info", [LOST, QUIET]),
        ("lab02", "docker_image_work_info", [LOST, NO_BUILD]),
        ("lab03", "jupyter_info", [LOST, IDLE]),
        # The look before the restart.
        ("lab03", "jupyter_info", [IDLE, IDLE, LOST, IDLE]),
        # And the last one: what was closed is opened.
        ("lab03", "docker_image_work_info", [NO_BUILD, NO_BUILD, NO_BUILD, LOST, NO_BUILD]),
    ],
)
def test_a_look_that_is_lost_is_no_quiet_machine(
    servers: Lab, name: str, look: str, answers: list[dict[str, Any] | None]
) -> None:
    (servers[name] / "reboot-required").touch()
    servers.answers(name, look, *answers)
    said = report(servers.maintain(*RESTART, "--limit", name, ends=2))[name]
    assert said.startswith("failed, ")
    assert f"{name} could not be asked who needs it: " in said
    assert "connection reset by peer" in said
    assert (servers[name] / "reboot-required").exists()
    done = servers.log(name)
    assert done[: len(CARED_FOR)] == (CARED_FOR if answers[0] is not LOST else [])
    assert ("jupyter-keras.service state=stopped" in done) == (done[-1:] == [NOTEBOOK_OPENS]) == (len(answers) == 5)


STOPPED = "jupyter-keras.service state=stopped"
ACTS = [*CARED_FOR, STOPPED, "nvidia_driver upgrade", "", "nvidia_driver as it is"]


@pytest.mark.parametrize(
    ("module", "answers", "done"),
    [
        ("apt", [LOST, {}], []),
        ("role", [LOST, {}], CARED_FOR[:1]),
        ("role", [{}, LOST, {}], CARED_FOR[:2]),
        ("role", [{}, {}, LOST, {}], CARED_FOR),
        ("systemd_service", [LOST, {}], [*ACTS[:4], NOTEBOOK_OPENS]),
        ("role", [{}, {}, {}, LOST, {}], [*ACTS[:5], NOTEBOOK_OPENS]),
        ("command", [LOST, {}], [*ACTS[:5], NOTEBOOK_OPENS]),
        ("reboot", [LOST], [*ACTS[:6], NOTEBOOK_OPENS]),
        ("role", [{}, {}, {}, {}, LOST, {}], [*ACTS, NOTEBOOK_OPENS]),
        ("systemd_service", [{}, LOST], [*ACTS, NOTEBOOK_OPENS]),
    ],
)
def test_a_step_whose_answer_is_lost_is_not_done(
    lab: Lab, module: str, answers: list[dict[str, Any] | None], done: list[str]
) -> None:
    """Nor is it known to be: what follows, a restart above all, is not begun."""
    lab.answers("lab01", module, *answers)
    said = report(lab.maintain(*RESTART, ends=2))["lab01"]
    assert said.startswith("failed, ")
    assert "connection reset by peer" in said
    assert said.endswith("of which nobody knows how far it came. Run this again.")
    assert lab.log("lab01") == done


def tasks_of(role: str) -> Iterator[dict[str, Any]]:
    for path in sorted((ROOT / "roles" / role / "tasks").glob("*.yml")):
        yield from yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_driver_registers_all_that_it_does_to_a_machine() -> None:
    """After it comes the restart, and a lost answer is seen only there."""
    here = re.compile(
        r"ansible[.]builtin[.](set_fact|debug|fail|(include|import)_tasks)|gpulab[.]workstation[.]require_lists"
    )
    silent = [
        task["name"]
        for task in tasks_of("nvidia_driver")
        if "register" not in task and not any(here.fullmatch(key) for key in task)
    ]
    assert silent == []


def test_an_upgrade_whose_answer_is_lost_is_not_done(lab: Lab) -> None:
    lab.answers("lab01", "apt", {}, LOST)
    said = report(lab.maintain(*RESTART, "-e", "maintenance_upgrade_packages=true", ends=2))["lab01"]
    assert said.startswith("failed, ")
    assert "(maintenance_upgraded: " in said
    assert not [call for call in lab.calls("lab01") if call.startswith(("reboot", "systemd_service"))]


@pytest.mark.parametrize(
    ("module", "answers", "done"),
    [("apt", [{}, LOST], REGISTRY_CARED_FOR[:1]), ("role", [LOST, {}], REGISTRY_CARED_FOR)],
)
def test_a_registry_whose_answer_is_lost_is_not_done(
    servers: Lab, module: str, answers: list[dict[str, Any] | None], done: list[str]
) -> None:
    servers.answers("lab01", module, *answers)
    assert report(servers.maintain("--limit", "lab01", ends=2))["lab01"].startswith("failed, ")
    assert servers.log("lab01") == done


def test_it_is_not_restarted_while_packages_are_upgraded(lab: Lab) -> None:
    lab.answers("lab01", "command", {"rc": 100, "stdout": "", "stderr": "E: Could not get lock", "failed": True})
    said = report(lab.maintain(*RESTART))["lab01"]
    assert said == "done, It asks for a restart, and has not been: its packages: E: Could not get lock."
    assert (lab["lab01"] / "reboot-required").exists()


@pytest.mark.parametrize(
    ("looks_before", "done"),
    [
        # While its notebooks were waited for: nothing of the engine. Two looks are the registry's, and one waits.
        (3, []),
        # While it was upgraded: the notebooks are not even closed.
        (4, CARED_FOR),
        # While a driver was built.
        (5, [*CARED_FOR, "jupyter-keras.service state=stopped", "nvidia_driver upgrade", NOTEBOOK_OPENS]),
    ],
)
def test_what_begins_there_after_its_turn_as_a_server_is_not_cut_off(
    servers: Lab, looks_before: int, done: list[str]
) -> None:
    servers.groups = {"registry": ["lab01"], "workstations": ["lab01"]}
    (servers["lab01"] / "reboot-required").touch()
    servers.hosts["lab01"]["lab_registry_notes"] = ["Its disk is full."]
    servers.answers("lab01", "docker_image_work_info", *[NO_BUILD] * looks_before, BUILDS)
    said = report(servers.maintain(*RESTART))["lab01"]
    assert servers.log("lab01") == REGISTRY_CARED_FOR + done
    if done:
        assert said == f"done, Its disk is full. It asks for a restart, and has not been: {IS_BUILT}."
    else:
        assert said == f"registry done, the rest left as it is, {IS_BUILT}. Its disk is full."


def test_a_new_driver_waits_for_who_pulls_meanwhile(servers: Lab) -> None:
    """For the restart, without which nothing new could use the GPUs; and the role does not do it without asking."""
    servers.groups = {"registry": ["lab01"], "workstations": ["lab01"]}
    servers.hosts["lab01"].update(nvidia_driver_install=True, nvidia_driver_reboot=True)
    wants = {**ANSWERS["nvidia_driver_info"], "reboot_required": True}
    servers.answers("lab01", "nvidia_driver_info", wants)
    servers.answers("lab01", "lab_registry_info", *[QUIET] * 5, PULLED_FROM, QUIET)
    said = servers.maintain(*RESTART, "-e", "maintenance_drain_minutes=0.05")
    assert report(said) == {"lab01": "done"}
    looks = [at for call, at in servers.timed("lab01") if call.startswith("lab_registry_info")]
    assert looks[6] - looks[5] > 1
    assert servers.log("lab01")[len(REGISTRY_CARED_FOR) :] == [
        *CARED_FOR,
        "jupyter-keras.service state=stopped",
        "nvidia_driver upgrade",
        "",
        "nvidia_driver as it is",
        NOTEBOOK_OPENS,
    ]


@pytest.mark.parametrize(
    ("arguments", "way"),
    [
        ((), "-e maintenance_reboot=true does it."),
        (RESTART, "This playbook does it, when nobody needs the machine."),
    ],
)
def test_the_role_restarts_nothing_whoever_asks_for_it(lab: Lab, arguments: tuple[str, ...], way: str) -> None:
    """It would ask the GPUs only; -e wins over whatever the playbook says in its name."""
    lab.hosts["lab01"].update(driver_is_new=True)
    lab.answers("lab01", "jupyter_info", IDLE, IDLE, AT_WORK)
    said = report(lab.maintain(*arguments, "-e", "nvidia_driver_reboot=true"))["lab01"]
    assert lab.log("lab01") == CARED_FOR
    assert f"lab01 needs a reboot, because 550 is loaded. {way} " in said


def test_why_a_new_driver_is_not_in_use_is_said(servers: Lab) -> None:
    """The GPUs are broken until the restart, and that is what else would be all."""
    servers.groups = {"registry": ["lab01"], "workstations": ["lab01"]}
    (servers["lab01"] / "reboot-required").touch()
    servers.answers(
        "lab01", "gpu_visibility_info", GPUS, {"status": "broken", "summary": "Driver/library version mismatch"}
    )
    servers.answers("lab01", "lab_registry_info", *[QUIET] * 5, PULLED_FROM)
    said = report(servers.maintain(*RESTART, ends=2))["lab01"]
    assert said.endswith(f"GPUs: Driver/library version mismatch It has not been restarted: {IS_PULLED_FROM}")


NEWER_DRIVER = {**ANSWERS["nvidia_driver_info"], "plan": {"upgrades": ["nvidia-driver"]}}


def test_why_a_new_driver_is_not_installed_is_said(lab: Lab) -> None:
    """What the role noted, which is all that says it: nothing was restarted, so it is not asked again."""
    (lab["lab01"] / "reboot-required").unlink()
    lab.hosts["lab01"].update(nvidia_driver_install=True, driver_waits=["575 is not installed: train.py computes."])
    lab.answers("lab01", "nvidia_driver_info", NEWER_DRIVER, ANSWERS["nvidia_driver_info"])
    assert report(lab.maintain(*RESTART)) == {"lab01": "done, 575 is not installed: train.py computes."}
    assert lab.log("lab01") == [*CARED_FOR, STOPPED, "nvidia_driver upgrade", NOTEBOOK_OPENS]


def test_who_keeps_a_new_driver_from_its_restart_is_said(lab: Lab) -> None:
    """Nothing but the driver wants one."""
    (lab["lab01"] / "reboot-required").unlink()
    lab.hosts["lab01"].update(nvidia_driver_install=True)
    lab.answers("lab01", "nvidia_driver_info", NEWER_DRIVER)
    lab.answers("lab01", "jupyter_info", IDLE, IDLE, AT_WORK)
    said = report(lab.maintain(*RESTART))["lab01"]
    assert said == "done, For its driver it was to be restarted, and has not been: digits.ipynb runs a cell."
    assert lab.log("lab01") == CARED_FOR


@pytest.mark.parametrize("busy", [PULLED_FROM, CLEANED])
def test_a_registry_that_is_needed_and_a_builder_that_builds_are_left_as_they_are(
    servers: Lab, busy: dict[str, Any]
) -> None:
    servers.answers("lab01", "lab_registry_info", busy)
    servers.answers("lab02", "docker_image_work_info", BUILDS)
    became = report(servers.maintain())
    assert servers.log("lab01") == servers.log("lab02") == []
    assert became.pop("lab01").startswith("left as it is, somebody pulls from the registry or pushes to it")
    assert became == {"lab02": f"left as it is, {IS_BUILT}", "lab03": "done"}


def test_a_builder_that_cannot_be_asked_has_failed(servers: Lab) -> None:
    refused = {"failed": True, "msg": "The processes of this machine cannot be seen."}
    servers.answers("lab02", "docker_image_work_info", refused)
    became = report(servers.maintain(ends=2))
    assert became["lab02"].startswith("failed, ")
    assert became["lab02"].endswith("The processes of this machine cannot be seen.")
    assert became["lab03"] == "not begun"


class Sleepers:
    """Network cards that wait for the packet with their own address, and then switch their machine on."""

    def __init__(self, machines: dict[bytes, Path]) -> None:
        self.machines = machines
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((LOOPBACK, DISCARD))
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        while packet := self.socket.recv(1024):
            for address, machine in self.machines.items():
                if b"\xff" * 6 + address * 16 in packet:
                    (machine / "gone").unlink(missing_ok=True)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            end.sendto(b"", (LOOPBACK, DISCARD))
        self.thread.join()
        self.socket.close()


@pytest.fixture
def asleep(tmp_path: Path) -> Iterator[Lab]:
    """Two machines that are off; only lab01 has a network card that listens."""
    lab = Lab(tmp_path, "lab01", "lab02", maintenance_wake_broadcast=LOOPBACK, maintenance_wake_seconds=3)
    for name, last in {"lab01": 1, "lab02": 2}.items():
        lab.hosts[name]["maintenance_wake_mac"] = f"00:00:5e:00:53:0{last}"
        (lab[name] / "gone").touch()
    sleepers = Sleepers({bytes.fromhex("00005e005301"): lab["lab01"]})
    yield lab
    sleepers.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="the port of the packet is below 1024")
def test_a_machine_that_sleeps_is_woken_and_another_holds_nobody_back(asleep: Lab) -> None:
    became = report(asleep.maintain())
    assert became["lab01"] == "done"
    assert became["lab02"].startswith("not reached, ")


@pytest.mark.skipif(os.geteuid() != 0, reason="the port of the packet is below 1024")
def test_a_run_that_reaches_nobody_is_not_green(asleep: Lab) -> None:
    said = asleep.maintain("--limit", "lab02", ends=2)
    assert report(said)["lab02"].startswith("not reached, ")
    assert "No machine was reached (1 tried)" in said


def test_a_machine_that_is_off_has_not_failed_in_check_mode_either(lab: Lab) -> None:
    (lab["lab01"] / "gone").touch()
    assert report(lab.maintain("--check", ends=2))["lab01"].startswith("not reached, ")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "maintenance_hours=12h",
            "maintenance_hours is 12h for lab01, which is no number. Write for example maintenance_hours: 2.",
        ),
        (
            "maintenance_drain_minutes=1h maintenance_max_failed=one",
            "maintenance_max_failed is one for lab01, which is no number. ",
        ),
        (
            "maintenance_batch=half",
            "no number of machines and no percentage. Write for example maintenance_batch: 10%.",
        ),
    ],
)
def test_what_is_no_number_is_not_taken_for_nothing(lab: Lab, given: str, said: str) -> None:
    assert said in " ".join(lab.maintain("-e", given, ends=2).split())
    assert lab.calls("lab01") == []


def test_what_is_no_number_of_one_machine_leaves_that_one_out(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "lab01", "lab02")
    lab.hosts["lab01"]["maintenance_drain_minutes"] = "1h"
    became = report(lab.maintain(ends=2))
    assert became["lab01"].startswith("not begun, maintenance_drain_minutes is 1h for lab01, which is no number.")
    assert became["lab02"] == "done"
    assert lab.calls("lab01") == []


def noted(said: str, name: str) -> list[float]:
    """What set_fact said with -v."""
    return [float(value) for value in re.findall(rf"{name}\W+([\d.]+)", said)]


def test_what_is_empty_is_as_if_it_was_not_given(lab: Lab) -> None:
    (lab["lab01"] / "reboot-required").unlink()
    names = ("batch", "max_failed", "drain_minutes", "hours", "wake_seconds")
    said = lab.maintain("-v", "-e", json.dumps({f"maintenance_{name}": None for name in names}))
    assert report(said) == {"lab01": "done"}
    began, until = noted(said, "maintenance_began")[0], noted(said, "maintenance_drain_until")[0]
    assert 3600 <= until - began < 3700


def test_batches_may_grow(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "lab01", "lab02", "lab03")
    said = lab.maintain("-e", json.dumps({"maintenance_batch": [1, "100%"]}))
    assert set(report(said).values()) == {"done"}
    assert said.count("PLAY [Maintain]") == 2


@pytest.mark.parametrize(("batch", "minutes"), [(1, 60), (2, 10)])
def test_one_machine_does_not_keep_the_notebooks_of_the_others_closed(tmp_path: Path, batch: int, minutes: int) -> None:
    lab = Lab(tmp_path, "lab01", "lab02")
    for name in "lab01", "lab02":
        (lab[name] / "reboot-required").touch()
    said = lab.maintain(*RESTART, "-v", "-e", f"maintenance_batch={batch}", "--limit", "lab01" if batch == 1 else "all")
    assert set(report(said).values()) == {"done"}
    began = noted(said, "maintenance_began")[0]
    before_the_restart = noted(said, "maintenance_drain_until")[-1]
    assert 60 * minutes <= before_the_restart - began < 60 * minutes + 100
