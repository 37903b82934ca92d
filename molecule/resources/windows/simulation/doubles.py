# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the collections of doubles: python -m simulation.doubles FOLDER

Each double takes the parameters that the documentation of the real module says, and no others; so a parameter that
does not exist, or not any more, fails here as it would on Windows. Whether it works in check mode is read from the
real code.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import ansible_collections

from . import files, software, system

COLLECTIONS: dict[str, dict[str, t.Any]] = {
    "ansible.windows": {
        "setup": system,
        "slurp": files,
        "win_command": software,
        "win_copy": files,
        "win_file": files,
        "win_get_url": files,
        "win_group_membership": system,
        "win_listen_ports_facts": system,
        "win_optional_feature": system,
        "win_package": software,
        "win_reboot": system,
        "win_reg_stat": system,
        "win_service": system,
        "win_stat": files,
        "win_uri": software,
    },
    "community.windows": {
        "win_disk_facts": system,
        "win_file_version": files,
        "win_firewall_rule": system,
        "win_scheduled_task": system,
    },
    "chocolatey.chocolatey": {"win_chocolatey": software},
}
# These run as jobs, which the controller asks for again and again until their deadline.
WITH_DEADLINE = ("win_command", "win_get_url", "win_package")
KEPT = ("aliases", "choices", "default", "elements", "required", "type")
# Actions run in Ansible's own process, which is five times as fast as a module, and ten times as fast as one with a
# deadline.
ACTION = """
import json
import sys
from pathlib import Path

from ansible.plugins.action import ActionBase

sys.path.insert(0, {package!r})
from simulation import {behaviour}, jobs
from simulation.machine import Machine, ModuleError


class ActionModule(ActionBase):
    _supports_check_mode = {check}
    _supports_async = {deadline}

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _checked, params = self.validate_argument_spec(argument_spec=json.loads({spec!r}))
        machine = Machine(Path(self._templar.template(task_vars["ansible_python_interpreter"])).parent)
        if {deadline}:
            self._compute_environment_string(machine.environment)
        try:
            result = {behaviour}.{name}(machine, params, self._task.check_mode)
        except ModuleError as error:
            result = {{"failed": True, "msg": str(error), **error.more}}
        return jobs.begin(result, self._task) if {deadline} else result
"""
# Ansible's own asks a module of the machine. This one is found first, by the path of action plugins.
ASYNC_STATUS = """
import sys

from ansible.plugins.action import ActionBase

sys.path.insert(0, {package!r})
from simulation import jobs


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        return jobs.status(self._task.args["jid"])
"""


def argument_spec(options: dict[str, t.Any]) -> dict[str, t.Any]:
    spec: dict[str, t.Any] = {}
    for name, option in options.items():
        spec[name] = {key: option[key] for key in KEPT if key in option}
        # Documentation for people says `*regex*` where any text may stand.
        if any("*" in str(choice) for choice in option.get("choices", ())):
            del spec[name]["choices"]
        if "suboptions" in option:
            spec[name]["options"] = argument_spec(option["suboptions"])
    return spec


def real(collection: str) -> Path:
    places = (Path(place, *collection.split(".")) for place in ansible_collections.__path__)
    return next(place for place in places if place.is_dir())


def supports_check_mode(collection: str, name: str) -> bool:
    code = real(collection) / "plugins" / "modules" / f"{name}.ps1"
    found = re.search(r"supports_check_mode\s*=?\s*\$(true|false)", code.read_text(), re.I) if code.exists() else None
    # win_reboot is an action, and has no code of its own in PowerShell.
    return found is None or found[1].lower() == "true"


def build(folder: Path) -> None:
    package = str(Path(__file__).parents[1])
    names = [f"{collection}.{name}" for collection, doubles in COLLECTIONS.items() for name in doubles]
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--json", "--type", "module", *names]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for collection, doubles in COLLECTIONS.items():
        plugins = Path(folder, "ansible_collections", *collection.split("."), "plugins")
        for name, behaviour in doubles.items():
            file = plugins / "action" / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            text = ACTION.format(
                name=name,
                behaviour=behaviour.__name__.rpartition(".")[2],
                spec=json.dumps(argument_spec(said[f"{collection}.{name}"]["doc"].get("options") or {})),
                check=supports_check_mode(collection, name),
                deadline=name in WITH_DEADLINE,
                package=package,
            )
            file.write_text(text)
    file = folder / "action" / "async_status.py"
    file.parent.mkdir()
    file.write_text(ASYNC_STATUS.format(package=package))


if __name__ == "__main__":
    build(Path(sys.argv[1]))
