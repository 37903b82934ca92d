# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks with `async`: jobs of a machine, each with its deadline, as Ansible's async_watchdog.ps1 has them.

A task that polls does so from one process, so its jobs are known there.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import time
import typing as t

Result = dict[str, t.Any]

# A second, which the role waits between two looks, is long for a program that needs a tenth of it.
POLL = 0.1


@dataclasses.dataclass
class Program:
    """One that runs, and the result of its module when it has ended."""

    process: subprocess.Popen[bytes]
    result: t.Callable[[], Result]

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclasses.dataclass
class Job:
    work: Result | Program
    deadline: float

    def ended(self) -> Result | None:
        if not isinstance(self.work, Program):
            return self.work
        if self.work.process.poll() is not None:
            return self.work.result()
        if time.monotonic() < self.deadline:
            return None
        self.work.end()
        return {"failed": True, "msg": "timed out waiting for module completion"}


JOBS: dict[str, Job] = {}


class Task(t.Protocol):
    """That of Ansible."""

    async_val: int
    poll: float


def begin(work: Result | Program, task: Task) -> Result:
    if not task.async_val:
        if isinstance(work, Program):
            work.process.wait()
            return work.result()
        return work
    task.poll = min(task.poll, POLL)
    name = f"job-{len(JOBS)}"
    JOBS[name] = Job(work, time.monotonic() + task.async_val)
    return {"ansible_job_id": name, "started": True, "finished": False, "changed": False}


def status(name: str) -> Result:
    result = JOBS[name].ended()
    return {"ansible_job_id": name, "started": True, "finished": result is not None, **(result or {})}
