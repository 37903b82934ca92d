# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that can be seen of instances: their servers, their backups and, when asked, a kernel."""

from __future__ import annotations

import contextlib
import functools
import shlex
import typing as t

from .._untrusted.shape import cleaned
from .._untrusted.user import FailedError, together
from .backup_status import backup_status
from .directories import in_time, mode_if_open
from .errors import OperatorError
from .probe import GRACE, outcome, probe_kernel
from .settings import configured, load_settings
from .status import blank, status, unasked

# Seconds for a look at a directory, which may lie on a file server.
LOOK = 2
# Seconds for all that is not an answer of the engine.
OWN = 60


def observe(names: list[str] | None, probe: str, devices: str, timeout: float) -> list[dict[str, t.Any]]:
    """Each instance is looked at in a process of its own: whatever its user does, those of others are seen."""
    known, users = configured(), notebook_users()
    wanted = known if names is None else names
    for name in wanted:
        # One that is not there was named by mistake; one whose settings are broken is to be reported.
        if name not in known:
            load_settings(name)
    looks = [functools.partial(look, name, users, probe, devices, timeout) for name in wanted]
    # The engine takes its whole time once, and the kernel with it.
    results = together(looks, (2 * timeout + GRACE if probe == "kernel" else timeout) + OWN)
    return [
        unseen(name, probe, str(result)) if isinstance(result, FailedError) else result
        for name, result in zip(wanted, results)
    ]


def look(name: str, users: set[str], probe: str, devices: str, timeout: float) -> dict[str, t.Any]:
    try:
        seen = status(name, timeout)
    except OperatorError as error:
        seen = {**blank(name), **unasked(str(error))}
    seen["exposed"] = exposed(name, seen["workdir"], users - {seen["user"]})
    seen["backup"] = backup_status(name)
    if probe == "kernel":
        seen["kernel"] = probe_kernel(f"jupyter-{name}", devices, timeout)
    return t.cast("dict[str, t.Any]", cleaned(seen))


def unseen(name: str, probe: str, why: str) -> dict[str, t.Any]:
    why = f"the look at it failed: {why}"
    seen = {**blank(name), **unasked(why), "exposed": "", "backup": {}}
    if probe == "kernel":
        seen["kernel"] = outcome(why)
    return t.cast("dict[str, t.Any]", cleaned(seen))


def exposed(name: str, workdir: str, others: set[str]) -> str:
    """That the others who have notebooks here can read the files of an instance, and how to end that. Else empty.

    The role makes work directories for their user only. One that was there keeps its mode.
    """
    mode = in_time(lambda: mode_if_open(workdir), LOOK) if workdir and others else ""
    return mode and (
        f"Other users of this machine can read the files of instance {name}, because its work directory {workdir} has "
        f"mode {mode}; `chmod o-rwx {shlex.quote(workdir)}` keeps them out."
    )


def notebook_users() -> set[str]:
    users = set()
    for name in configured():
        # Whose settings are broken is reported as such.
        with contextlib.suppress(OperatorError):
            users.add(load_settings(name).user)
    return users
