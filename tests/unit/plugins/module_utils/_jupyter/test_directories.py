# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that a notebook cannot use, each with its own sentence.

What root may do on NFS with root_squash is simulated by a stat that refuses. FUSE refuses root in the same way, and a
real one is mounted here, where the tests run as root.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import layout
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.directories import (
    Mount,
    check_executable,
    check_reachable,
    check_room,
    check_usable,
    in_time,
    mode_if_open,
    mount_of,
    parse_mountinfo,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.files import prepare, run_as
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.observe import exposed, notebook_users
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.preflight import directory_problems
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import Account, find_account
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import MakeSettings

NOBODY = 65534
MOUNTINFO = r"""
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
26 22 0:5 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
40 22 0:40 / /home rw,relatime shared:60 master:2 - nfs4 files:/export/home rw,vers=4.2,sec=sys
41 40 0:41 / /home/ada/my\040data rw,nosuid,nodev,relatime - fuse.sshfs ada@far:/data rw,user_id=1000,group_id=1000
42 22 8:1 / /data rw - xfs /dev/sda1 rw
43 22 8:2 / /data rw - ext4 /dev/sdb1 rw
"""
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount, and become another user")


@pytest.fixture
def account() -> Account:
    return Account("ada", os.getuid() or NOBODY, os.getgid() or NOBODY, "/nonexistent")


@pytest.fixture
def public() -> t.Iterator[Path]:
    """A directory that every user reaches; those of pytest are for their owner only."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "ext4 from /dev/vda1 at /"),
        ("/homes", "ext4 from /dev/vda1 at /"),
        ("/home", "nfs4 from files:/export/home at /home"),
        ("/home/ada/notebooks", "nfs4 from files:/export/home at /home"),
        ("/home/ada/my data/x", "fuse.sshfs from ada@far:/data at /home/ada/my data"),
        ("/data/x", "ext4 from /dev/sdb1 at /data"),
    ],
)
def test_mounts(path: str, expected: str) -> None:
    assert str(mount_of(Path(path), parse_mountinfo(MOUNTINFO))) == expected


def test_mounts_of_this_machine(tmp_path: Path) -> None:
    mounts = parse_mountinfo((layout.PROC / "self/mountinfo").read_text())
    assert os.path.ismount(mount_of(tmp_path, mounts).point)
    assert mount_of(tmp_path, []) == Mount("/", "unknown", "unknown")


def test_directory_that_can_be_used(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "to" / "make"):
        for check in (check_usable, check_room, check_executable, check_reachable):
            check(str(path))


def test_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "notebooks").symlink_to("/data/gone")
    with pytest.raises(OperatorError, match="notebooks is a link to /data/gone, which leads nowhere"):
        check_usable(str(tmp_path / "notebooks" / "below"))


@as_root
def test_directory_of_others_above(public: Path, account: Account) -> None:
    (public / "closed" / "notebooks").mkdir(parents=True)
    (public / "closed").chmod(0o700)
    with pytest.raises(
        OperatorError, match=r"closed belongs to root \(UID 0\) with mode 0700, so that the user may not"
    ):
        run_as(account, lambda: check_usable(f"{public}/closed/notebooks"))


def test_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="file is not a directory"):
        check_usable(str(tmp_path / "file" / "below"))


def test_foreign_owner_through_a_link(public: Path, account: Account) -> None:
    (public / "notebooks").symlink_to("/etc")
    with pytest.raises(OperatorError, match=r"notebooks, which is /etc, belongs to root \(UID 0\) with mode 0755"):
        run_as(account, lambda: check_usable(f"{public}/notebooks"))


class Statvfs(t.NamedTuple):
    f_flag: int = 0
    f_blocks: int = 1000
    f_bavail: int = 1000
    f_frsize: int = 4096
    f_files: int = 1000
    f_favail: int = 1000


@pytest.mark.parametrize(
    ("check", "system", "expected"),
    [
        (check_usable, Statvfs(f_flag=os.ST_RDONLY), "is mounted read-only (ext4 from /dev/sdb1 at /data)"),
        (check_room, Statvfs(f_bavail=255), "no space is left on its file system (ext4 from /dev/sdb1 at /data)"),
        (check_room, Statvfs(f_favail=0), "no inodes is left"),
        (check_room, Statvfs(f_bavail=0, f_favail=0), "no space and no inodes is left"),
        # As btrfs and many FUSE file systems have it.
        (check_room, Statvfs(f_files=0, f_favail=0), ""),
        (check_room, Statvfs(f_blocks=0, f_bavail=0), ""),
        (check_executable, Statvfs(f_flag=os.ST_NOEXEC), "is mounted noexec (ext4 from /dev/sdb1 at /data)"),
        (check_executable, Statvfs(), ""),
    ],
)
def test_file_systems(
    check: t.Callable[[str], None],
    system: Statvfs,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout, "PROC", tmp_path)
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text(MOUNTINFO.replace("/data", str(tmp_path)))
    monkeypatch.setattr("os.statvfs", lambda _path: system)
    if not expected:
        return check(str(tmp_path))
    with pytest.raises(OperatorError) as raised:
        check(str(tmp_path / "to" / "make"))
    assert expected.replace("/data", str(tmp_path)) in str(raised.value)
    return None


@pytest.mark.parametrize(
    ("refused", "code", "expected"),
    [
        # NFS: what is in a directory of ada's with mode 0700 is not for root, who is nobody there.
        ("/home/ada/notebooks", errno.EACCES, "may not pass through /home/ada (nfs4 from files:/export/home at /home)"),
        ("/home/ada/notebooks", errno.EACCES, "`chmod o+x /home/ada`"),
        ("/home/ada/my data", errno.EACCES, "mount it with -o allow_root"),
        ("/home/ada", errno.ESTALE, "/home/ada does not answer: Stale file handle (nfs4 from files"),
        ("/home/ada/my data", errno.ENOTCONN, "does not answer: Transport endpoint is not connected (fuse.sshfs from"),
        ("/home/ada/notebooks", errno.ENOENT, ""),
    ],
)
def test_where_root_has_no_rights(
    refused: str, code: int, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "PROC", tmp_path)
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text(MOUNTINFO)
    real_stat = os.stat

    def stat(path: t.Any, *arguments: t.Any, **options: t.Any) -> os.stat_result:
        if str(path).startswith(refused):
            raise OSError(code, os.strerror(code), str(path))
        return real_stat("/" if str(path).startswith("/home") else path, *arguments, **options)

    monkeypatch.setattr("os.stat", stat)
    if not expected:
        return check_reachable(f"{refused}/below")
    with pytest.raises(OperatorError) as raised:
        check_reachable(f"{refused}/below")
    assert expected in str(raised.value)
    return None


def test_mount_that_is_dead_for_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_lstat = os.lstat

    def lstat(path: t.Any, *arguments: t.Any, **options: t.Any) -> os.stat_result:
        if str(path).startswith(f"{tmp_path}/far"):
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN), str(path))
        return real_lstat(path, *arguments, **options)

    monkeypatch.setattr("os.lstat", lstat)
    with pytest.raises(OperatorError, match="far/notebooks does not answer: Transport endpoint is not connected"):
        check_usable(f"{tmp_path}/far/notebooks")


def in_own_mounts(action: t.Callable[[ctypes.CDLL], None]) -> str:
    """What it raises, in a process whose mounts nobody else sees."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            # CLONE_NEWNS; MS_REC | MS_PRIVATE
            if libc.unshare(0x20000) or libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None):
                raise OSError(ctypes.get_errno(), "no mounts of its own")
            action(libc)
        except BaseException as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, encoding="utf-8") as said:
        return said.read()


