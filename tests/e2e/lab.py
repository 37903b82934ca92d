# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of 60 machines, as playbooks/fleet_report.yml sees it on a Monday morning. Always the same one."""

from __future__ import annotations

import json
import random
from typing import Any

from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility import catalogue
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.detect import Hit
from ansible_collections.gpulab.workstation.plugins.plugin_utils._fleet_report.build import build
from ansible_collections.gpulab.workstation.plugins.plugin_utils._fleet_report.structure import LAYERS, Report

HOSTS = 60
MADE_AT = 1795414980  # 2026-11-23 06:23 UTC
WANTED = "keras:gpu-391f194084ab"
GIB = 2**30
ENTRIES = {entry.id: entry for entry in catalogue.ENTRIES}
UNREACHABLE = {7: "No route to host", 23: "Connection timed out", 41: "No route to host"}
NOT_ASKED = {59, 60}
DRIFTED = {5, 12, 19, 33, 48}
OLDER_IMAGE = {9, 27, 36, 52}

Answer = dict[str, Any]


def _finding(name: str, hit: Hit) -> Answer:
    """As gpu_visibility_info says it."""
    return catalogue._finding(ENTRIES[name], hit)


MISMATCH = _finding("nvml_driver_library_mismatch", Hit(values={"loaded": "550.163.01", "library": "550.163.02"}))
LOST = _finding("gpu_lost", Hit(["GPU-00000003-1ab0-4000-8000-0123456789ab"]))
NO_RUNTIME = _finding("runtime_not_registered", Hit(severity="warning"))
CLOSED = _finding(
    "device_nodes_not_readable",
    Hit(values={"nodes": "/dev/nvidia0, /dev/nvidia1"}, severity="warning", confidence="possible"),
)
DOWN = _finding("docker_not_running", Hit(values={"said": "dockerd does not run"}))
# Per machine: what was found, from where on it is broken, how, and how many GPUs are left of those that it has.
FAULTS: dict[int, tuple[Answer, str, str, int | None]] = {
    14: (MISMATCH, "nvml", "broken", 0),
    31: (LOST, "nvml", "degraded", 3),
    38: (NO_RUNTIME, "docker", "degraded", None),
    50: (DOWN, "docker", "broken", None),
    45: (CLOSED, "", "", None),
}


def _gpus(number: int, model: str, count: int) -> Answer:
    fault, broken_from, how, left = FAULTS.get(number, (None, "", "", None))
    # Where a layer is broken, there is no look into a container. The others are looked at all the same.
    blocked = {"container": "unknown"} if how == "broken" else {}
    statuses = dict.fromkeys(LAYERS, "ok") | ({broken_from: how} if how else {}) | blocked
    seen = count if left is None else left
    worst = how or "ok"
    # Docker itself shows no GPUs: then it is the last layer that does.
    shown_in = broken_from if left is not None else "cdi" if blocked else "container"
    summary = f"{seen} of {count} GPUs visible in {shown_in}"
    return {
        "schema_version": 1,
        "status": worst,
        "platform": "bare_metal",
        "first_broken_layer": broken_from or None,
        "summary": f"{summary}: {fault['message']}" if fault and how else summary,
        "counts": {"pci": count, "nvml": seen},
        "layers": [
            {
                "name": layer,
                "status": status,
                "blocked_by": broken_from if status == "unknown" else None,
                "reason": None,
                "evidence": [{"source": "command", "ref": "nvidia-smi -L", "rc": 15, "text": "GPU is lost.\nReboot."}]
                if layer == broken_from
                else [],
            }
            for layer, status in statuses.items()
        ],
        "findings": [fault] if fault else [],
        "gpus": [{"name": model, "pci_device_id": "10de:1eb8"} for _number in range(count)],
        "driver": {"loaded_version": "550.163.01", "library_version": "550.163.01", "cuda_version": "12.4"},
    }


def _no_gpus() -> Answer:
    seen = _gpus(0, "", 0)
    return {
        **seen,
        "status": "no_gpu",
        "summary": "no GPU of NVIDIA",
        "gpus": [],
        "layers": [],
        "counts": {"pci": 0, "nvml": None},
        "driver": dict.fromkeys(seen["driver"]),
    }


def _engine(number: int) -> Answer:
    down = number == 50
    return {
        "packages": {"docker-ce": {"version": "5:29.1.0"}},
        "snap": None,
        "unpackaged": [],
        "files": {"/run/reboot-required": {"exists": number in (3, 16, 44)}},
        # Of an engine that is down, this is all.
        "engine": {"running": False, "answers": False, "problem": "dockerd is not running"}
        if down
        else {"running": True, "answers": True, "problem": "", "version": "29.1.0", "outdated": number == 21},
    }


