# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a container needs on this machine, made with no more rights than it takes."""

from __future__ import annotations

import functools
import json
import os
import secrets
import typing as t
from pathlib import Path

from . import layout
from .container import passwd_and_group, server_config
from .directories import check_reachable, check_usable
from .errors import OperatorError
from .settings import Account, Settings


def replace_file(path: Path, content: str, mode: int, owner: Account | None = None) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if owner:
            os.fchown(descriptor, owner.uid, owner.gid)
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    os.replace(temporary, path)


def run_as(account: Account, action: t.Callable[[], None]) -> None:
    """Do it with the user's own rights: root has none on NFS with root_squash, and must not follow a user's links."""
    if os.geteuid() == account.uid:
        return action()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
            action()
        except BaseException as error:
            os.write(writer, (str(error) or repr(error)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as result:
        message = result.read().decode(errors="replace")
    os.waitpid(child, 0)
    if message:
        raise OperatorError(message)
    return None


def prepare_token(settings: Settings, account: Account) -> None:
    """Made here, once: it never passes through a command line, an environment, a log or another machine."""
    path = settings.token_file
    try:
        with open(path, encoding="utf-8") as file:
            if file.read().strip():
                os.fchown(file.fileno(), account.uid, account.gid)
                os.fchmod(file.fileno(), 0o400)
                return
    except FileNotFoundError:
        pass
    # Without a line's end, which a stock Jupyter Server would take for a part of the token.
    replace_file(path, secrets.token_hex(24), 0o400, account)


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
            check_reachable(directory)
        except (OperatorError, OSError) as error:
            raise OperatorError(f"{account.name} cannot use the directory {directory}: {error}.") from error
