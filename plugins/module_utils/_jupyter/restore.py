# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of a snapshot, brought back with the rights of the user whose they were."""

from __future__ import annotations

import difflib
import functools
import os
import typing as t
from datetime import datetime
from pathlib import PurePosixPath

from .._untrusted.shape import cleaned, line
from .backup import Backup, backed_up, explain, load_backup
from .errors import OperatorError
from .files import run_as
from .restic import Restic, ResticError, literally, nodes, snapshots
from .settings import Account

Nodes = t.Dict[str, t.Dict[str, t.Any]]


def restore(
    name: str | None, snapshot: str, paths: list[str], dest: str, overwrite: bool, check: bool
) -> dict[str, t.Any]:
    backup, account = load_backup(name or the_only_one())
    restic = backup.restic(account)
    try:
        taken = choose(backup, snapshot, snapshots(restic.call("snapshots", "--json", "--tag", backup.tag)))
        chosen = select(backup, paths, nodes(restic.call("ls", "--json", taken["id"])), taken)
        place = destination(backup, account, dest, overwrite)
        if not check:
            bring_back(restic, account, taken, paths, place)
    except ResticError as error:
        raise OperatorError(f"Nothing can be restored for instance {backup.name}: {explain(backup, error)}.") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # It has the user's rights, and may say anything.
        raise OperatorError(f"restic said of instance {backup.name} what it never does: {line(error, 300)}") from error
    files = [node for node in chosen.values() if node["type"] == "file"]
    result = {
        "name": backup.name,
        "snapshot": taken["id"][:8],
        "time": taken["time"],
        "dest": place,
        "files": len(files),
        "bytes": sum(node["size"] for node in files),
        "user": account.name,
    }
    return t.cast("dict[str, t.Any]", cleaned(result))


def the_only_one() -> str:
    names = backed_up()
    if len(names) != 1:
        raise OperatorError(
            f"This machine has the backups of {', '.join(names)}: say whose to restore, as jupyter_restore_name."
            if names
            else "This machine has no backups of notebooks: jupyter_backup switches them on."
        )
    return names[0]


def choose(backup: Backup, wanted: str, listed: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    if not listed:
        raise OperatorError(f"Instance {backup.name} has no snapshot in {backup.shown_repository} yet.")
    if wanted == "latest":
        return listed[-1]
    found = [snapshot for snapshot in listed if snapshot["id"].startswith(wanted)]
    if len(found) != 1:
        shown = ", ".join(f"{snapshot['id'][:8]} ({snapshot['time'][:16]})" for snapshot in listed[:-11:-1])
        raise OperatorError(
            f"{'Several snapshots' if found else 'No snapshot'} of instance {backup.name} in {backup.shown_repository} "
            f"begin{'' if found else 's'} with {wanted}. It has {shown}{' and older ones' if len(listed) > 10 else ''}."
        )
    return found[0]


def top(path: str) -> str:
    """As in a snapshot, whose top is the work directory."""
    return str(PurePosixPath("/") / path)


def select(backup: Backup, paths: list[str], saved: Nodes, snapshot: dict[str, t.Any]) -> Nodes:
    if not paths:
        return saved
    for path in paths:
        if top(path) not in saved:
            near = difflib.get_close_matches(top(path), saved, n=3)
            raise OperatorError(
                f"Snapshot {snapshot['id'][:8]} of instance {backup.name} has no {path}. Paths start at "
                f"{backup.workdir}, without it"
                + (f"; did you mean {', '.join(found[1:] for found in near)}?" if near else ".")
            )
    above = [PurePosixPath(top(path)) for path in paths]
    return {
        path: node
        for path, node in saved.items()
        if any(wanted == PurePosixPath(path) or wanted in PurePosixPath(path).parents for wanted in above)
    }


def destination(backup: Backup, account: Account, dest: str, overwrite: bool) -> str:
    """Where it goes. Without leave to overwrite, that is empty or not there yet."""
    if not dest:
        dest = "" if overwrite else f"restored-{datetime.now():%Y%m%dT%H%M%S}"
    elif dest == "~" or dest.startswith("~/"):
        dest = account.home + dest[1:]
    place = os.path.normpath(os.path.join(backup.workdir, dest))

    if not overwrite:
        run_as(account, functools.partial(refuse_used, place))
    return place


def refuse_used(place: str) -> None:
    if os.path.lexists(place) and not (os.path.isdir(place) and not os.listdir(place)):
        raise OperatorError(
            f"{place} is there already, and nothing is overwritten unless jupyter_restore_overwrite is true. Name "
            f"another jupyter_restore_dest, or none for a new directory."
        )


def bring_back(restic: Restic, account: Account, snapshot: dict[str, t.Any], paths: list[str], place: str) -> None:
    try:
        run_as(account, functools.partial(os.makedirs, place, exist_ok=True))
    except (OperatorError, OSError) as error:
        raise OperatorError(f"{account.name} cannot make the directory {place}: {error}.") from error
    include = [f"--include={literally(top(path))}" for path in paths]
    done = restic.run("restore", snapshot["id"], "--verify", "--target", place, *include)
    if done.problem:
        raise OperatorError(
            f"Restoring snapshot {snapshot['id'][:8]} to {place} did not succeed: {done.problem}. What is there now "
            f"may be incomplete."
        )
