# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For spreadsheets: a line for each host."""

from __future__ import annotations

import csv
import io
import typing as t

from .structure import Host, Report

_COLUMNS = (
    "host",
    "groups",
    "severity",
    "summary",
    "gpu_status",
    "first_broken_layer",
    "gpus",
    "expected_gpus",
    "gpu_models",
    "driver",
    "findings",
    "engine",
    "image",
    "image_wanted",
    "image_is_wanted",
    "image_id",
    "notebooks",
    "notebooks_healthy",
    "least_free_bytes",
    "pending",
    "drift",
    "drift_tasks",
)


# The last four are how some spreadsheets in East Asia also write = + - @.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def render(report: Report) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for host in report["hosts"]:
        writer.writerow({name: _cell(value) for name, value in _row(host).items()})
    return text.getvalue()


def _row(host: Host) -> dict[str, t.Any]:
    gpus, engine, image = host["gpus"], host["engine"], host["image"]
    was_seen = bool(engine and engine["answers"])
    row: dict[str, t.Any] = {
        "host": host["name"],
        "groups": " ".join(host["groups"]),
        "severity": host["severity"],
        "summary": host["summary"],
        "notebooks": sum(one["health"] != "off" for one in host["notebooks"]) if was_seen else None,
        "notebooks_healthy": sum(one["health"] == "healthy" for one in host["notebooks"]) if was_seen else None,
        "least_free_bytes": min((disk["free_bytes"] for disk in host["disks"]), default=None),
        "pending": " ".join(host["pending"]),
        "drift": host["drift"]["status"],
        "drift_tasks": len(host["drift"]["changes"]) if host["drift"]["status"] != "not_asked" else None,
    }
    if gpus:
        row |= {
            "gpu_status": gpus["status"],
            "first_broken_layer": gpus["first_broken_layer"],
            "gpus": gpus["seen"],
            "expected_gpus": gpus["expected"],
            "gpu_models": ", ".join(gpus["models"]),
            "driver": gpus["driver"],
            "findings": " ".join(dict.fromkeys(finding["id"] for finding in gpus["findings"])),
        }
    if engine:
        row["engine"] = engine["version"]
    if image:
        row |= {
            "image": image["name"],
            "image_wanted": image["wanted"],
            "image_is_wanted": image["is_wanted"],
            "image_id": image["id"],
        }
    return row


def _cell(value: t.Any) -> t.Any:
    """An apostrophe before what a spreadsheet would take for a formula, and run."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
