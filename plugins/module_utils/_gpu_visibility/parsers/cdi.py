# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CDI specification, in JSON or in the YAML that nvidia-ctk writes."""

from __future__ import annotations

import json
import re
import typing as t

from . import yaml_subset

KIND = "nvidia.com/gpu"
_LIBRARY = re.compile(r"/lib(?:cuda|nvidia-ml)\.so\.(\d+(?:\.\d+)+)$", re.ASCII)


class DeviceNode(t.NamedTuple):
    path: str  # on the host
    major: int | None
    minor: int | None


class Spec(t.NamedTuple):
    kind: str | None
    devices: dict[str, list[DeviceNode]]  # by name
    common: list[DeviceNode]
    host_paths: list[str]  # what it mounts and what it runs
    driver_version: str | None
    problem: str | None  # why this is not known
    version: str | None = None  # cdiVersion: what an engine has to know to read it

    @property
    def is_gpu(self) -> bool:
        return self.kind == KIND

    def all_nodes(self) -> list[DeviceNode]:
        """Each node once, however many devices share it."""
        return list(dict.fromkeys([*self.common, *(node for nodes in self.devices.values() for node in nodes)]))


def parse(text: str) -> Spec:
    try:
        document = json.loads(text) if text.lstrip()[:1] == "{" else yaml_subset.load(text)
    except (ValueError, RecursionError) as error:
        return _unknown(str(error))
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        return _unknown("it names no kind of device")
    common = _dict(document.get("containerEdits"))
    devices = {
        str(device["name"]): _nodes(_dict(device.get("containerEdits")))
        for device in _dicts(document.get("devices"))
        if device.get("name") not in (None, "")
    }
    edits = [common, *(_dict(device.get("containerEdits")) for device in _dicts(document.get("devices")))]
    mounts = [str(mount["hostPath"]) for edit in edits for mount in _dicts(edit.get("mounts")) if mount.get("hostPath")]
    hooks = [str(hook["path"]) for edit in edits for hook in _dicts(edit.get("hooks")) if hook.get("path")]
    versions = [found[1] for found in map(_LIBRARY.search, mounts) if found]
    return Spec(
        kind=document["kind"],
        devices=devices,
        common=_nodes(common),
        host_paths=list(dict.fromkeys([*mounts, *hooks])),
        driver_version=versions[0] if versions else None,
        problem=None,
        version=str(document["cdiVersion"]) if isinstance(document.get("cdiVersion"), (str, int, float)) else None,
    )


def _unknown(problem: str) -> Spec:
    return Spec(None, {}, [], [], None, problem)


def _nodes(edits: dict[str, t.Any]) -> list[DeviceNode]:
    found = []
    for node in _dicts(edits.get("deviceNodes")):
        path = node.get("hostPath") or node.get("path")
        if path:
            major = _number(node.get("major"))
            # nvidia-ctk leaves out a minor number of 0.
            found.append(DeviceNode(str(path), major, None if major is None else _number(node.get("minor")) or 0))
    return found


def _number(value: t.Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _dict(value: t.Any) -> dict[str, t.Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: t.Any) -> list[dict[str, t.Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
