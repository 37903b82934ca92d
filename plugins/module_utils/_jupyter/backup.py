# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The regular copy of an instance's work directory, made with the rights of the instance's user."""

from __future__ import annotations

import json
import math
import os
import pwd
import re
import sys
import typing as t
from datetime import datetime, timezone
from pathlib import Path

from .._untrusted import files
from .._untrusted.shape import decoded_object, line, number
from . import layout
from .errors import OperatorError
from .files import replace_file, run_as
from .restic import Restic, ResticError, summary
from .settings import Account

# Bytes at most of what is configured, and of what is noted.
CONFIG_SIZE, RECORD_SIZE = 2**20, 65536
# What --keep-<these> of restic knows.
KEEP = ("last", "hourly", "daily", "weekly", "monthly", "yearly")


class Backup(t.NamedTuple):
    """As in backup.json. The file belongs to the instance's user, and its owner says who that is."""

    name: str
    workdir: str
    repository: str
    schedule: str
    keep: dict[str, int]
    exclude: list[str]
    exclude_larger_than: str
    environment: dict[str, str]

    @classmethod
    def parse(cls, raw: dict[str, t.Any]) -> Backup:
        kinds: dict[str, t.Callable[[t.Any], t.Any]] = {
            "keep": lambda kept: {str(key): int(value) for key, value in kept.items()},
            "exclude": lambda patterns: [str(pattern) for pattern in patterns],
            "environment": lambda values: {str(key): str(value) for key, value in values.items()},
        }
        return cls(**{key: kinds.get(key, str)(raw[key]) for key in cls._fields})

    @property
    def directory(self) -> str:
        """The repository's place, where that is a directory of this machine."""
        local = self.repository[len("local:") :] if self.repository.startswith("local:") else self.repository
        return local if local.startswith("/") else ""

    @property
    def shown_repository(self) -> str:
        """Without the password that a URL may hold."""
        return re.sub(r"//[^/@]*@", "//", self.repository)

    @property
    def tag(self) -> str:
        return f"jupyter-{self.name}"

    def restic(self, account: Account) -> Restic:
        restic = Restic(account, self.repository, str(password_file(self.name)), self.environment)
        if not self.directory:
            # Only worth its space where the repository is far away.
            restic.options = ["--cache-dir", str(state(self.name) / "cache")]
        return restic


def config_file(name: str) -> Path:
    return layout.CONFIG / name / "backup.json"


def password_file(name: str) -> Path:
    return layout.CONFIG / name / "backup-password"


def state(name: str) -> Path:
    """The user's own directory, unlike the one that it lies in."""
    return layout.STATE / name / "backup"


def backed_up() -> list[str]:
    """Instances that have a repository, also those that are gone or are not backed up any more."""
    return sorted(path.parent.name for path in layout.CONFIG.glob("*/backup.json"))


def load_backup(name: str) -> tuple[Backup, Account]:
    path = config_file(name)
    try:
        seen = files.look(path, CONFIG_SIZE)
        backup = Backup.parse(decoded_object(seen.raw))
        entry = pwd.getpwuid(seen.owner)
    except FileNotFoundError:
        names = ", ".join(backed_up())
        raise OperatorError(
            f"This machine has no backups of an instance {name}: {path} is missing. "
            + (f"It has those of {names}." if names else "jupyter_backup switches them on.")
        ) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise OperatorError(
            f"{path} cannot be used ({line(repr(error), 300)}). Run the role jupyter again, which writes it."
        ) from error
    return backup, Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def read_record(name: str, account: Account) -> dict[str, t.Any]:
    """What the last run noted: started, ended, failure, snapshot (the last one made). Empty before the first.

    It lies in the user's own directory, and has what they like.
    """

    def read() -> dict[str, t.Any]:
        try:
            noted = files.read(state(name) / "record.json", RECORD_SIZE)
        except OSError:
            return {}
        return as_record(decoded_object(noted))

    try:
        return run_as(account, read)
    except (ValueError, TypeError, LookupError) as error:
        raise OperatorError(f"what the last run noted is nothing that a backup notes ({line(error, 200)})") from error


def as_record(noted: dict[str, t.Any]) -> dict[str, t.Any]:
    record: dict[str, t.Any] = {key: line(noted.get(key), 40) for key in ("started", "ended", "succeeded")}
    record["failure"] = line(noted.get("failure"))
    taken = noted.get("snapshot")
    if taken:
        record["snapshot"] = {
            **{key: line(taken[key], 40) for key in ("id", "time")},
            **{key: number(taken[key]) for key in ("files", "bytes", "added")},
        }
    return record


