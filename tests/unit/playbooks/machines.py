# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines for playbooks/maintenance.yml that are directories: what they answer is written there, and what befell them.

The playbook is the real one, and so is Ansible. In place of the collection's modules and roles stand actions that note
their call in the machine's `log`, and answer with what the test has put into NAME.json: a list, of which each call
takes the first, and the last stays; None stands for a connection that is lost for this one call. A machine that has the
file `gone` does not answer, whoever asks; the call that its file `goes_with` names is its last.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.connection import local
from ansible_collections.gpulab.workstation.tests.unit.ansible_playbook import ansible_playbook

ROOT = Path(__file__).resolve().parents[3]
ROLES = ("docker", "nvidia_container_toolkit", "nvidia_driver", "lab_registry")
NOTEBOOK = {"name": "keras", "busy": [], "health": "healthy", "container": "4f1c"}
GPUS = {"status": "ok", "summary": "2 of 2 GPUs visible in cdi"}
QUIET = {
    "ports": {"5000": {"listening": True, "clients": 0}, "5001": {"listening": True, "clients": 0}},
    "units": {"docker-registry-clean.service": {"active": False}},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "apt": {"changed": True},
    "command": {"rc": 0, "stdout": "", "stderr": ""},
    "gpu_visibility_info": GPUS,
    "jupyter_info": {"instances": [NOTEBOOK]},
    "docker_image_work_info": {"processes": []},
    "lab_registry_info": QUIET,
    "nvidia_driver_info": {"in_use": [], "reboot_obstacles": [], "reboot_required": False, "plan": {"upgrades": []}},
    "print_text": {},
    "reboot": {"changed": True},
    "role": {},
    "systemd_service": {"changed": True},
}
LOOKS = (
    "gpu_visibility_info",
    "jupyter_info",
    "lab_registry_info",
    "nvidia_driver_info",
    "docker_image_work_info",
    "command",
)
FETCHES = "apt lock_timeout=300 update_cache=True"
# Of the role nvidia_driver, with what a test says of the machine: driver_is_new, driver_waits.
DRIVER_SEES = {
    "__nvidia_driver_seen": {
        "reboot_required": True,
        "reboot_obstacles": [],
        "reboot_reasons": ["550 is loaded"],
        "in_use": [],
    }
}
DRIVER_SAYS = {
    "nvidia_driver_pending": "{{ driver_is_new | default(false) | ternary([__nvidia_driver_reboot_sentence], [])"
    " + (nvidia_driver_upgrade | bool) | ternary(driver_waits | default([]), []) }}"
}
# What would look at the machine that the tests run on, or act on it.
ELSEWHERE = {
    "ansible.builtin.apt:": "gpulab.workstation.apt:",
    "ansible.builtin.command:": "gpulab.workstation.command:",
    "ansible.builtin.reboot:\n": "gpulab.workstation.reboot:\n",
    "ansible.builtin.systemd_service:": "gpulab.workstation.systemd_service:",
    "path: /run/reboot-required": 'path: "{{ machine }}/reboot-required"',
}
ACTION = """
import json
import time
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        machine = Path(task_vars["machine"])
        given = self._task.args
        call = " ".join(["{name}", *(f"{{key}}={{given[key]}}" for key in sorted(given))])
        if "{name}" == "print_text":
            Display().display(given["text"])
            return {{"changed": False}}
        goes = machine / "goes_with"
        if goes.exists() and call.startswith(goes.read_text()):
            (machine / "gone").touch()
        if (machine / "gone").exists():
            raise AnsibleConnectionFailure("no route to host")
        with (machine / "log").open("a") as log:
            log.write(f"{{call}}\\t{{time.monotonic()}}\\n")
        if "{name}" == "reboot":
            (machine / "reboot-required").unlink(missing_ok=True)
        answers = machine / "{name}.json"
        if not answers.exists():
            return json.loads({answer!r})
        first, *rest = json.loads(answers.read_text())
        answers.write_text(json.dumps(rest or [first]))
        if first is None:
            raise AnsibleConnectionFailure("connection reset by peer")
        return first
"""
CONNECTION = """
DOCUMENTATION = {documentation!r}

from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import local


class Connection(local.Connection):
    transport = "gpulab.workstation.machine"

    def exec_command(self, *args, **kwargs):
        if Path({machines!r}, self._play_context.remote_addr, "gone").exists():
            raise AnsibleConnectionFailure("no route to host")
        return super().exec_command(*args, **kwargs)
"""


