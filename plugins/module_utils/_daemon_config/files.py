# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where daemon.json really is, and what is in it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.errors import DaemonConfigError

_MAX_LINKS = 40
# Seconds for another run to end. It asks dockerd about the file, which takes one.
_PATIENCE = 60.0


def under_root(root: str, path: str) -> str:
    """path below root, every symbolic link resolved as it would be for a process whose root directory root is."""
    return _resolve(root, path)


def _resolve(root: str, path: str) -> str:
    todo = [part for part in path.split("/") if part]
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop(0)
        if part == ".":
            continue
        if part == "..":
            done = done[:-1]
            continue
        here = _join(root, [*done, part])
        try:
            target = os.readlink(here)
        except OSError:
            done.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise DaemonConfigError(f"{path} runs through a loop of symbolic links; remove the one at {here}.")
        done = [] if target.startswith("/") else done
        todo = [part for part in target.split("/") if part] + todo
    return _join(root, done)


def _join(root: str, parts: list[str]) -> str:
    return os.path.join(root, *parts)


def read(root: str, path: str) -> tuple[str, bytes | None]:
    """The real place of path and its bytes, None where there is no file yet."""
    real = _resolve(root, path)
    try:
        kind = os.stat(real).st_mode
    except FileNotFoundError:
        _refuse_dangling_link(root, path, real)
        return real, None
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(kind):
        what = "a directory" if stat.S_ISDIR(kind) else "neither a file nor a directory"
        raise DaemonConfigError(f"{path} is {what}, not a configuration file of dockerd. Move it away, or set path.")
    try:
        with open(real, "rb") as file:
            return real, file.read()
    except OSError as error:
        raise _unreadable(path, error) from error


def _refuse_dangling_link(root: str, path: str, real: str) -> None:
    parent = _resolve(root, os.path.dirname(path))
    if os.path.islink(os.path.join(parent, os.path.basename(path))):
        # The target may be on a file system that is not mounted now; a file made there would be hidden by it later.
        raise DaemonConfigError(
            f"{path} is a symbolic link to {real}, which does not exist. Create that file (mount its file system), "
            "or remove the link."
        )


def _unreadable(path: str, error: OSError) -> DaemonConfigError:
    hint = " Run the task with become." if error.errno in (errno.EACCES, errno.EPERM) else ""
    return DaemonConfigError(f"{path} cannot be read: {error.strerror}.{hint}")


@contextlib.contextmanager
def alone(root: str, patience: float = _PATIENCE) -> t.Iterator[None]:
    """Between reading the file and replacing it, no other run does the same: it would undo the change of this one.

    The lock is a file that only root can open, so that no other user holds it for ever, and leaves no trace.
    """
    # A place that no run makes, or two could wait at different ones. An image in the making may have no /run.
    directory = under_root(root, "/run")
    path = os.path.join(directory if os.path.isdir(directory) else root, ".gpulab-daemon.json.lock")
    deadline = time.monotonic() + patience
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError:
            # Whoever cannot make it cannot replace the file either, and hears that where it matters.
            yield
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before has removed it.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                break
        except FileNotFoundError:
            pass
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise DaemonConfigError(
                    f"Another run changes the configuration of dockerd since {patience:.0f} seconds, and has locked "
                    f"{path}. Run the task again when it has ended."
                ) from None
            time.sleep(0.05)
        os.close(descriptor)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(descriptor)
