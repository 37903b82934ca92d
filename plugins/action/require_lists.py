# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import re
import shlex
import typing as t
from pathlib import Path

import yaml
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.yaml import yaml_dump, yaml_load
from ansible.plugins.action import ActionBase

_ONE_LINE = 2**31 - 1
Options = t.Mapping[str, t.Mapping[str, t.Any]]


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, asked = self.validate_argument_spec(
            {"role": {"type": "path"}, "variables": {"type": "list", "elements": "str", "default": []}},
        )
        variables = task_vars or {}
        options: dict[str, t.Any] = {name: {"type": "list"} for name in asked["variables"]}
        if asked["role"]:
            options.update(options_of(Path(asked["role"])))
        found: list[str] = []
        for name in lists_of(options) & variables.keys():
            if "default" in options[name] and variables[name] == options[name]["default"]:
                # It may be made from the variables of all hosts.
                continue
            # What it is made from may be missing, and who uses it says that better.
            with contextlib.suppress(AnsibleError):
                value = self._templar.template(variables[name])
                found += problems({name: value}, options, f"of {variables['inventory_hostname']}")
        return {**result, "changed": False, "failed": bool(found), "msg": " ".join(sorted(found))}


def options_of(role: Path) -> dict[str, t.Any]:
    """Of all its entry points, because the default of a variable is there in each of them."""
    path = role / "meta" / "argument_specs.yml"
    try:
        entry_points = yaml_load(path.read_text("utf-8"))["argument_specs"].values()
    except OSError as error:
        raise AnsibleActionFail(f"{path} cannot be read: {error.strerror}. `role` takes a role's directory.") from error
    return {name: spec for entry_point in entry_points for name, spec in (entry_point.get("options") or {}).items()}


def lists_of(options: Options) -> set[str]:
    return {name for name, option in options.items() if option.get("type") == "list"}


def problems(values: t.Mapping[str, t.Any], options: Options, place: str, nested: bool = False) -> t.Iterator[str]:
    """A sentence for each of these values, and for each inside of one, that is no list and should be one."""
    for name in lists_of(options) & values.keys():
        option, value = options[name], values[name]
        elements = option.get("elements")
        if not isinstance(value, (list, tuple)):
            right = as_list(value, elements)
            way = f"`{name}: {right}`"
            if not nested and elements != "dict":
                typed = json.dumps({name: yaml.safe_load(right)}, default=str, ensure_ascii=False)
                way += f", or on the command line -e {shlex.quote(typed)}"
            yield f"{name} {place} is {described(value)}, and should be a list: {way}."
        elif elements == "list":
            for element in value:
                if not isinstance(element, (list, tuple)):
                    right = as_list(element)
                    yield f"{name} {place} has {described(element)} where a list should be: `{name}: [{right}]`."
        elif elements == "dict":
            for element in value:
                if isinstance(element, t.Mapping):
                    yield from problems(element, option.get("options") or {}, f"in {name} {place}", nested=True)


def described(value: t.Any) -> str:
    if value is None or value == "":
        return "empty"
    if isinstance(value, str):
        return f"the text {value}"
    return "a dictionary" if isinstance(value, t.Mapping) else str(value)


def as_list(value: t.Any, elements: str | None = None) -> str:
    """How the list is written that this value was most likely meant to be."""
    if value is None or value == "":
        return "[]"
    if elements == "dict":
        return "[{KEY: VALUE}]"
    if isinstance(value, t.Mapping):
        value = ",".join(value)
    parts = parts_of(value) if isinstance(value, str) else [value]
    if elements == "list" and not all(isinstance(part, list) for part in parts):
        parts = [parts]
    return str(yaml_dump(parts, default_flow_style=True, width=_ONE_LINE, allow_unicode=True)).strip()


def parts_of(text: str) -> list[t.Any]:
    if text.lstrip().startswith("["):
        with contextlib.suppress(yaml.YAMLError):
            written = yaml.safe_load(text)
            if isinstance(written, list):
                return written
    parts = [part.strip() for part in text.split(",")]
    # The comma in `polars>=1,<2` separates nothing.
    return parts if all(re.fullmatch(r"[\w./:-]+", part) for part in parts) else [text.strip()]