@as_root
@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="this kernel has no FUSE")
def test_real_fuse_of_another_user(tmp_path: Path) -> None:
    def mount_and_check(libc: ctypes.CDLL) -> None:
        # Nobody answers there: the kernel itself refuses whoever did not mount it.
        descriptor = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={descriptor},rootmode=40000,user_id={NOBODY},group_id={NOBODY}"
        if libc.mount(b"far:/data", str(tmp_path).encode(), b"fuse.sshfs", 0, options.encode()):
            raise OSError(ctypes.get_errno(), "no FUSE mount")
        check_reachable(str(tmp_path / "notebooks"))

    assert f"{tmp_path} is mounted for the user who mounted it only (fuse.sshfs from far:/data" in in_own_mounts(
        mount_and_check
    )


@as_root
@pytest.mark.parametrize(
    ("flags", "options", "expected"),
    [
        (1, "mode=1777", "is mounted read-only (tmpfs from test at"),  # MS_RDONLY
        (8, "mode=1777", "it is mounted noexec (tmpfs from test at"),  # MS_NOEXEC
        (0, "mode=1777,size=4k", "no space is left"),
        (0, "mode=1777,nr_inodes=1", "no inodes is left"),
        (0, "mode=0755", "belongs to root (UID 0) with mode 0755; change its owner or mode, or choose another `home`"),
        (0, "mode=1777", ""),
    ],
)
def test_real_file_systems(flags: int, options: str, expected: str, public: Path, make_settings: MakeSettings) -> None:
    home = public / "home"
    home.mkdir()
    settings = make_settings(workdir="/var/tmp", home=str(home))

    def mount_and_check(libc: ctypes.CDLL) -> None:
        if libc.mount(b"test", str(home).encode(), b"tmpfs", flags, options.encode()):
            raise OSError(ctypes.get_errno(), "no tmpfs")
        problems = directory_problems(settings, Account("ada", NOBODY, NOBODY, "/nonexistent"))
        raise OperatorError(" ".join(problems))

    said = in_own_mounts(mount_and_check)
    assert expected in said
    assert said.startswith("ada cannot use its `home`") if expected else not said


