# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluates variables of a role, and what tasks say, as Ansible does: a line of JSON in, a line of JSON out.

A process of its own, because Ansible's plugin loader takes over the import of ansible_collections.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from jinja2 import Environment

LOADER = DataLoader()
SAYING = ("ansible.builtin.fail", "gpulab.workstation.print_text")
# One, so that the templates that a hundred questions share are compiled once.
TEMPLAR = Templar(loader=LOADER)


@functools.cache
def variables(role: str) -> dict[str, Any]:
    """The role's own, and those of a lab of one machine."""
    found = {"role_path": role, "ansible_check_mode": False, "inventory_hostname": "lab01", "inventory_dir": "/lab"}
    found |= {"groups": {"all": ["lab01"], "workstations": ["lab01"]}, "hostvars": {"lab01": {}}}
    for path in [
        Path(role, "defaults/main.yml"),
        *Path(role, "vars").glob("main.yml"),
        *Path(role, "vars/main").glob("*.yml"),
    ]:
        found |= LOADER.load_from_file(str(path), trusted_as_template=True)
    return found | {"keras_image_wanted": trust_as_template("{{ __keras_image_computed }}")}


def evaluate(role: str, template: str, given: dict[str, Any], templates: dict[str, Any]) -> Any:
    TEMPLAR.available_variables = variables(role) | given | trusted(templates)
    return TEMPLAR.template(trust_as_template(template))


def trusted(value: Any) -> Any:
    """As if it stood in the role."""
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


@functools.cache
def load(path: str) -> Any:
    return LOADER.load_from_file(path, trusted_as_template=True)


def find(name: str, tasks: list[dict[str, Any]], around: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """The tasks of that name, each with the variables of what is around it."""
    for task in tasks:
        those = around | task.get("vars", {})
        if task.get("name") == name and not {"tasks", "block"} & task.keys():
            yield task, those
        for part in ("tasks", "block", "rescue", "always"):
            yield from find(name, task.get(part, []), those)


def say(path: str, task: str, role: str, given: dict[str, Any]) -> str | None:
    """What the task of that name prints or fails with; None where its conditions do not hold."""
    ((found, around),) = find(task, load(path), variables(role) if role else {})
    TEMPLAR.available_variables = around | given
    conditions = found.get("when", [])
    if not all(map(TEMPLAR.evaluate_conditional, conditions if isinstance(conditions, list) else [conditions])):
        return None
    (text,) = [value.get("msg") or value.get("text") for key, value in found.items() if key in SAYING]
    return str(TEMPLAR.template(text))


def answer(path: str = "", **asked: Any) -> dict[str, Any]:
    try:
        return {"value": say(path, **asked) if path else evaluate(**asked)}
    except AnsibleError as error:
        return {"error": str(error)}


init_plugin_loader()
with mock.patch.object(Environment, "compile", functools.cache(Environment.compile)):
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)
