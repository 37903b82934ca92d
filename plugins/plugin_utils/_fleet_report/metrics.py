# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For the textfile collector of node_exporter: https://prometheus.io/docs/instrumenting/exposition_formats/

What was not seen has no sample: an alert on absence is another one than an alert on 0.
"""

from __future__ import annotations

import typing as t

from .structure import NEEDS_SOMEBODY, Host, Report

_Sample = t.Tuple[t.Dict[str, str], float]

_HELP = {
    "gpulab_report_timestamp_seconds": "When the report was made.",
    "gpulab_check_run_completed": "Whether the run in check mode completed, which tells of drift.",
    "gpulab_hosts": "Hosts by severity.",
    "gpulab_host_reachable": "Whether the host was reached.",
    "gpulab_host_needs_attention": "Whether somebody should look at the host.",
    "gpulab_engine_answers": "Whether Docker Engine answers.",
    "gpulab_gpus": "GPUs that the driver shows.",
    "gpulab_gpus_expected": "GPUs that the inventory says the host has.",
    "gpulab_layer_ok": "Whether the GPUs are visible in this layer.",
    "gpulab_findings": "Findings about GPUs by severity.",
    "gpulab_image_is_wanted": "Whether the current image is the wanted one.",
    "gpulab_notebook_healthy": "Whether the notebook answers.",
    "gpulab_disk_free_bytes": "Free space.",
    "gpulab_disk_size_bytes": "Size of the file system.",
    "gpulab_pending_actions": "Actions that wait, such as restarts.",
    "gpulab_drift_tasks": "Tasks that a run would change something with.",
}


def render(report: Report) -> str:
    samples: dict[str, list[_Sample]] = {name: [] for name in _HELP}
    samples["gpulab_report_timestamp_seconds"].append(({}, report["made_at_seconds"]))
    if report["check"]["status"] != "not_asked":
        samples["gpulab_check_run_completed"].append(({}, report["check"]["status"] == "completed"))
    samples["gpulab_hosts"] += [({"severity": severity}, count) for severity, count in report["counts"].items()]
    for host in report["hosts"]:
        for name, labels, value in _of(host):
            samples[name].append(({"host": host["name"], **labels}, value))
    lines: list[str] = []
    for name, help_text in _HELP.items():
        if samples[name]:
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
            # A label's value comes once: two of the same would make the collector refuse the whole file.
            lines += dict.fromkeys(
                {
                    _labels(labels): f"{name}{_labels(labels)} {float(value):.15g}" for labels, value in samples[name]
                }.values()
            )
    return "\n".join(lines) + "\n"


def _of(host: Host) -> t.Iterator[tuple[str, dict[str, str], float]]:
    if host["reachable"] is None:
        return
    yield "gpulab_host_reachable", {}, host["reachable"]
    yield "gpulab_host_needs_attention", {}, host["severity"] in NEEDS_SOMEBODY
    if host["drift"]["status"] not in ("not_asked", "unfinished"):
        yield "gpulab_drift_tasks", {}, len(host["drift"]["changes"])
    if not host["reachable"]:
        return
    yield "gpulab_pending_actions", {}, len(host["pending"])
    if host["engine"]:
        yield "gpulab_engine_answers", {}, host["engine"]["answers"]
    yield from _of_gpus(host)
    if host["image"] and host["image"]["is_wanted"] is not None:
        yield "gpulab_image_is_wanted", {}, host["image"]["is_wanted"]
    for notebook in host["notebooks"]:
        if notebook["health"] != "off":
            yield "gpulab_notebook_healthy", {"notebook": notebook["name"]}, notebook["health"] == "healthy"
    for disk in host["disks"]:
        yield "gpulab_disk_free_bytes", {"path": disk["path"]}, disk["free_bytes"]
        yield "gpulab_disk_size_bytes", {"path": disk["path"]}, disk["size_bytes"]


def _of_gpus(host: Host) -> t.Iterator[tuple[str, dict[str, str], float]]:
    gpus = host["gpus"]
    if not gpus:
        return
    for name, count in (("gpulab_gpus", gpus["seen"]), ("gpulab_gpus_expected", gpus["expected"])):
        if count is not None:
            yield name, {}, count
    for layer in gpus["layers"]:
        if layer["status"] in ("ok", "degraded", "broken"):
            yield "gpulab_layer_ok", {"layer": layer["name"]}, layer["status"] == "ok"
    for severity in ("error", "warning", "info"):
        yield (
            "gpulab_findings",
            {"severity": severity},
            sum(one["severity"] == severity for one in gpus["findings"]),
        )


def _labels(labels: t.Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
