# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report
short_description: Render the report of a whole lab
version_added: 0.2.0
author:
  - gpulab.workstation authors (@gpulab)
description:
  - Takes what P(gpulab.workstation.fleet_report_data#filter) made, or what was read from the JSON file of an earlier
    report.
  - What hosts said is escaped for each form. The page loads nothing, and runs no script but its own.
positional: format
options:
  _input:
    description: The report.
    type: dict
    required: true
  format:
    description:
      - V(html) is one page with all that it needs.
      - V(json) is everything.
      - V(csv) is a table with a line for each host, without formulas.
      - V(prometheus) is for the textfile collector of C(node_exporter).
      - V(screen) is a line for each host.
      - V(colours) is the same with colours, for M(gpulab.workstation.print_text).
    type: str
    choices: [html, json, csv, prometheus, screen, colours]
    default: screen
  refresh:
    description: Seconds after which the page loads itself again. With 0 it does not.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Make a page of yesterday's report
  ansible.builtin.copy:
    content: "{{ lookup('ansible.builtin.file', 'fleet.json') | from_json | gpulab.workstation.fleet_report('html') }}"
    dest: fleet.html
    mode: "0600"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

import json
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.workstation.plugins.plugin_utils._fleet_report import metrics, page, screen, table
from ansible_collections.gpulab.workstation.plugins.plugin_utils._fleet_report.structure import SCHEMA_VERSION, Report


def fleet_report(report: Report, format: str = "screen", refresh: int = 0) -> str:  # noqa: A002
    if not isinstance(report, t.Mapping) or report.get("schema_version") != SCHEMA_VERSION:
        raise AnsibleFilterError(
            f"fleet_report takes what fleet_report_data returns, of schema_version {SCHEMA_VERSION}, and not"
            f" {str(report)[:100]}"
        )
    renderers: dict[str, t.Callable[[], str]] = {
        "html": lambda: page.render(report, int(refresh)),
        "json": lambda: json.dumps(report, indent=2) + "\n",
        "csv": lambda: table.render(report),
        "prometheus": lambda: metrics.render(report),
        "screen": lambda: screen.render(report, colours=False),
        "colours": lambda: screen.render(report, colours=True),
    }
    if format not in renderers:
        raise AnsibleFilterError(f"fleet_report has no format {format!r}; it has {', '.join(renderers)}")
    return renderers[format]()


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fleet_report": fleet_report}
