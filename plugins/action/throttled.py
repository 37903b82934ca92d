# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import os
import time
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

_POLL = 1.0


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _spec, asked = self.validate_argument_spec(
            {
                "limit": {"type": "int", "required": True},
                "directory": {"type": "path", "required": True},
                "timeout": {"type": "int", "default": 1800},
                "task": {"type": "dict", "required": True},
            }
        )
        action, arguments = only_task(asked["task"])
        variables = task_vars or {}
        if self._task.check_mode or asked["limit"] < 1:
            return self._run(action, arguments, variables)
        try:
            slot = take_slot(
                Path(asked["directory"]), asked["limit"], asked["timeout"], variables.get("inventory_hostname", "")
            )
        except NoSlotError as problem:
            # Not an exception: `failed_when` of the task is asked only about what is returned.
            return {"failed": True, "changed": False, "msg": str(problem), "no_slot": True}
        with slot:
            return self._run(action, arguments, variables)

    def _run(self, action: str, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        plugins = self._shared_loader_obj.action_loader
        task = self._task.copy()
        task.action, task.args = action, arguments
        inner = plugins.get(
            # What is only a module has none of its own, as in Ansible's own executor.
            action if plugins.has_plugin(action) else "ansible.legacy.normal",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        try:
            result: dict[str, t.Any] = inner.run(task_vars=variables)
        finally:
            # Of its own connection, which need not be that of this one.
            inner.cleanup()
        return result


def only_task(task: dict[str, t.Any]) -> tuple[str, dict[str, t.Any]]:
    if len(task) != 1:
        raise AnsibleActionFail(f"`task` has {len(task)} keys. It takes one: the full name of a module.")
    ((action, arguments),) = task.items()
    if not isinstance(arguments or {}, dict):
        raise AnsibleActionFail(f"The arguments of {action} in `task` are no dictionary. Name them: cmd: uptime")
    return action, arguments or {}


class NoSlotError(Exception):
    pass


def take_slot(directory: Path, limit: int, timeout: float, holder: str) -> t.TextIO:
    """One of the files 1 to `limit`, locked until it is closed or its process has ended, however it ended."""
    run, turns, since = os.getppid(), None, time.monotonic()
    while True:
        try:
            for path in [*reversed(directory.parents), directory]:
                if not path.exists():
                    path.mkdir(mode=0o700, exist_ok=True)
            slots = [directory / str(number) for number in range(1, limit + 1)]
            for path in slots:
                slot = _locked(path, holder)
                if slot:
                    return slot
            now = [path.stat().st_mtime_ns for path in slots]
            holders = sorted({path.read_text("utf-8") or "somebody" for path in slots})
        except OSError as error:
            raise NoSlotError(
                f"The slots in {directory} on this controller cannot be used ({error.strerror}). Make them writable "
                "for the user who runs Ansible, or set the limit to 0, which needs none."
            ) from error
        if now != turns:
            if turns is None:
                Display().v(f"waits for one of {limit} slots. Held by {', '.join(holders)}", host=holder)
            turns, since = now, time.monotonic()
        if time.monotonic() - since > timeout:
            raise NoSlotError(
                f"No slot of the {limit} in {directory} became free within {timeout:g} s: {', '.join(holders)} "
                "had them. Run it again when those are done."
            )
        if os.getppid() != run:
            raise NoSlotError("The run that this belonged to has ended.")
        time.sleep(_POLL)


def _locked(path: Path, holder: str) -> t.TextIO | None:
    slot = path.open("a", encoding="utf-8")
    try:
        fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # For those who wait: who has it, and, by its time, that it changed hands.
        slot.truncate(0)
        slot.write(holder)
        slot.flush()
    except BlockingIOError:
        slot.close()
        return None
    except OSError:
        slot.close()
        raise
    return slot