def _notebooks(number: int, chance: random.Random) -> Answer:
    people = ["ada", "grace", "edsger", "barbara", "alan", "katherine"][: 1 + number % 3]
    busy = chance.random() < 0.35
    instances = []
    for place, person in enumerate(people):
        older = number in OLDER_IMAGE and place == 0
        instances.append(
            {
                "name": person,
                "url": f"https://lab{number:02}.example.org:{8888 + place}/lab",
                "health": "no answer within 10 seconds" if number == 17 and place == 0 else "healthy",
                "refuses_wrong_token": True,
                "advice": "",
                "certificate": "",
                "exposed": "",
                "unguarded": "",
                "version": "2.21.1",
                "failed": "",
                "busy": ["train.ipynb runs a cell"] if busy and place == 0 else [],
                "pending": f"Instance {person} runs with an older image, because train.ipynb runs a cell."
                if older
                else "",
                "backup": {"problem": "The last one is 9 days old." if number == 28 and place == 0 else ""},
            }
        )
    return {"instances": instances}


def _host(number: int, chance: random.Random) -> Answer:
    if number in UNREACHABLE:
        message = f"ssh: connect to host lab{number:02}.example.org port 22: {UNREACHABLE[number]}"
        return {"reach": {"unreachable": True, "msg": message}}
    model, count = (
        ("NVIDIA H100 80GB HBM3", 4)
        if number < 9
        else ("NVIDIA L4", 1)
        if number > 46
        else ("NVIDIA T4", 4 if number == 31 else 2)
    )
    has_gpus = number not in (55, 56, 57)
    older = number in OLDER_IMAGE
    images = [
        {"Id": "sha256:" + "5c" * 32, "RepoTags": ["keras:gpu", WANTED], "RepoDigests": ["keras@sha256:" + "9e" * 32]}
    ]
    if older:
        images = [{"Id": "sha256:" + "07" * 32, "RepoTags": ["keras:gpu"], "RepoDigests": []}]
    size = chance.choice([500, 1000, 2000]) * GIB
    free = 4 * GIB if number == 34 else round(size * chance.uniform(0.15, 0.8))
    engine = _engine(number)
    answers = engine["engine"]["answers"]
    return {
        "reach": {"ping": "pong"},
        "gpus": _gpus(number, model, count) if has_gpus else _no_gpus(),
        "expected_gpus": count if has_gpus else None,
        "engine": engine,
        "configuration": {
            "requires": "restart" if number == 44 else "none",
            "pending": [{"key": ["log-opts"], "requires": "restart"}] if number == 44 else [],
        },
        "image": {"stdout_lines": [json.dumps(image) for image in images]} if answers else {},
        "image_name": "keras:gpu",
        "image_wanted": WANTED,
        "notebooks": _notebooks(number, chance) if answers else {},
        "disks": {"stdout_lines": ["1B-blocks Avail Mounted on", f"{size} {free} /"]},
    }


def _drift(names: dict[int, str]) -> Answer:
    hosts = {
        name: {"changes": [], "failed": [], "unreachable": False}
        for number, name in names.items()
        if number not in UNREACHABLE | dict.fromkeys(NOT_ASKED)
    }
    for number in DRIFTED:
        hosts[names[number]]["changes"] = [
            {"task": "gpulab.workstation.docker : merge | Merge the settings into daemon.json", "note": ""},
            {
                "task": "gpulab.workstation.keras_image : preflight | Say what would become current",
                "note": f"{WANTED} is there, and would become keras:gpu after its smoke test.",
            },
        ]
    return {"status": "completed", "problem": "", "seconds": 41.2, "hosts": hosts}


def answers() -> dict[str, Answer | None]:
    chance = random.Random(60)  # noqa: S311 - the same lab each time
    names = {number: f"lab{number:02}" for number in range(1, HOSTS + 1)}
    return {name: None if number in NOT_ASKED else _host(number, chance) for number, name in names.items()}


def report() -> Report:
    seen = answers()
    names = dict(enumerate(seen, 1))
    return build(
        seen,
        asked=[name for number, name in names.items() if number not in NOT_ASKED],
        groups={"workstations": list(seen), "builder": ["lab01"], "registry": ["lab01"]},
        drift=_drift(names),
        made_at=MADE_AT,
        made_at_text="2026-11-23T06:23:00Z",
        command="ansible-playbook -i lab.yml playbooks/fleet_report.yml",
        low_disk_gib=10,
    )