class Lab:
    """The groups of an inventory; each machine is a directory of `path`."""

    def __init__(self, path: Path, *names: str, **variables: Any) -> None:
        self.path = path / "machines"
        self.collections = path / "collections"
        for name in names:
            (self.path / name).mkdir(parents=True)
        self.groups: dict[str, list[str]] = {"workstations": list(names)}
        self.hosts: dict[str, dict[str, Any]] = {name: {} for name in names}
        self.variables = {
            "ansible_become": False,
            "ansible_connection": "gpulab.workstation.machine",
            "ansible_python_interpreter": sys.executable,
            "machine": f"{self.path}/{{{{ inventory_hostname }}}}",
            **variables,
        }
        self._build()

    def __getitem__(self, name: str) -> Path:
        return self.path / name

    def answers(self, name: str, module: str, *answers: dict[str, Any] | None) -> None:
        (self[name] / f"{module}.json").write_text(json.dumps(answers))

    def timed(self, name: str) -> list[tuple[str, float]]:
        """All that was asked of it, and when, in seconds."""
        log = self[name] / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [(call, float(at)) for call, _tab, at in (line.rpartition("\t") for line in lines)]

    def calls(self, name: str) -> list[str]:
        return [call for call, _at in self.timed(name)]

    def log(self, name: str) -> list[str]:
        """What was done to it, without what only looked."""
        acts = [line for line in self.calls(name) if not line.startswith(LOOKS) and line != FETCHES]
        return [line.partition("name=")[2] for line in acts]

    def maintain(self, *arguments: str, ends: int = 0) -> str:
        """Run it, and return what was printed."""
        inventory = self.path / "lab.yml"
        hosts = {name: {**given, "machine": str(self[name])} for name, given in self.hosts.items()}
        groups = {group: {"hosts": {name: hosts[name] for name in names}} for group, names in self.groups.items()}
        inventory.write_text(yaml.safe_dump({**groups, "all": {"vars": self.variables}}))
        playbook = self.collections / "ansible_collections/gpulab/workstation/playbooks/maintenance.yml"
        environment = {"ANSIBLE_COLLECTIONS_PATH": str(self.collections), "NO_COLOR": "1", "COLUMNS": "300"}
        done = ansible_playbook(
            "-i", inventory, playbook, *arguments, cwd=self.path, ends=ends, environment=environment
        )
        assert "Could not match supplied host pattern" not in done.stderr, "a lab need not have every group"
        return done.stdout

    def _build(self) -> None:
        collection = self.collections / "ansible_collections/gpulab/workstation"
        actions = collection / "plugins/action"
        actions.mkdir(parents=True)
        for name, answer in ANSWERS.items():
            (actions / f"{name}.py").write_text(ACTION.format(name=name, answer=json.dumps(answer)))
        connections = collection / "plugins/connection"
        connections.mkdir()
        documentation = local.DOCUMENTATION.replace("name: local", "name: machine")
        text = CONNECTION.format(documentation=documentation, machines=str(self.path))
        (connections / "machine.py").write_text(text)
        for role in ROLES:
            tasks = collection / "roles" / role / "tasks"
            tasks.mkdir(parents=True)
            told = f"{role} {{{{ {role}_upgrade | default(false) | ternary('upgrade', 'as it is') }}}}"
            call: dict[str, Any] = {"gpulab.workstation.role": {"name": told}, "register": f"__{role}_apt"}
            tasks.joinpath("main.yml").write_text(json.dumps([call]))
            if role == "nvidia_driver":
                # Its own variables, over which the playbook's must win.
                for own in "defaults", "vars":
                    shutil.copytree(ROOT / "roles" / role / own, tasks.parent / own)
                told += "{{ ' and reboot' if __nvidia_driver_may_reboot else '' }}"
                call["gpulab.workstation.role"]["name"] = told
                driver = [{"ansible.builtin.set_fact": DRIVER_SEES}, call, {"ansible.builtin.set_fact": DRIVER_SAYS}]
                tasks.joinpath("main.yml").write_text(json.dumps(driver))
        playbooks = collection / "playbooks"
        shutil.copytree(ROOT / "playbooks", playbooks)
        for file in playbooks.glob("tasks/*.yml"):
            words = file.read_text(encoding="utf-8")
            for ours, stand_in in ELSEWHERE.items():
                words = words.replace(ours, stand_in)
            file.write_text(words)
