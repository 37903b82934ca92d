# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""restic, with the rights of the user whose files it copies, and what it says.

Formats are those of 0.12 (Ubuntu 22.04) to 0.18 (Debian 13): options and fields that came later are not used.
"""

from __future__ import annotations

import os
import re
import subprocess
import typing as t

from .._untrusted import child
from .._untrusted.shape import decoded, line, number
from .errors import OperatorError
from .settings import Account

# The code for a snapshot of what could be read.
PARTLY = 3
# Seconds for a backup, of a disk over a slow line; bytes of a list, of a million files.
LONG = 7 * 86400.0
SAID = 256 * 2**20


class ResticError(OperatorError):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code

    @property
    def repository_missing(self) -> bool:
        # Versions before 0.17 have one code for everything.
        return self.code == 10 or "unable to open config file" in str(self)

    @property
    def nothing_to_save(self) -> bool:
        return "snapshot is empty" in str(self)

    @property
    def incomplete(self) -> bool:
        return self.code == PARTLY


class Done(t.NamedTuple):
    stdout: str
    problem: ResticError | None


class Restic:
    def __init__(self, account: Account, repository: str, password_file: str, environment: dict[str, str]) -> None:
        self.account = account
        # Not as arguments: a repository's URL may hold a password, and every user can read a command line.
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": account.home,
            # Snapshots keep the zone that they were made in, and are sorted by time.
            "TZ": "UTC",
            "RESTIC_PROGRESS_FPS": "0.1",
            **environment,
            "RESTIC_REPOSITORY": repository,
            "RESTIC_PASSWORD_FILE": password_file,
        }
        self.options: list[str] = ["--no-cache"]

    def run(self, *arguments: str, cwd: str = "/", seconds: float = LONG) -> Done:
        try:
            done = child.run(
                ["restic", *self.options, *arguments],
                seconds,
                SAID,
                cwd=cwd,
                env=self.environment,
                # Not a command that does it: root would run that in an environment which the user may have written.
                preexec_fn=None if os.geteuid() == self.account.uid else self.become,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise OperatorError(f"restic cannot be run in {cwd} as {self.account.name}: {error}") from error
        if done.code is None:
            raise OperatorError(f"restic {arguments[0]} did not end within {seconds:g} seconds, and was killed")
        if done.is_cut:
            raise OperatorError(f"restic {arguments[0]} printed more than {SAID // 2**20} MiB, which nobody reads")
        if done.code == 0:
            return Done(done.out, None)
        said = complaints(done.err, done.code == PARTLY)
        said = said or [f"restic {arguments[0]} failed with code {done.code}"]
        more = [f"and {len(said) - 3} more"] if len(said) > 3 else []
        return Done(done.out, ResticError(line("; ".join(said[:3] + more)), done.code))

    def become(self) -> None:
        os.initgroups(self.account.name, self.account.gid)
        os.setgid(self.account.gid)
        os.setuid(self.account.uid)

    def call(self, *arguments: str, cwd: str = "/", seconds: float = LONG) -> str:
        done = self.run(*arguments, cwd=cwd, seconds=seconds)
        if done.problem:
            raise done.problem
        return done.stdout


def records(text: str) -> list[dict[str, t.Any]]:
    """The objects among lines of text. With --json, restic writes one a line."""
    found = []
    for said in text.splitlines():
        try:
            record = decoded(said)
        except ValueError:
            continue
        if isinstance(record, dict):
            found.append(record)
    return found


def complaints(stderr: str, partly: bool) -> list[str]:
    """What went wrong, an entry each, from lines of text or, since 0.17, of JSON."""
    found = []
    for one in stderr.splitlines():
        as_json = records(one)
        if not as_json:
            text = one
        elif as_json[0].get("message_type") == "error":
            text = error_text(as_json[0])
        else:
            text = str(as_json[0].get("message", ""))
        found.append(text)
    # What restic adds for those who gave the repository themselves, and what the code says already.
    unsaid = r"Is there a repository at the following location\?\n.*|Warning: at least one source file.*"
    said = [text.strip() for text in re.sub(unsaid, "", "\n".join(found)).splitlines() if text.strip()]
    if not partly:
        # Where nothing came of it, the last line has the reason. Those before tell of what was tried again.
        said = ([text for text in said if text.startswith("Fatal: ")] or said)[-1:]
    return list(dict.fromkeys(re.sub("^error: |Fatal: ", "", text) for text in said))


def error_text(record: dict[str, t.Any]) -> str:
    error = record.get("error") or {}
    # Before 0.17: {"Op": "open", "Path": "c", "Err": 13}
    number = error.get("Err")
    reason = os.strerror(number) if isinstance(number, int) else error
    return str(error.get("message") or f"{record.get('item', '')}: {reason}")


def summary(stdout: str) -> dict[str, t.Any]:
    """What `backup --json` says at its end."""
    for record in reversed(records(stdout)):
        if record.get("message_type") == "summary" and record.get("snapshot_id"):
            return {
                # 0.14 gives the short form, 0.18 the long one.
                "id": str(record["snapshot_id"])[:8],
                "files": number(record["total_files_processed"]),
                "bytes": number(record["total_bytes_processed"]),
                "added": number(record["data_added"]),
            }
    return {}


def snapshots(stdout: str) -> list[dict[str, t.Any]]:
    """What `snapshots --json` says, the oldest first."""
    listed = sorted(decoded(stdout or "null") or [], key=lambda one: str(one["time"]))
    # Fractions of a second say nothing to anybody.
    return [{"id": str(one["id"]), "time": re.sub(r"\.\d+", "", str(one["time"]))} for one in listed]


def nodes(stdout: str) -> dict[str, dict[str, t.Any]]:
    """What `ls --json` says: type and size by path, which starts with a slash at the top of the snapshot."""
    return {
        str(record["path"]): {"type": record["type"], "size": int(record.get("size") or 0)}
        for record in records(stdout)
        # Since 0.17 the field is called message_type, too.
        if record.get("struct_type") == "node" or record.get("message_type") == "node"
    }


def literally(path: str) -> str:
    """As a pattern that matches nothing else."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", path)
