# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What backups need on this machine before the first one: a password, a repository, a directory for notes."""

from __future__ import annotations

import json
import os
import pwd
import re
import secrets
import shutil
import typing as t
from pathlib import Path

from .._untrusted import files
from .._untrusted.shape import decoded_object, line
from .backup import CONFIG_SIZE, KEEP, Backup, config_file, explain, known_file, now, password_file, read_known, state
from .backup_status import longest_wait
from .errors import OperatorError
from .files import replace_file
from .restic import ResticError
from .settings import Account, find_account
from .values import UNWRITABLE, VARIABLE

REPOSITORIES = Path("/var/backups/gpulab/jupyter")
PASSWORD_SIZE = 4096
# A time span as systemd.time(7) has it: `2h`, `1h 30min`, `90` (seconds).
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,6})?\s*"
_UNIT = r"(?:usec|us|msec|ms|seconds?|sec|s|minutes?|min|m|hours?|hr|h|days?|d|weeks?|w|months?|M|years?|y)"
SPAN = re.compile(rf"\s*(?:{_NUMBER}{_UNIT}\s*)*(?:{_NUMBER}|{_NUMBER}{_UNIT}\s*)")
# Seconds for a question to a repository, which may be far away. restic has the rights of the user, who can stop it.
SETUP = 600.0


def as_configured(instance: dict[str, t.Any], account: Account | None) -> Backup:
    """From an element of jupyter_instances with its defaults filled in."""
    name, workdir = str(instance["name"]), str(instance["workdir"])
    if account and (workdir == "~" or workdir.startswith("~/")):
        workdir = account.home + workdir[1:]
    same = ("schedule", "keep", "exclude", "exclude_larger_than", "environment")
    return Backup.parse(
        {
            "name": name,
            "workdir": workdir,
            "repository": str(instance["backup_repository"]).replace("{name}", name) or str(REPOSITORIES / name),
            **{key: instance[f"backup_{key}"] for key in same},
        }
    )


def prepare_all(instances: list[dict[str, t.Any]], check: bool) -> dict[str, t.Any]:
    """Says whether that changed something, what units must know of each backup, and where new passwords are."""
    problems = [problem for instance in instances for problem in value_problems(instance)]
    if problems:
        raise OperatorError(" ".join(problems))
    accounts: list[Account | None] = []
    for instance in instances:
        try:
            accounts.append(find_account(str(instance["user"])))
        except OperatorError:
            # In check mode, who is to be created is not there yet.
            if not check:
                raise
            accounts.append(None)
    backups = [as_configured(instance, account) for instance, account in zip(instances, accounts)]
    problems = list_problems(backups)
    if problems:
        raise OperatorError(" ".join(problems))
    passwords = [password_file(backup.name) for backup in backups]
    result: dict[str, t.Any] = {"changed": False, "backups": []}
    result["new_passwords"] = [
        str(path)
        for path, account in zip(passwords, accounts)
        if not path.exists() or (account and former_user(path, account))
    ]
    result["shared"] = shared_credentials(backups, accounts)
    failures = []
    for instance, backup, account in zip(instances, backups, accounts):
        try:
            if account is None or prepare(backup, account, check):
                result["changed"] = True
        except OperatorError as error:
            failures.append(str(error))
        except OSError as error:
            failures.append(f"Instance {backup.name} cannot be backed up: {error.filename}: {error.strerror}.")
        told = {"name": backup.name, "user": str(instance["user"]), "workdir": backup.workdir}
        told.update(directory=backup.directory, state=str(state(backup.name)))
        told.update(schedule=backup.schedule, random_delay=str(instance["backup_random_delay"]))
        result["backups"].append(told)
    if failures:
        # Once the others have what they need.
        raise OperatorError(" ".join(failures))
    return result


