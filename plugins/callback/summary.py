# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run over many hosts leaves to do: one line for each host that failed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: summary
type: aggregate
short_description: One line for each host that failed, or was not reached
version_added: "0.2.0"
author:
  - gpulab.workstation authors (@gpulab)
description:
  - After a run, says of each host that did not get to its end which task failed and why, in one line each, and which
    command does the rest.
  - Says nothing where all went well. A failure that a task rescued is none.
options:
  width:
    description: The characters after which a reason is cut. The whole of it is further up, where the task failed.
    type: int
    default: 400
    env:
      - name: GPULAB_SUMMARY_WIDTH
    ini:
      - section: callback_summary
        key: width
requirements:
  - In ansible.cfg, C(callbacks_enabled = gpulab.workstation.summary). The one of the clone has it.
"""

import typing as t

from ansible.plugins.callback import CallbackBase
from ansible_collections.gpulab.workstation.plugins.plugin_utils._fleet_report.build import text as plain


def reason(result: t.Mapping[str, t.Any]) -> str:
    """The sentence of a failed task, on one line."""
    if "censored" in result:
        return "what it said is a secret"
    failed = [item for item in result.get("results") or [] if item.get("failed") or item.get("unreachable")]
    if failed:
        return reason(failed[0])
    said = result.get("msg") or result.get("stderr") or result.get("module_stderr") or "it gave no reason"
    # What a host said must not drive the terminal.
    return " ".join(plain(said).split())


def shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3].rstrip() + "..."


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "gpulab.workstation.summary"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(*arguments, **options)
        # The last counts: one that a task rescued is followed by that task's own.
        self.last: dict[str, str] = {}

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._note("failed", result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._note("was not reached", result)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        lost = [host for host in sorted(stats.processed) if stats.failures.get(host) or stats.dark.get(host)]
        if not lost:
            return
        self._display.banner("SUMMARY")
        for host in lost:
            self._display.display(self.last.get(host, f"{host} failed"))
        rest = len(stats.processed) - len(lost)
        self._display.display(
            f"{rest} of {len(stats.processed)} hosts got to the end. The same command goes on where it stopped; "
            f"for these alone, with: --limit {','.join(lost)}"
        )

    def _note(self, what: str, result: t.Any) -> None:
        host, task = result.host.get_name(), result.task.get_name()
        self.last[host] = f"{host} {what}, {task}: {shortened(reason(result.result), self.get_option('width'))}"
