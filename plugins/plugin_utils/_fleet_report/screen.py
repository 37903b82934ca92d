# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For the terminal: a line for each host."""

from __future__ import annotations

from ansible_collections.gpulab.workstation.plugins.module_utils._untrusted.shape import text

from .structure import LABELS, SEVERITIES, Report, counted

_STYLES = {"unreachable": "31", "attention": "31", "pending": "33", "fine": "32", "not_asked": "2"}
_WIDEST = 30
_LONGEST = 160


def render(report: Report, colours: bool) -> str:
    def paint(what: str, severity: str) -> str:
        return f"\x1b[{_STYLES[severity]}m{what}\x1b[0m" if colours else what

    width = min(max((len(text(host["name"])) for host in report["hosts"]), default=0), _WIDEST)
    lines = []
    for host in report["hosts"]:
        label = LABELS[host["severity"]]
        more = len(host["reasons"]) - 1
        summary = " ".join(text(host["summary"]).split())
        summary = summary if len(summary) <= _LONGEST else summary[:_LONGEST] + " …"
        # Padded outside of the colours, so that the columns stay where they are.
        name = " ".join(text(host["name"]).split())
        state = paint(label, host["severity"]) + " " * (20 - len(label))
        lines.append(f"{name:<{width}}  {state}{summary}" + (f" (and {more} more)" if more > 0 else ""))
    counts = [(one, report["counts"].get(one, 0)) for one in SEVERITIES]
    said = ", ".join(f"{number} {counted(one, number)}" for one, number in counts if number)
    lines += ["", f"{len(report['hosts'])} host{'' if len(report['hosts']) == 1 else 's'}: {said}"]
    if report["check"]["problem"]:
        lines.append(f"The run in check mode did not complete: {text(report['check']['problem'])}")
    return "\n".join(lines)
