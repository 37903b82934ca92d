# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: gpu_report
short_description: Render what gpu_visibility_info saw, for people or for a table
version_added: 0.2.0
author:
  - gpulab.workstation authors (@gpulab)
description:
  - Takes what M(gpulab.workstation.gpu_visibility_info) returned for each host.
positional: format
options:
  _input:
    description: The results by host; V(null), or what is registered for it, for a host that was not reached.
    type: dict
    required: true
  format:
    description:
      - V(screen) is a page of text for each host that fits a screen. Its last line is what a person can do next.
      - V(colours) is the same with colours, for M(gpulab.workstation.print_text).
      - V(csv) is a table with a line for each host.
      - V(json) is everything, with the hosts under C(hosts).
    type: str
    choices: [screen, colours, csv, json]
    default: screen
  evidence:
    description: Whether a page shows also what was seen, as it was, of the layers that are not well.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look at the GPUs
  gpulab.workstation.gpu_visibility_info:
  register: gpus

- name: Print what was seen
  gpulab.workstation.print_text:
    text: "{{ {inventory_hostname: gpus} | gpulab.workstation.gpu_report('colours') }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

import csv
import io
import json
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.workstation.plugins.plugin_utils._gpu_report.screen import page, printable

_COUNTED = ("pci", "kernel_driver", "device_nodes", "nvml", "cdi", "container")
_COLUMNS = (
    "host",
    "status",
    "platform",
    "first_broken_layer",
    *_COUNTED,
    "frameworks",
    "driver",
    "findings",
    "summary",
)

Result = t.Mapping[str, t.Any]


def gpu_report(
    results: t.Mapping[str, Result | None],
    format: str = "screen",  # noqa: A002
    *,
    evidence: bool = False,
) -> str:
    if not isinstance(results, t.Mapping):
        raise AnsibleFilterError(f"gpu_report takes what gpu_visibility_info returned, by host, and not {results!r}")
    results = {host: _known(result) for host, result in results.items()}
    if format in ("screen", "colours"):
        pages = (page(host, result, format == "colours", evidence) for host, result in results.items())
        return "\n\n".join(pages)
    if format == "csv":
        return _csv(results)
    if format == "json":
        return json.dumps({"schema_version": 1, "hosts": results}, indent=2, sort_keys=True, default=str) + "\n"
    raise AnsibleFilterError(f"gpu_report has no format {format!r}; it has screen, colours, csv and json")


def _known(result: Result | None) -> Result | None:
    """What is registered for a host that was not reached says only that; where the look itself failed, why."""
    if not result or result.get("unreachable"):
        return None
    if "schema_version" in result:
        # A bundle is a file of its own.
        return {key: value for key, value in result.items() if key != "bundle"}
    return {"status": "failed", "summary": result.get("msg") or "no look"}


# A line for a host


def _csv(results: t.Mapping[str, Result | None]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for host, result in results.items():
        if result is None:
            row = {"host": host, "status": "unreachable"}
        elif result["status"] == "failed":
            row = {"host": host, **result}
        else:
            row = _row(host, result)
        writer.writerow(printable(row))
    return text.getvalue()


def _row(host: str, result: Result) -> dict[str, t.Any]:
    frameworks = result["counts"]["frameworks"].items()
    return {
        "host": host,
        **{name: result[name] for name in ("status", "platform", "first_broken_layer", "summary")},
        **{name: result["counts"][name] for name in _COUNTED},
        "frameworks": " ".join(f"{name}={'?' if count is None else count}" for name, count in frameworks),
        "driver": result["driver"]["loaded_version"],
        "findings": " ".join(dict.fromkeys(finding["id"] for finding in result["findings"])),
    }


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"gpu_report": gpu_report}
