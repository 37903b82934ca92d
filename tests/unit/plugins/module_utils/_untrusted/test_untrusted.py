# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hostile user makes of files, programs, servers and their own processes."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._untrusted import child, files, shape, user, web

NOBODY = user.Rights(65534, 65534)
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture
def public() -> t.Iterator[Path]:
    """A directory of nobody's, which every user reaches."""
    path = Path("/tmp") / f"gpulab-untrusted-{os.getpid()}"
    path.mkdir(0o755)
    os.chown(path, NOBODY.uid, NOBODY.gid)
    yield path
    subprocess.run(["rm", "-rf", str(path)], check=True)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.with_name("secret").write_text("secret")
    path.symlink_to("secret")


def directory(path: Path) -> None:
    path.mkdir()


def endless(path: Path) -> None:
    """It takes no space on the disk."""
    path.touch()
    os.truncate(path, 2**40)


def unreadable(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (pipe, errno.EINVAL),
        (link, errno.ELOOP),
        (directory, errno.EINVAL),
        (endless, errno.EFBIG),
        (unreadable, errno.EILSEQ),
    ],
)
def test_file_that_is_none(make: t.Callable[[Path], None], code: int, tmp_path: Path) -> None:
    make(tmp_path / "file")
    begin = time.monotonic()
    with pytest.raises(OSError, match=r".+") as refused:
        files.read(tmp_path / "file", 4096)
    assert refused.value.errno == code
    assert refused.value.filename == str(tmp_path / "file")
    assert time.monotonic() - begin < 5


def test_file_of_just_that_size(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x" * 10)
    (tmp_path / "link").symlink_to("file")
    assert files.read(tmp_path / "file", 10) == "x" * 10
    assert files.read(tmp_path / "link", 10, follow=True) == "x" * 10, "a path of the operator's"
    with pytest.raises(OSError, match="more than 9 bytes"):
        files.read(tmp_path / "file", 9)


def test_replacing_opens_no_name_that_was_prepared(tmp_path: Path) -> None:
    target = tmp_path / "notebook.txt"
    for process in range(os.getpid(), os.getpid() + 100):
        os.mkfifo(tmp_path / f".notebook.txt.{process}")
    files.replace(target, "new", 0o400)
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("new", 0o400)
    assert len(list(tmp_path.iterdir())) == 101, "no temporary file is left"


def test_replacing_a_directory_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError):
        files.replace(tmp_path / "file", "new", 0o400)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_replacing_a_link_replaces_the_link(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "file").symlink_to("theirs")
    files.replace(tmp_path / "file", "new", 0o400)
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert not (tmp_path / "file").is_symlink()


def test_program_that_does_not_end() -> None:
    begin = time.monotonic()
    done = child.run(["sh", "-c", "echo said; sleep 60"], 0.3)
    assert (done.code, done.out) == (None, "said\n")
    assert time.monotonic() - begin < 10


def test_program_that_does_not_stop_talking() -> None:
    done = child.run(["sh", "-c", "head -c 3000000 /dev/zero; echo done >&2"], 60, most=1000)
    assert (done.code, len(done.stdout), done.is_cut, done.err) == (0, 1000, True, "done\n")


def test_program_whose_wait_is_interrupted_ends_with_it(tmp_path: Path) -> None:
    def interrupt(_number: int, _frame: t.Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            child.run(["sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 60"], None)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@as_root
def test_work_is_done_with_the_rights_of_the_user(public: Path) -> None:
    assert user.as_user(NOBODY, lambda: [os.getuid(), os.getgid(), os.getgroups()]) == [65534, 65534, []]
    assert os.getuid() == 0
    (public / "closed").mkdir(0o700)
    with pytest.raises(user.FailedError, match="Permission denied"):
        user.as_user(NOBODY, lambda: os.listdir(public / "closed"))


@as_root
@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGSTOP, "did not end within 1 seconds"), (signal.SIGKILL, "killed by somebody")]
)
def test_work_that_its_user_stops_or_kills_has_not_succeeded(number: int, expected: str) -> None:
    """A process of the user's may send signals to one that has their rights."""

    def work() -> None:
        subprocess.run(["sh", "-c", f"kill -{number:d} {os.getpid()}"], check=True)
        time.sleep(60)

    begin = time.monotonic()
    with pytest.raises(user.FailedError, match=expected):
        user.as_user(NOBODY, work, seconds=1)
    assert time.monotonic() - begin < 10


