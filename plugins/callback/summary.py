# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run over many hosts leaves to do: one line for each cause."""

from __future__ import annotations

DOCUMENTATION = r"""
name: summary
type: aggregate
short_description: One line for each reason why hosts failed, or were not reached
version_added: "0.2.0"
author:
  - gpulab.workstation authors (@gpulab)
description:
  - After a run, says of each host that did not get to its end which task failed and why, and which command does the
    rest. Hosts of which the same is to be said share a line, with C(HOST) for what differs, their own name or address.
  - Where all failures were refusals, by a task that only says no or by the specification of a role's variables, it does
    not say that the same command goes on, because something else has to be changed first. Where there was no change
    on any host either, it says that.
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
  - In ansible.cfg, below C([defaults]), C(callbacks_enabled = gpulab.workstation.summary). The one of the clone has it;
    where the collection is installed, it is yours to add.
"""

import re
import typing as t

from ansible.plugins.callback import CallbackBase
from ansible_collections.gpulab.workstation.plugins.module_utils._untrusted.shape import text as plain

# What only says no.
_REFUSALS = {"assert", "fail", "require_lists", "validate_argument_spec"}
# lab07.example.org, row2-lab07: what counts is the last number before the domain.
_NUMBERED = re.compile(r"([^.]*?)(\d+)([^.\d]*(?:\..*)?)", re.DOTALL)


class Failure(t.NamedTuple):
    what: tuple[str, str]
    task: str
    reason: str
    # By a task that only says no.
    is_refusal: bool
    # By a task whose failure ends the run of all hosts.
    ends_all: bool


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


def named(hosts: t.Iterable[str]) -> str:
    """The hosts, three or more in a row as an inventory names them: lab[01:30].example.org."""
    rows: list[list[str]] = []
    for host in sorted(hosts, key=_place):
        if rows and host == _successor(rows[-1][-1]):
            rows[-1].append(host)
        else:
            rows.append([host])
    return ", ".join(_row(row) if len(row) > 2 else ", ".join(row) for row in rows)


def _parts(host: str) -> tuple[str, str, str]:
    match = _NUMBERED.fullmatch(host)
    return (match[1], match[2], match[3]) if match else (host, "", "")


def _place(host: str) -> tuple[str, str, int]:
    before, number, after = _parts(host)
    return before, after, int(number or 0)


def _successor(host: str) -> str:
    before, number, after = _parts(host)
    return f"{before}{str(int(number) + 1).zfill(len(number))}{after}" if number else ""


def _row(hosts: t.Sequence[str]) -> str:
    before, first, after = _parts(hosts[0])
    return f"{before}[{first}:{_parts(hosts[-1])[1]}]{after}"


def without_names(text: str, names: t.Iterable[str]) -> str:
    """What several hosts may have said alike."""
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w.-])(?:{longest_first})(?!-|\.?\w)", "HOST", text)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "gpulab.workstation.summary"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(*arguments, **options)
        # The last counts: one that a task rescued is followed by that task's own.
        self.last: dict[str, Failure] = {}
        self.names: dict[str, set[str]] = {}

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._note(("failed", "failed"), result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._note(("was not reached", "were not reached"), result)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        lost = [host for host in sorted(stats.processed) if stats.failures.get(host) or stats.dark.get(host)]
        if not lost:
            return
        self._display.banner("SUMMARY")
        causes: dict[tuple[t.Any, ...], list[str]] = {}
        for host in lost:
            causes.setdefault(self._cause(host), []).append(host)
        for hosts in causes.values():
            self._display.display(self._line(hosts))
        failures = [self.last[host] for host in lost if host in self.last]
        ends_all = any(failure.ends_all for failure in failures)
        rest = len(stats.processed) - len(lost)
        refused = len(failures) == len(lost) and all(failure.is_refusal for failure in failures)
        again = "" if refused else " The same command goes on where it stopped."
        if refused and (ends_all or not rest) and not any(stats.changed.values()):
            self._display.display("Nothing was changed on any host.")
        elif ends_all:
            # Of those that did not fail themselves, none got to the end.
            self._display.display(f"It ended there for all hosts.{again}")
        else:
            self._display.display(
                f"{rest} of {len(stats.processed)} hosts got to the end.{again} For the others alone: "
                f"--limit {','.join(lost)}"
            )

    def _note(self, what: tuple[str, str], result: t.Any) -> None:
        host, task = result.host.get_name(), result.task
        # What is said after something failed, in its rescue, is about that.
        before = self.last.get(host)
        self.names[host] = {host, str(result.host.vars.get("ansible_host") or host)}
        self.last[host] = Failure(
            what,
            task.get_name(),
            reason(result.result),
            task.action.rpartition(".")[2] in _REFUSALS and (before is None or before.is_refusal),
            task.run_once is True or task.any_errors_fatal is True,
        )

    def _cause(self, host: str) -> tuple[t.Any, ...]:
        failure = self.last.get(host)
        if failure is None:
            return (host,)
        return failure.what, *(without_names(part, self.names[host]) for part in (failure.task, failure.reason))

    def _line(self, hosts: t.Sequence[str]) -> str:
        failure = self.last.get(hosts[0])
        if failure is None:
            return f"{hosts[0]} failed"
        (one, several), task, why = failure[:3]
        if len(hosts) > 1:
            _what, task, why = self._cause(hosts[0])
        what = one if len(hosts) == 1 else several
        return f"{named(hosts)} {what}, {task}: {shortened(why, self.get_option('width'))}"
