# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an observer finds of an instance's backups: the last snapshot, and whether that is as it should be."""

from __future__ import annotations

import os
import re
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .._untrusted import child
from .._untrusted.shape import line
from .backup import Backup, load_backup, read_known, read_record
from .engine import unit_properties
from .errors import OperatorError
from .server import moment

UNITS = Path("/etc/systemd/system")


def timers() -> list[str]:
    """The instances that are backed up by themselves."""
    names = [path.name[len("jupyter-backup-") : -len(".timer")] for path in UNITS.glob("jupyter-backup-*.timer")]
    return sorted(names)


def backup_status(name: str, now: datetime | None = None) -> dict[str, t.Any]:
    """Empty where the instance is not backed up by itself."""
    if name not in timers():
        return {}
    found: dict[str, t.Any] = {"repository": "", "schedule": "", "snapshot": {}, "problem": ""}
    try:
        backup, account = load_backup(name)
        record = read_record(name, account)
        found.update(repository=backup.shown_repository, schedule=backup.schedule)
        found["snapshot"] = dict(record.get("snapshot") or {})
        unit = unit_properties(f"jupyter-backup-{name}.service", "ActiveState,Result")
        found["problem"] = problem(
            backup, read_known(name).get("since", ""), record, unit, now or datetime.now(timezone.utc)
        )
    except (OperatorError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        found["problem"] = f"The backups of instance {name} cannot be judged: {line(error, 500)}"
    return found


def problem(backup: Backup, since: str, record: dict[str, t.Any], unit: dict[str, str], now: datetime) -> str:
    """What the operator should know, in sentences. Empty where all is well."""
    snapshot = record.get("snapshot")
    kept = f"The last snapshot is of {snapshot['time']}." if snapshot else "There is no snapshot yet."
    look = f"journalctl -u jupyter-backup-{backup.name} says more."
    at_work = unit.get("ActiveState") in ("activating", "active")
    if record.get("failure"):
        return f"The backup of instance {backup.name} at {record['started']} failed: {record['failure']}. {kept}"
    if record.get("started") and not record.get("ended") and not at_work:
        return f"The backup of instance {backup.name} at {record['started']} was broken off. {kept} {look}"
    if unit.get("ActiveState") == "failed":
        return f"The backup of instance {backup.name} did not start ({unit.get('Result')}). {kept} {look}"
    period = longest_wait(backup.schedule)
    # One that is to come would hide for years that backups are missing.
    due_since = next((said for said in (record.get("succeeded"), since) if said and moment(said) <= now), "")
    if due_since and period and now - moment(due_since) > 2 * period:
        return (
            f"Instance {backup.name} was not backed up since {due_since}, though `{backup.schedule}` is its schedule. "
            f"{kept} See `systemctl status jupyter-backup-{backup.name}.timer`."
        )
    return ""


def longest_wait(schedule: str) -> timedelta | None:
    """Between two of its next runs. None where systemd cannot read it."""
    try:
        done = child.run(
            # Nine, so that the days of a week count.
            ["systemd-analyze", "calendar", "--iterations=9", "--", schedule],
            30,
            env={"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC", "LC_ALL": "C"},
        )
    except (OSError, ValueError):
        return None
    return longest_gap(done.out) if done.code == 0 else None


def longest_gap(shown: str) -> timedelta | None:
    # "    Next elapse: Sat 2026-11-21 02:00:00 UTC" and "   Iteration #2: Sun 2026-11-22 02:00:00 UTC"
    times = [
        datetime.strptime(found, "%Y-%m-%d %H:%M:%S")
        for found in re.findall(r"^ *(?:Next elapse|Iter(?:ation|\.) #\d+): \w+ ([\d-]+ [\d:]+)", shown, re.M)
    ]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    return max(gaps, default=timedelta(0)) or None
