# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directories of a notebook, as its user opened them.

The engine looks a path up as root, when it mounts it. Between a check and that, the user could put a link to somebody
else's home in its place. So the user opens the directory, root mounts what is open, and the engine gets that.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import typing as t
from pathlib import Path

from .._untrusted.user import FailedError, open_directory
from . import layout
from .errors import OperatorError
from .files import rights_of
from .settings import Account, Settings

# Of mount(2) and umount2(2).
BIND, RECURSIVE, PRIVATE = 0x1000, 0x4000, 0x40000
DETACH = 2


@contextlib.contextmanager
def opened(settings: Settings, account: Account) -> t.Iterator[dict[str, str]]:
    """Where the engine finds each of the directories, until it has mounted them in a container."""
    directories = settings.directories(account)
    if rights_of(account).are_ours:
        # Whoever starts their own containers gets nowhere that way where they could not get already.
        yield directories
        return
    place = layout.RUN / settings.name
    places = {key: place / key for key in directories}
    try:
        # Here, the modes of the directories above the user's guard nothing.
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o700)
        for key, path in directories.items():
            # A start that was broken off may have left something.
            detach(places[key])
            places[key].mkdir(exist_ok=True)
            attach(account, path, places[key])
        yield {key: str(target) for key, target in places.items()}
    except OSError as error:
        raise OperatorError(f"{place} cannot be made for the directories of {settings.name}: {error}.") from error
    finally:
        for target in places.values():
            detach(target)
            with contextlib.suppress(OSError):
                target.rmdir()
        with contextlib.suppress(OSError):
            place.rmdir()


def attach(account: Account, path: str, target: Path) -> None:
    try:
        descriptor = open_directory(rights_of(account), path)
    except FailedError as error:
        raise OperatorError(f"{account.name} cannot use the directory {path}: {error}.") from error
    try:
        # What is mounted below it, too, as the engine would.
        call("mount", f"/proc/self/fd/{descriptor}".encode(), bytes(target), None, BIND | RECURSIVE, None)
    finally:
        os.close(descriptor)
    keep_apart(target)


def detach(target: Path) -> None:
    """Whatever is mounted there, and nothing where that came from."""
    while keep_apart(target):
        call("umount2", bytes(target), DETACH)


def keep_apart(target: Path) -> bool:
    """Whether something is mounted there. What is done to that has no effect elsewhere any more."""
    try:
        call("mount", None, bytes(target), None, RECURSIVE | PRIVATE, None)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return False
        raise
    return True


def call(name: str, *arguments: bytes | int | None) -> None:
    """A function of the C library. The command mount would look the path up once more."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*(ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name} failed: {os.strerror(code)}")