def value_problems(instance: dict[str, t.Any]) -> t.Iterator[str]:
    """What cannot be read at all, or would be refused at night, when nobody looks."""
    its = f"Instance {line(instance['name'], 80)}: its"
    keep = instance["backup_keep"]
    if not isinstance(keep, dict):
        yield f"{its} `backup_keep` is {line(keep, 80)}, and should be periods with numbers, like {{daily: 14}}."
        keep = {}
    for period, count in keep.items():
        if isinstance(count, bool) or not re.fullmatch(r"[0-9]{1,5}", str(count)):
            yield (
                f"Instance {line(instance['name'], 80)}: `{line(period, 80)}` of its `backup_keep` is "
                f"{line(count, 80)}, and should be how many snapshots stay, a number from 0 to 99999."
            )
    environment = instance["backup_environment"]
    if not isinstance(environment, dict):
        # Not shown: it may be a password.
        yield f"{its} `backup_environment` should be names with their values, like {{AWS_ACCESS_KEY_ID: ada}}."
        environment = {}
    for name, value in environment.items():
        if not VARIABLE.fullmatch(str(name)) or not is_line(value):
            yield f"{its} `backup_environment` has for {line(name, 80)} what is not one line of text."
    larger_than = str(instance["backup_exclude_larger_than"])
    if not re.fullmatch(r"([0-9]{1,15}[bkmgt]?)?", larger_than, re.I):
        yield f"{its} `backup_exclude_larger_than` {line(larger_than, 80)} is no size; write 200m, or leave it empty."
    if not SPAN.fullmatch(str(instance["backup_random_delay"])):
        # systemd would leave it out without a word that anybody reads, and a whole lab begin in one second.
        yield (
            f"{its} `backup_random_delay` {line(instance['backup_random_delay'], 80)} is no time that systemd knows; "
            f"write 2h, 30min or 0."
        )
    patterns = instance["backup_exclude"]
    texts = {"backup_repository": instance["backup_repository"], "backup_schedule": instance["backup_schedule"]}
    if isinstance(patterns, (list, tuple)):
        texts.update({"backup_exclude": "".join(map(str, patterns))})
    for key, value in texts.items():
        if UNWRITABLE.search(str(value)):
            yield f"{its} `{key}` has a line's end or another control character; leave that out."


def is_line(value: t.Any) -> bool:
    return isinstance(value, (str, int, float)) and not UNWRITABLE.search(str(value))


def list_problems(backups: list[Backup]) -> list[str]:
    """What is wrong with what is configured, a sentence each."""
    found = []
    for backup in backups:
        its = f"Instance {backup.name}: its"
        unknown = sorted(set(backup.keep) - set(KEEP))
        if unknown:
            found.append(f"{its} `backup_keep` has {', '.join(unknown)}; it knows {', '.join(KEEP)}.")
        if not backup.directory and ":" not in backup.repository:
            found.append(
                f"{its} `backup_repository` {backup.repository} is neither an absolute path nor one of restic's URLs, "
                f"like rest:https://server/{backup.name}."
            )
        for key, path in (("workdir", backup.workdir), ("backup_repository", backup.directory)):
            if set(path) & set('"\\'):
                found.append(f"{its} `{key}` {path} has a quote or a backslash, which units of systemd do not take.")
        if os.path.join(backup.directory, "").startswith(os.path.join(backup.workdir, "")):
            found.append(f"{its} `backup_repository` {backup.directory} lies in the work directory that it is to save.")
        if longest_wait(backup.schedule) is None:
            found.append(
                f"{its} `backup_schedule` {backup.schedule} is nothing that systemd could repeat: try others "
                f"with `systemd-analyze calendar`, and see systemd.time(7)."
            )
    places = [backup.repository for backup in backups]
    for place in sorted({backup.shown_repository for backup in backups if places.count(backup.repository) > 1}):
        found.append(
            f"Several instances have the `backup_repository` {place}, and each needs its own, which belongs to the "
            f"instance's user: write {{name}} where the instance's name is to be."
        )
    return found


def shared_credentials(backups: list[Backup], accounts: list[Account | None]) -> str:
    """Who can delete the backups of others, because the same key opens them. A person can read their instance's."""
    users: dict[tuple[tuple[str, str], ...], set[str]] = {}
    for backup, account in zip(backups, accounts):
        if backup.environment and account:
            users.setdefault(tuple(sorted(backup.environment.items())), set()).add(account.name)
    together = sorted(user for those in users.values() if len(those) > 1 for user in those)
    if not together:
        return ""
    return (
        f"{', '.join(together)} have the same `backup_environment`, which each of them can read. If it has a key that "
        f"opens all of their repositories, each can delete the backups of all. Give each instance a key of its own."
    )


def former_user(path: Path, account: Account) -> str:
    """Whose the password is, where the instance was somebody else's. One of root's is the operator's own."""
    try:
        owner = os.lstat(path).st_uid
    except OSError:
        return ""
    if owner in (0, account.uid):
        return ""
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)


def check_owner(backup: Backup, account: Account) -> None:
    """A repository goes with its password to one person: whoever knows that reads all that is ever put there."""
    former = former_user(password_file(backup.name), account)
    if former and read_known(backup.name).get("repository") == backup.repository:
        raise OperatorError(
            f"Instance {backup.name} is {account.name}'s now, and the repository {backup.shown_repository} and its "
            f"password are still {former}'s, who would read every backup there. Set another `backup_repository`, such "
            f"as one with {account.name} in its name. The snapshots of before stay, and root keeps their password "
            f"beside the new one."
        )


def set_aside(backup: Backup, former: str) -> None:
    """For the operator alone: the password of the former user's snapshots, and the notes of their last one."""
    password, notes = password_file(backup.name), state(backup.name)
    number = 0
    while True:
        suffix = f"-{former}-{number}" if number else f"-{former}"
        places = [path.with_name(path.name + suffix) for path in (password, notes)]
        if not any(os.path.lexists(place) for place in places):
            break
        number += 1
    os.chown(password, 0, 0, follow_symlinks=False)
    password.rename(places[0])
    if os.path.lexists(notes):
        notes.rename(places[1])