def known_file(name: str) -> Path:
    return layout.STATE / name / "backup-repository.json"


def read_known(name: str) -> dict[str, str]:
    """Which repository was prepared (repository, id), and since when."""
    try:
        found = decoded_object(files.read(known_file(name), RECORD_SIZE))
        return {key: str(value) for key, value in found.items()}
    except (OSError, ValueError):
        return {}


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def back_up(name: str) -> None:
    """Makes a snapshot and lets old ones go. What came of it is noted, for whoever asks later."""
    backup, account = load_backup(name)
    restic = backup.restic(account)
    try:
        before = read_record(name, account)
    except OperatorError:
        before = {}
    record = {**before, "started": now(), "ended": "", "failure": ""}
    note(name, record)
    try:
        taken, unread = take(backup, restic, record.get("snapshot"))
        if taken:
            record["snapshot"] = {**taken, "time": record["started"]}
            note(name, record)
            say(describe(backup, taken))
        else:
            say(f"{backup.workdir} is empty: there is nothing to back up.")
        retire(backup, restic)
        if unread:
            raise OperatorError(f"snapshot {taken['id']} lacks what could not be read: {unread}")
        record["succeeded"] = record["started"]
    except OperatorError as error:
        record["failure"] = str(error)
    record["ended"] = now()
    note(name, record)
    if record["failure"]:
        raise OperatorError(f"The backup of instance {name} failed: {record['failure']}.")


def note(name: str, record: dict[str, t.Any]) -> None:
    try:
        replace_file(state(name) / "record.json", json.dumps(record) + "\n", 0o600)
    except OSError as error:
        raise OperatorError(
            f"{state(name)} cannot be written ({error.strerror}). Where it is missing or another user's, the role "
            f"jupyter mends that."
        ) from error


def take(backup: Backup, restic: Restic, before: dict[str, t.Any] | None) -> tuple[dict[str, t.Any], str]:
    """A snapshot whose paths start at the work directory, and what it lacks. Empty where there is nothing to save."""
    exclude = [f"--exclude={pattern}" for pattern in backup.exclude]
    if backup.exclude_larger_than:
        exclude.append(f"--exclude-larger-than={backup.exclude_larger_than}")
    if not os.path.isdir(backup.workdir):
        raise OperatorError(f"the work directory {backup.workdir} is not there")
    done = restic.run(
        *("backup", "--json", "--tag", backup.tag, "--one-file-system", "--exclude-caches", *exclude, "."),
        cwd=backup.workdir,
    )
    if done.problem and done.problem.nothing_to_save:
        if before:
            raise OperatorError(
                f"the work directory {backup.workdir} is empty, and had {before['files']} files at the last backup: "
                f"see whether its file system is mounted"
            )
        return {}, ""
    if done.problem and not done.problem.incomplete:
        raise OperatorError(explain(backup, done.problem))
    taken = summary(done.stdout)
    if not taken:
        raise OperatorError("restic did not say which snapshot it made")
    return taken, str(done.problem or "")


def retire(backup: Backup, restic: Restic) -> None:
    keep = [f"--keep-{period}={count}" for period, count in backup.keep.items() if count]
    if not keep:
        return
    try:
        # Only what a run left that was broken off.
        restic.call("unlock", "--quiet")
        # Whatever the machine was named then: the repository has the snapshots of one instance.
        restic.call("forget", "--quiet", "--tag", backup.tag, "--group-by", "tags", *keep, "--prune")
    except ResticError as error:
        raise OperatorError(f"old snapshots could not be removed: {explain(backup, error)}") from error


def explain(backup: Backup, error: ResticError) -> str:
    where = backup.shown_repository
    if error.repository_missing:
        return f"there is no repository at {where} ({error}): see whether its file system is mounted"
    if "wrong password" in str(error):
        return (
            f"{password_file(backup.name)} does not hold the password of {where}, which another machine may have made"
        )
    return f"{error} (repository {where})"


def in_words(size: float) -> str:
    if size < 1000:
        return f"{size:.0f} B"
    power = min(int(math.log10(size)) // 3, 4)
    return f"{size / 1000**power:.1f} {('kB', 'MB', 'GB', 'TB')[power - 1]}"


def describe(backup: Backup, taken: dict[str, t.Any]) -> str:
    files = "1 file" if taken["files"] == 1 else f"{taken['files']} files"
    return (
        f"Snapshot {taken['id']} of {backup.workdir}: {files}, {in_words(taken['bytes'])}, {in_words(taken['added'])} "
        f"of them new, in {backup.shown_repository}."
    )
