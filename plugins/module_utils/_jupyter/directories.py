# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the two who need a directory can use it: the user whose files are in it, and the engine that mounts it.

What these raise is a sentence without its end, for somebody who says which directory it is about.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
import typing as t
from pathlib import Path

from .._untrusted import files
from .._untrusted.user import FailedError, together
from . import layout
from .errors import OperatorError

# Below this a disk counts as full: a notebook with its outputs would not fit.
LITTLE_ROOM = 2**20
# Bytes of mountinfo, of which each container has some lines.
MOUNTINFO = 16 * 2**20


class Mount(t.NamedTuple):
    point: str
    kind: str
    source: str

    def __str__(self) -> str:
        return f"{self.kind} from {self.source} at {self.point}"


def parse_mountinfo(text: str) -> list[Mount]:
    """proc_pid_mountinfo(5): `36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw`."""

    def unescape(field: str) -> str:
        return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), field)

    mounts = []
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        if separator:
            kind, source = after.split(" ")[:2]
            mounts.append(Mount(unescape(before.split(" ")[4]), kind, unescape(source)))
    return mounts


def mount_of(path: Path, mounts: list[Mount]) -> Mount:
    """Of mounts on the same point, the last hides the others."""
    around = [mount for mount in mounts if mount.point in map(str, (path, *path.parents))]
    return max(reversed(around), key=lambda mount: len(mount.point), default=Mount("/", "unknown", "unknown"))


def find_mount(path: Path) -> Mount:
    return mount_of(path, parse_mountinfo(os.fsdecode(files.look(layout.PROC / "self/mountinfo", MOUNTINFO).raw)))


def existing(path: str) -> Path:
    """Itself, or the nearest directory above it that is there."""
    there = Path(path)
    while True:
        try:
            os.lstat(there)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            there = there.parent
        except OSError as error:
            raise silent(there, error) from error
        else:
            return there


def silent(path: Path, error: OSError) -> OperatorError:
    mount = find_mount(path)
    return OperatorError(f"{path} does not answer: {error.strerror} ({mount}); mount {mount.point} again")


def described(path: Path) -> str:
    real = os.path.realpath(path)
    return str(path) if real == str(path) else f"{path}, which is {real},"


def check_usable(path: str) -> None:
    """That it can be written to, or made, by whoever runs this."""
    there = existing(path)
    if there.is_symlink() and not there.exists():
        raise OperatorError(f"{there} is a link to {os.readlink(there)}, which leads nowhere; correct the link")
    if not there.is_dir():
        raise OperatorError(f"{there} is not a directory; move it away")
    if os.statvfs(there).f_flag & os.ST_RDONLY:
        mount = find_mount(there.resolve())
        raise OperatorError(
            f"{described(there)} is mounted read-only ({mount}), perhaps after an error of the disk; see `dmesg`, and "
            f"`mount -o remount,rw {mount.point}`"
        )
    if not os.access(there, os.W_OK | os.X_OK):
        owner = there.stat()
        belongs = f"{described(there)} belongs to {user_name(owner.st_uid)} with mode {owner.st_mode & 0o7777:04o}"
        if str(there) == path:
            raise OperatorError(f"{belongs}; change its owner or mode")
        if not os.access(there, os.X_OK):
            raise OperatorError(f"{belongs}, so that the user may not pass through it; change its mode")
        raise OperatorError(f"it is not there, and {belongs}; make it, and give it to the user")


def user_name(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (UID {uid})"
    except KeyError:
        return f"UID {uid}, whom this machine does not know,"


def check_room(path: str) -> None:
    there = existing(path)
    system = os.statvfs(there)
    lacking = []
    # Some file systems do not count these, and say that there are none at all.
    if system.f_blocks and system.f_bavail * system.f_frsize < LITTLE_ROOM:
        lacking.append("space")
    if system.f_files and not system.f_favail:
        lacking.append("inodes")
    if lacking:
        raise OperatorError(
            f"no {' and no '.join(lacking)} is left on its file system ({find_mount(there.resolve())}); delete "
            f"something there"
        )


def check_executable(path: str) -> None:
    there = existing(path)
    if os.statvfs(there).f_flag & os.ST_NOEXEC:
        raise OperatorError(
            f"it is mounted noexec ({find_mount(there.resolve())}), so that compiled packages installed there "
            f"would not load; mount it with exec"
        )


def mode_if_open(path: str) -> str:
    """The mode of a directory, such as 0755, where everybody on this machine may pass through it, and so read a file
    there whose name they guess. Else empty.
    """
    real = Path(os.path.realpath(path))
    modes = [os.stat(part).st_mode for part in (real, *real.parents)]
    return f"{modes[0] & 0o7777:04o}" if all(mode & stat.S_IXOTH for mode in modes) else ""


def in_time(look: t.Callable[[], str], seconds: float) -> str:
    """What it returns. Empty where it fails, or does not end in time, as on a file server that is down."""
    (said,) = together([look], seconds)
    return "" if isinstance(said, FailedError) else said


def check_reachable(path: str) -> None:
    """That the engine can mount it. It acts as root, who has fewer rights than the owner where others keep files."""
    real = Path(os.path.realpath(path))
    for part in (*reversed(real.parents), real):
        try:
            os.stat(part)
        except FileNotFoundError:
            return
        except PermissionError:
            mount = find_mount(part)
            if mount.kind.startswith("fuse") and mount.point == str(part):
                raise OperatorError(
                    f"{part} is mounted for the user who mounted it only ({mount}), and Docker Engine acts as root; "
                    f"mount it with -o allow_root, which /etc/fuse.conf must permit by user_allow_other"
                ) from None
            raise OperatorError(
                f"Docker Engine acts as root, and root may not pass through {part.parent} ({mount}), as on NFS with "
                f"root_squash; `chmod o+x {part.parent}` lets it pass, and see no more than names it knows"
            ) from None
        except OSError as error:
            raise silent(part, error) from error
