# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that somebody else may have made, by descriptor. All that goes wrong is an OSError with a sentence."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import typing as t
from pathlib import Path


class Content(t.NamedTuple):
    raw: bytes
    owner: int
    mode: int


def look(path: str | Path, most: int, follow: bool = False) -> Content:
    """All of a regular file, its owner and its mode.

    Root calls this in directories of root's. What lies in a user's own is read as that user (see user.py), because a
    file system of theirs may never answer. follow: where the path is the operator's, who may have linked it.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    # A named pipe without a writer would keep its reader for ever; opened like this, it only is the wrong type.
    descriptor = os.open(path, flags)
    try:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        raw = bytearray()
        while len(raw) <= most:
            piece = os.read(descriptor, min(most + 1 - len(raw), 65536))
            if not piece:
                return Content(bytes(raw), seen.st_uid, stat.S_IMODE(seen.st_mode))
            raw += piece
    finally:
        os.close(descriptor)
    raise OSError(errno.EFBIG, f"it has more than {most} bytes", str(path))


def read(path: str | Path, most: int, follow: bool = False) -> str:
    """The text of a regular file."""
    try:
        return look(path, most, follow).raw.decode("utf-8")
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "it is no text in UTF-8", str(path)) from None


def replace(path: Path, content: str, mode: int, owner: tuple[int, int] | None = None) -> None:
    """In one step, by way of a name that nobody can guess, and so prepare. It outlives a power cut."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
            if owner:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync(path.parent)


def sync(directory: Path) -> None:
    """Has the names in it survive a power cut, too."""
    # Not all file systems can, and all keep the content.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def nameless(content: bytes) -> t.Iterator[t.BinaryIO]:
    """A file in memory that no other user can open."""
    with open(os.memfd_create("nameless", os.MFD_CLOEXEC), "w+b") as file:
        file.write(content)
        file.flush()
        file.seek(0)
        yield file