@as_root
def test_home_that_belongs_to_the_user_before(
    make_settings: MakeSettings, account: Account, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "STATE", public)
    settings = make_settings(workdir="/var/tmp")
    assert not directory_problems(settings, account), "the role makes it"
    prepare(settings, find_account(settings.user))
    (problem,) = directory_problems(settings, account)
    assert problem.startswith(f"ada cannot use its `home` {settings.state}/home: ")
    assert "belongs to root (UID 0) with mode 0700" in problem


def test_problems_name_the_key(make_settings: MakeSettings, account: Account) -> None:
    assert "`workdir` /dev/null" in directory_problems(make_settings(workdir="/dev/null"), account)[0]
    (problem,) = directory_problems(make_settings(workdir="/etc/gpulab-x"), account)
    assert "it is not there, and /etc belongs to root (UID 0) with mode 0755; make it" in problem
    assert problem.endswith("or choose another `workdir`")
    assert "is root" in directory_problems(make_settings(), account._replace(uid=0))[0]


@as_root
def test_start_says_so_too(make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_settings(workdir=str(tmp_path / "notebooks"))
    real_stat = os.stat

    def stat(path: t.Any, *arguments: t.Any, **options: t.Any) -> os.stat_result:
        if str(path) == settings.workdir:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real_stat(path, *arguments, **options)

    monkeypatch.setattr("os.stat", stat)
    with pytest.raises(OperatorError, match=r"cannot use the directory .*/notebooks: Docker Engine acts as root"):
        prepare(settings, find_account(settings.user))


@pytest.mark.parametrize(
    ("above", "mode", "is_open"),
    [(0o755, 0o755, True), (0o755, 0o711, True), (0o755, 0o750, False), (0o700, 0o755, False)],
)
def test_who_may_pass_through(public: Path, above: int, mode: int, is_open: bool) -> None:
    (public / "ada/notebooks").mkdir(parents=True)
    (public / "link").symlink_to("ada/notebooks")
    (public / "ada/notebooks").chmod(mode)
    (public / "ada").chmod(above)
    assert mode_if_open(str(public / "link")) == (f"{mode:04o}" if is_open else "")


def late() -> str:
    time.sleep(60)
    return "0755"


def test_a_look_that_fails_or_hangs_is_none() -> None:
    assert in_time(lambda: "0755", 60) == "0755"
    assert in_time(lambda: mode_if_open("/nowhere"), 60) == ""
    assert in_time(late, 0.1) == ""


def test_files_are_exposed_to_other_users_only(public: Path, make_settings: MakeSettings) -> None:
    work = public / "ada's"
    work.mkdir(mode=0o755)
    make_settings(name="ada", user="ada", workdir=str(work))
    make_settings(name="more", user="ada")
    assert exposed("ada", str(work), notebook_users() - {"ada"}) == "", "one person's machine"
    make_settings(name="grace", user="grace")
    said = exposed("ada", str(work), notebook_users() - {"ada"})
    assert "the files of instance ada" in said
    assert f"{work} has mode 0755" in said
    subprocess.run(["sh", "-c", said.split("`")[1]], check=True)
    assert work.stat().st_mode & 0o777 == 0o750
    assert exposed("ada", str(work), notebook_users() - {"ada"}) == ""
