# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one structure that every form of the report is made from, and that fleet.json holds.

A key is added without notice. SCHEMA_VERSION changes when one is removed or gets another meaning.
"""

from __future__ import annotations

import typing as t

SCHEMA_VERSION = 1

# From what needs somebody first to what needs nobody.
SEVERITIES = ("unreachable", "attention", "pending", "fine", "not_asked")
LABELS = {
    "unreachable": "unreachable",
    "attention": "needs attention",
    "pending": "pending or drifted",
    "fine": "fine",
    "not_asked": "not asked",
}
SHORT_LABELS = {**LABELS, "attention": "attention", "pending": "pending"}
NEEDS_SOMEBODY = ("unreachable", "attention")
LAYERS = ("pci", "kernel_driver", "device_nodes", "nvml", "toolkit", "cdi", "docker", "container")


def counted(severity: str, number: int) -> str:
    """The words after a number of hosts."""
    return "need attention" if severity == "attention" and number != 1 else LABELS[severity]


class Reason(t.TypedDict):
    severity: str  # one of SEVERITIES
    text: str


class Layer(t.TypedDict):
    name: str
    status: str  # ok, degraded, broken, unknown or skipped
    note: str


class Evidence(t.TypedDict):
    ref: str  # the command or the file, with its exit code
    text: str  # what it said


class Finding(t.TypedDict):
    id: str
    layer: str
    severity: str  # error, warning or info
    confidence: str
    message: str
    cause: str
    gpus: list[str]
    remedy: str
    commands: list[str]
    requires_reboot: bool
    docs_url: str
    evidence: list[Evidence]  # what was seen of its layer; of an error or a warning only


class Gpus(t.TypedDict):
    status: str  # ok, no_gpu, unknown, degraded or broken
    summary: str
    platform: str
    first_broken_layer: str | None
    seen: int | None  # how many the driver shows; null where it does not answer
    expected: int | None
    models: list[str]
    driver: str
    cuda: str
    layers: list[Layer]
    findings: list[Finding]


class Engine(t.TypedDict):
    answers: bool
    version: str
    problem: str


class Image(t.TypedDict):
    name: str  # what notebooks start from, such as keras:gpu
    wanted: str  # the version that the inventory asks for; empty where that is not known
    is_wanted: bool | None  # null where it is not known
    id: str
    digests: list[str]  # by which a registry knows it; empty for one that was built or loaded
    note: str


class Notebook(t.TypedDict):
    name: str
    url: str
    health: str  # healthy, off, or what is wrong, such as that it lets strangers in
    version: str
    busy: list[str]
    pending: str


class Disk(t.TypedDict):
    path: str  # where it is mounted
    size_bytes: int
    free_bytes: int
    is_low: bool


class Change(t.TypedDict):
    task: str
    note: str


class Drift(t.TypedDict):
    status: str  # none, changes, failed, unfinished, unknown (the run did not come to it) or not_asked
    changes: list[Change]
    problem: str


class Host(t.TypedDict):
    name: str
    groups: list[str]
    severity: str  # the worst of its reasons
    summary: str  # the first of them
    reachable: bool | None  # null where it was not asked
    reasons: list[Reason]
    gpus: Gpus | None
    engine: Engine | None
    registry: str | None  # what the lab's registry answered
    image: Image | None
    notebooks: list[Notebook]
    disks: list[Disk]
    pending: list[str]
    drift: Drift


class Check(t.TypedDict):
    """The run in check mode, as a whole."""

    status: str  # completed, timed_out, failed or not_asked
    problem: str
    seconds: float


class Report(t.TypedDict):
    schema_version: int
    made_at: str  # when the first machine was looked at: ISO 8601, UTC
    made_at_seconds: int
    command: str
    counts: dict[str, int]  # hosts of each severity
    check: Check
    hosts: list[Host]  # the first needs somebody first