@as_root
def test_work_cannot_be_looked_into_by_its_user() -> None:
    """It was forked from root's process, whose memory has the tokens of others."""

    def work() -> str:
        command = ["head", "-c1", f"/proc/{os.getpid()}/mem"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stderr

    assert "Permission denied" in user.as_user(NOBODY, work)


def test_each_work_has_a_result_of_its_own() -> None:
    deep: list[t.Any] = []
    for _ in range(100_000):
        deep = [deep]

    def die() -> None:
        os._exit(0)

    def late() -> None:
        time.sleep(60)

    works: list[t.Callable[[], t.Any]] = [
        lambda: {"a": [1, "ä"]},
        die,
        late,
        lambda: "x" * 3000,
        lambda: deep,
        lambda: 5,
    ]
    one, two, three, four, five, six = user.together(works, seconds=2, most=2000)
    assert (one, six) == ({"a": [1, "ä"]}, 5)
    assert "killed by somebody" in str(two)
    assert "did not end within 2 seconds" in str(three)
    assert "returned more than 2000 bytes" in str(four)
    assert isinstance(five, user.FailedError)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@as_root
def test_directory_is_the_one_that_the_user_opened(public: Path) -> None:
    own = public / "notebooks"
    own.mkdir()
    os.chown(own, NOBODY.uid, NOBODY.gid)
    descriptor = user.open_directory(NOBODY, str(own))
    try:
        seen, wanted = os.fstat(descriptor), own.stat()
        assert (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino)
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


@as_root
@pytest.mark.parametrize("kind", ["foreign", "link to foreign", "below a closed one", "file", "pipe", "missing"])
def test_directory_that_is_not_the_users(kind: str, public: Path) -> None:
    path = public / "notebooks"
    if kind == "foreign":
        path.mkdir(0o755)
    elif kind == "link to foreign":
        (public / "home").mkdir(0o700)
        path.symlink_to("home")
    elif kind == "below a closed one":
        (public / "home").mkdir(0o700)
        (public / "home/open").mkdir(0o777)
        (public / "home/open").chmod(0o777)
        path.symlink_to("home/open")
    elif kind == "file":
        path.touch()
    elif kind == "pipe":
        os.mkfifo(path)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(user.FailedError):
        user.open_directory(NOBODY, str(path))
    assert os.listdir("/proc/self/fd") == before


class Hostile:
    """A server that says what it is told, piece by piece."""

    def __init__(self, *pieces: bytes, pause: float = 0, repeat: bool = False) -> None:
        self.asked: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/api"
        threading.Thread(target=self.serve, args=(pieces, pause, repeat), daemon=True).start()

    def serve(self, pieces: tuple[bytes, ...], pause: float, repeat: bool) -> None:
        connection, _address = self.socket.accept()
        with connection:
            self.asked.append(connection.recv(65536))
            try:
                while True:
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(pause)
                    if not repeat:
                        return
            except OSError:
                return


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("server", "code"),
    [
        (lambda: Hostile(OK, b"X", pause=0.1, repeat=True), errno.ETIMEDOUT),
        (lambda: Hostile(OK + b"\r\n", b"x", pause=0.1, repeat=True), None),
        (lambda: Hostile(OK + b"\r\n", b"x" * 65536, repeat=True), errno.EFBIG),
        (lambda: Hostile(b"HTTP/1.1 100 Continue\r\n\r\n", repeat=True), errno.EFBIG),
        (lambda: Hostile(b"", pause=60), errno.ETIMEDOUT),
    ],
    ids=["a header a byte at a time", "a body a byte at a time", "an endless body", "endless headers", "silence"],
)
def test_server_that_does_not_come_to_an_end(server: t.Callable[[], Hostile], code: int | None) -> None:
    begin = time.monotonic()
    with pytest.raises(OSError, match=r".+") as refused:
        web.get(server().url, begin + 1, 1000)
    assert code in (None, refused.value.errno)
    assert time.monotonic() - begin < 5


def test_redirect_is_not_followed_with_the_token() -> None:
    other = Hostile(OK + b"\r\n{}")
    server = Hostile(f"HTTP/1.1 302 Found\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n".encode())
    assert web.get(server.url, time.monotonic() + 5, 1000, {"Authorization": "token secret"}) == (302, b"")
    assert b"token secret" in server.asked[0]
    assert other.asked == []


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, "9" * 100_000, "NaN", "Infinity", "", "{", b"\xff", '{"a": ' * 50_000],
)
def test_json_that_is_none(content: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        shape.decoded(content)


def test_json_of_another_type() -> None:
    with pytest.raises(ValueError, match="an object was expected, and not list"):
        shape.decoded_object("[]")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("plain\n\tü", "plain\n\tü"),
        ("\x1b]0;owned\x07", "\ufffd]0;owned\ufffd"),
        ("\u202egpj.exe", "\ufffdgpj.exe"),
        ("\ud800", "\ufffd"),
        ("a\r\nb\rc", "a\nb\ufffdc"),
        (None, ""),
        (["\x00"], "['\\x00']"),
        ("x" * 3000, "x" * 2000 + " …"),
    ],
)
def test_text(said: t.Any, expected: str) -> None:
    assert shape.text(said) == expected
    assert "\n" not in shape.line(said)
    assert shape.cleaned({"key": [said]}) == {"key": [expected if isinstance(said, str) else shape.cleaned(said)]}