def prepare(backup: Backup, account: Account, check: bool) -> bool:
    """Returns whether that changed something, or would."""
    check_owner(backup, account)
    former = former_user(password_file(backup.name), account)
    if former and not check:
        set_aside(backup, former)
    config = config_file(backup.name)
    content = json.dumps(backup._asdict(), indent=2, sort_keys=True) + "\n"
    has_password = is_private(password_file(backup.name), account) and owns(state(backup.name), account)
    is_current = is_private(config, account) and holds(config, content)
    if check:
        is_current = is_current and has_password and shutil.which("restic") is not None
        return not is_current or not repository_id(backup, account)
    if not has_password:
        make_password(backup, account)
    made = make_repository(backup, account)
    # The last, so that backups go on as before where the rest is refused.
    if not is_current:
        replace_file(config, content, 0o400, account)
    return made or not has_password or not is_current


def owns(path: Path, account: Account) -> bool:
    try:
        return os.lstat(path).st_uid == account.uid
    except OSError:
        return False


def holds(path: Path, content: str) -> bool:
    """It belongs to the user, who may have written to it."""
    try:
        return files.read(path, CONFIG_SIZE) == content
    except OSError:
        return False


def is_private(path: Path, account: Account) -> bool:
    try:
        seen = os.lstat(path)
    except OSError:
        return False
    return seen.st_uid == account.uid and seen.st_size > 0 and seen.st_mode & 0o7777 == 0o400


def make_password(backup: Backup, account: Account) -> None:
    path = password_file(backup.name)
    make_directory(path.parent)
    # One that is there may be the only key to years of snapshots: at most its owner and mode are mended.
    try:
        known = files.read(path, PASSWORD_SIZE)
    except FileNotFoundError:
        known = ""
    except OSError as error:
        raise OperatorError(
            f"{path} cannot be used ({error.strerror}). Put the password of the backups there, or remove the file."
        ) from error
    replace_file(path, known if known.strip() else secrets.token_urlsafe(32) + "\n", 0o400, account)
    make_directory(state(backup.name), account)


def make_directory(path: Path, account: Account | None = None) -> None:
    """For all to enter, or for one alone; whatever the umask is."""
    for missing in reversed([directory for directory in (path, *path.parents) if not directory.exists()]):
        missing.mkdir()
        missing.chmod(0o755)
    if account and not owns(path, account):
        path.chmod(0o700)
        os.chown(path, account.uid, account.gid)


def repository_id(backup: Backup, account: Account) -> str:
    """Empty where there is no repository."""
    try:
        return str(decoded_object(backup.restic(account).call("cat", "config", seconds=SETUP))["id"])
    except (ValueError, LookupError) as error:
        raise OperatorError(f"The repository {backup.shown_repository} is none that restic made: {error}") from error
    except ResticError as error:
        if error.repository_missing:
            return ""
        raise OperatorError(f"Instance {backup.name} cannot be backed up: {explain(backup, error)}.") from error


def make_repository(backup: Backup, account: Account) -> bool:
    known = read_known(backup.name)
    if known.get("repository") != backup.repository:
        known = {}
    found = repository_id(backup, account)
    if not found and known:
        raise OperatorError(
            f"The repository of instance {backup.name}, {backup.shown_repository}, is gone; it was there on "
            f"{known['since']}. If its file system is not mounted, mount it. To begin anew without the old snapshots, "
            f"remove {known_file(backup.name)}."
        )
    if not found:
        found = new_repository(backup, account)
    if backup.directory:
        check_reach(backup)
    if found == known.get("id"):
        return False
    record = {"repository": backup.repository, "id": found, "since": now()}
    # Not for everybody, because a URL may hold a password.
    replace_file(known_file(backup.name), json.dumps(record) + "\n", 0o600)
    return True


def new_repository(backup: Backup, account: Account) -> str:
    if REPOSITORIES in Path(backup.directory).parents:
        make_directory(Path(backup.directory), account)
    try:
        backup.restic(account).call("init", seconds=SETUP)
    except ResticError as error:
        raise OperatorError(
            f"{account.name} cannot make the repository {backup.shown_repository} for the backups of instance "
            f"{backup.name}: {error}. Give that user the right to write there, or set another `backup_repository`."
        ) from error
    return repository_id(backup, account)


def check_reach(backup: Backup) -> None:
    """The unit may write to one directory only, and systemd looks it up as root, who has no rights on some shares."""
    try:
        os.stat(backup.directory)
    except OSError as error:
        raise OperatorError(
            f"Root cannot look into {backup.directory} ({error.strerror}), and systemd must, to open it to the backups "
            f"of instance {backup.name}. Let others pass through the directories above it (chmod o+x)."
        ) from error
