# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a container needs on this machine, made with no more rights than it takes."""

from __future__ import annotations

import errno
import functools
import json
import os
import re
import secrets
import typing as t
from pathlib import Path

from .._untrusted import files
from .._untrusted.shape import line
from .._untrusted.user import SECONDS, FailedError, Rights, as_user, together
from . import layout
from .container import passwd_and_group, server_config
from .directories import check_reachable, check_usable
from .errors import OperatorError
from .journal import say
from .settings import Account, Settings

# As the role makes them, and as an operator may have written one.
TOKEN = re.compile(r"[!-~]+")
TOKEN_SIZE = 4096
T = t.TypeVar("T")


def replace_file(path: Path, content: str, mode: int, owner: Account | None = None) -> None:
    files.replace(path, content, mode, (owner.uid, owner.gid) if owner else None)


def rights_of(account: Account) -> Rights:
    return Rights(account.uid, account.gid)


def run_as(account: Account, action: t.Callable[[], T]) -> T:
    """Do it with the user's own rights: root has none on NFS with root_squash, and must not follow a user's links."""
    try:
        return as_user(rights_of(account), action)
    except FailedError as error:
        raise OperatorError(line(error)) from error


def in_time(action: t.Callable[[], T]) -> T:
    """Do it as root, where a file system of the user's may never answer."""
    (result,) = together([action], SECONDS)
    if isinstance(result, FailedError):
        raise OperatorError(line(result))
    return result


def read_token(settings: Settings) -> str:
    """OSError where there is none that could be used: the file belongs to the instance's user."""
    return as_token(settings.token_file, files.look(settings.token_file, TOKEN_SIZE))


def as_token(path: Path, seen: files.Content) -> str:
    token = seen.raw.decode("ascii", "replace").strip()
    if not TOKEN.fullmatch(token):
        raise OSError(errno.EINVAL, "it holds no token", str(path))
    return token


def make_token(path: Path, account: Account) -> None:
    """Made here: it never passes through a command line, an environment, a log or another machine."""
    # Without a line's end, which a stock Jupyter Server would take for a part of the token.
    replace_file(path, secrets.token_hex(24), 0o400, account)


def prepare_token(settings: Settings, account: Account) -> None:
    """Made once. Of one that belongs to another account, somebody else knows it, who had the instance before."""
    path = settings.token_file
    try:
        seen = files.look(path, TOKEN_SIZE)
        token = as_token(path, seen)
    except OSError:
        make_token(path, account)
        return
    if seen.owner not in (0, account.uid):
        say(f"The instance {settings.name} is {account.name}'s now, and has a new token.")
        make_token(path, account)
    elif (seen.owner, seen.mode) != (account.uid, 0o400):
        replace_file(path, token, 0o400, account)


def prepare(settings: Settings, account: Account) -> None:
    settings.state.mkdir(parents=True, exist_ok=True)
    prepare_token(settings, account)
    for name, content in zip(("passwd", "group"), passwd_and_group(account)):
        replace_file(settings.state / name, content, 0o644)
    replace_file(settings.state / layout.SERVER_CONFIG, json.dumps(server_config(settings)) + "\n", 0o644)
    if not settings.home and not (settings.state / "home").exists():
        (settings.state / "home").mkdir(0o700)
        os.chown(settings.state / "home", account.uid, account.gid)
    for directory in settings.directories(account).values():
        try:
            run_as(account, functools.partial(check_usable, directory))
            # Nobody else's, where it is new: what is there may be shared on purpose.
            run_as(account, functools.partial(os.makedirs, directory, mode=0o700, exist_ok=True))
            in_time(functools.partial(check_reachable, directory))
        except (OperatorError, OSError) as error:
            raise OperatorError(f"{account.name} cannot use the directory {directory}: {error}.") from error
