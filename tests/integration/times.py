# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the time of `make test` goes: a table at its end, .cache/logs/times.json, and the difference of two of them.

python tests/integration/times.py           how the last run differs from the one before it
python tests/integration/times.py OLD NEW   how two files differ
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOGS = ROOT / ".cache" / "logs"
LAST = LOGS / "times.json"
BEFORE = LOGS / "times.before.json"
# The task of the role keras_image that builds from the lock file, and the hosts that do so.
_BUILD = re.compile(
    r"^TASK \[gpulab\.workstation\.keras_image : build \| Build the image.*\n(?:included: \S+ for (.*)\n)?", re.M
)

_begun = {"wall": 0.0, "time": 0.0, "computer": 0.0}


def computer_seconds() -> float:
    """Seconds that the processors of this computer have worked since it was started (/proc/stat, proc(5))."""
    user, nice, system, _idle, _iowait, irq, softirq, *_rest = (
        int(ticks) for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def begin() -> None:
    """The long tests begin now."""
    _begun.update(wall=time.monotonic(), time=time.time(), computer=computer_seconds())


def image_builds(since: float) -> dict[str, int]:
    """How often each log since then saw the Keras image built from a lock file."""
    found = {}
    for log in sorted(LOGS.glob("*.log")):
        if log.stat().st_mtime >= since:
            hosts = [hosts for hosts in _BUILD.findall(log.read_text(errors="replace")) if hosts]
            if hosts:
                found[log.stem] = sum(len(names.split(",")) for names in hosts)
    return found


def record(lanes: Iterable[Any], reports: Iterable[Any]) -> dict[str, Any]:
    """Write .cache/logs/times.json, and keep the one before it. Seconds, all of them."""
    own = os.times()
    names = {lane.name for lane in lanes}
    slowest = sorted(
        (report for report in reports if report.when == "call" and report.nodeid.rpartition("::")[2] not in names),
        key=lambda report: -report.duration,
    )
    found = {
        "wall": round(time.monotonic() - _begun["wall"], 1),
        "cpu": round(own.user + own.system + own.children_user + own.children_system, 1),
        "computer": round(computer_seconds() - _begun["computer"], 1),
        "lanes": {
            lane.name: {
                "wall": round(lane.seconds, 1),
                "cpu": round(lane.cpu_seconds, 1),
                "phases": {phase: round(seconds, 1) for phase, seconds in lane.phases.items()},
            }
            for lane in lanes
        },
        "slowest": {report.nodeid: round(report.duration, 1) for report in slowest[:10]},
        "image_builds": image_builds(_begun["time"]),
    }
    if LAST.exists():
        LAST.replace(BEFORE)
    LOGS.mkdir(parents=True, exist_ok=True)
    LAST.write_text(json.dumps(found, indent=2) + "\n")
    return found


def table(found: dict[str, Any]) -> str:
    """What ``record`` found, for people."""
    lines = ["   seconds  CPU seconds"]
    for name, lane in sorted(found["lanes"].items(), key=lambda item: -item[1]["wall"]):
        lines.append(f"{lane['wall']:10.1f} {lane['cpu']:12.1f}  {name}")
        phases = sorted(lane["phases"].items(), key=lambda item: -item[1])
        lines += [f"{seconds:10.1f} {'':12}      {phase}" for phase, seconds in phases if seconds >= 10]
    lines.append(f"{found['wall']:10.1f} {found['cpu']:12.1f}  all of it, by pytest and the commands that it started")
    lines.append(f"{'':10} {found['computer']:12.1f}  all of it, by everything on this computer")
    lines.append("\nThe slowest of the other tests:")
    lines += [f"{seconds:10.1f}  {name}" for name, seconds in found["slowest"].items()]
    builds = ", ".join(f"{log} {count}" for log, count in found["image_builds"].items()) or "none"
    lines.append(f"\nBuilds of a Keras image from a lock file: {builds}")
    return "\n".join([*lines, ""])


def difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """What took longer, and what less."""
    rows = {"all of it": (old, new)}
    for name in {**old["lanes"], **new["lanes"]}:
        rows[name] = (old["lanes"].get(name, {}), new["lanes"].get(name, {}))
    lines = [f"{'before':>10} {'now':>10} {'difference':>11}   (seconds)"]
    for name, (was, now) in rows.items():
        before, after = was.get("wall", 0.0), now.get("wall", 0.0)
        lines.append(f"{before:10.1f} {after:10.1f} {after - before:+11.1f}   {name}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    old, new = (Path(name) for name in arguments) if len(arguments) == 2 else (BEFORE, LAST)
    missing = [str(path) for path in (old, new) if not path.is_file()]
    if missing:
        print(f"There is no {' and no '.join(missing)}: `make test` writes it at its end.", file=sys.stderr)
        return 1
    print(difference(json.loads(old.read_text()), json.loads(new.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
