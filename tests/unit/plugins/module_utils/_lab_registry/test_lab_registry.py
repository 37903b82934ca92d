# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a registry: its clients, its units, its files, and which questions it is asked."""

from __future__ import annotations

import hashlib
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._lab_registry import (
    answers,
    connections,
    observe,
    units,
)

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1388 0100007F:C350 01 00000000:00000000 00:00000000 00000000   110        0 20872
   1: 0100007F:C350 0100007F:1388 01 00000000:00000000 00:00000000 00000000  1000        0 20873
   2: 0100007F:1388 0100007F:C351 06 00000000:00000000 03:00000f7c 00000000     0        0 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:1388 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 0000000000000000FFFF00000900A8C0:1388 0000000000000000FFFF00000A00A8C0:D431 01 00000000:00000000
"""
SHOWN = """\
Result=success
ExecMainStartTimestampMonotonic=5250000
Id=docker-registry.service
ActiveState=active
UnitFileState=enabled
NeedDaemonReload=no

Result=exit-code
ExecMainStartTimestampMonotonic=7000000
Id=docker-registry-clean.service
ActiveState=failed
UnitFileState=static
NeedDaemonReload=yes

Result=success
ExecMainStartTimestampMonotonic=0
Id=docker-registry-push.service
ActiveState=inactive
UnitFileState=
NeedDaemonReload=no
"""
PASSWORDS = {"pull": "a", "push": "b"}


def test_clients_are_counted_on_both_families(tmp_path: Path) -> None:
    """The client's end of a local connection is no client, and neither is one that is closing."""
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/tcp").write_text(TCP, encoding="ascii")
    (tmp_path / "proc/net/tcp6").write_text(TCP6, encoding="ascii")
    assert connections.look([5000, 5001], str(tmp_path)) == {
        "5000": {"listening": True, "clients": 2},
        "5001": {"listening": False, "clients": 0},
    }


def test_without_ipv6(tmp_path: Path) -> None:
    assert connections.look([5000], str(tmp_path)) == {"5000": {"listening": False, "clients": 0}}


@pytest.fixture
def port() -> Iterator[int]:
    """One with a client that has said nothing yet, and may say something later."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        with server.accept()[0]:
            yield server.getsockname()[1]
        client.close()


def test_an_idle_connection_is_no_client(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the kernel that runs this, which may have no tcp_diag; then all of them count."""
    assert connections.look([port]) == {str(port): {"listening": True, "clients": 1}}
    if connections.silences() is None:
        return
    monkeypatch.setattr(connections, "IDLE", 0)
    assert connections.look([port]) == {str(port): {"listening": True, "clients": 0}}


@pytest.mark.parametrize(
    ("idle", "clients"),
    [
        (None, 1),
        ([], 0),
        ([(5000, 299.0)], 1),
        # A connection that says nothing stays open for as long as its client wants.
        ([(5000, 301.0), (5000, 86400.0)], 0),
        ([(5001, 0.0), (5000, 2.0), (5000, 400.0)], 1),
    ],
)
def test_clients_are_those_that_were_heard_of(idle: list[tuple[int, float]] | None, clients: int) -> None:
    assert connections.clients(5000, [(5000, "01"), (5000, "0A"), (5001, "01")], idle) == clients


def answer(port: int, sent: int, received: int) -> bytes:
    """As the kernel gives it: another attribute first, then struct tcp_info."""
    info = struct.pack("=44xIIIi", sent, 0, received, 0)
    attributes = struct.pack("=HHB3x", 5, 8, 0) + struct.pack("=HH", 4 + len(info), 2) + info
    message = struct.pack("=4x") + struct.pack(">H", port) + bytes(66) + attributes
    return struct.pack("=IHHII", 16 + len(message), 20, 2, 0, 0) + message


def test_the_kernels_answer() -> None:
    found: list[tuple[int, float]] = []
    assert not connections.parse_silences(answer(5000, 700_000, 400_000) + answer(22, 5, 70_000), found)
    assert found == [(5000, 400.0), (22, 0.005)]
    assert connections.parse_silences(struct.pack("=IHHIIi", 20, 3, 2, 0, 0, 0), found)
    with pytest.raises(OSError, match="sock_diag"):
        connections.parse_silences(struct.pack("=IHHIIi", 20, 2, 0, 0, 0, -2), found)


def test_units() -> None:
    found = units.parse(SHOWN, booted=1000.0)
    assert found == {
        "docker-registry.service": {
            "active": True,
            "enabled": True,
            "needs_reload": False,
            "started": 1005.25,
            "result": "success",
        },
        "docker-registry-clean.service": {
            "active": False,
            "enabled": False,
            "needs_reload": True,
            "started": 0.0,
            "result": "exit-code",
        },
        "docker-registry-push.service": {
            "active": False,
            "enabled": False,
            "needs_reload": False,
            "started": 0.0,
            "result": "success",
        },
    }


def test_units_without_systemd() -> None:
    assert units.parse("", 0) == {}


def expected(port: int, account: str, request: tuple[str, str]) -> list[int]:
    return [
        one["expected"]
        for one in answers.questions(PASSWORDS, 5000, 5001)
        if (one["port"], one["account"], one["request"]) == (port, account, request)
    ]


@pytest.mark.parametrize(
    ("port", "account", "request_", "status"),
    [
        (5000, "", answers.READ, [401]),
        (5000, "pull", answers.READ, [200]),
        (5000, "push", answers.READ, [200]),
        (5000, "pull", answers.WRITE, [405]),
        (5000, "push", answers.WRITE, [405]),
        (5001, "", answers.READ, [401]),
        (5001, "pull", answers.READ, [401]),
        (5001, "push", answers.READ, [200]),
        (5001, "", answers.WRITE, [401]),
        # Would begin an upload.
        (5001, "push", answers.WRITE, []),
    ],
)
def test_who_may_do_what(port: int, account: str, request_: tuple[str, str], status: list[int]) -> None:
    assert expected(port, account, request_) == status


def test_nothing_answers() -> None:
    question = {"port": 1, "account": "pull", "request": answers.READ, "expected": 200}
    answer = answers.ask(question, PASSWORDS, "127.0.0.1", "localhost", "", 5)
    assert (answer["status"], answer["good"]) == (0, False)
    assert answer["problem"]
    assert "a" not in answer.values()


def test_files(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"text")
    (tmp_path / "one").chmod(0o640)
    seen: dict[str, Any] = observe.files([str(tmp_path / "one"), str(tmp_path), str(tmp_path / "none")])
    one = seen[str(tmp_path / "one")]
    assert (one["exists"], one["sha256"], one["mode"]) == (True, hashlib.sha256(b"text").hexdigest(), "0640")
    assert one["written"] > 0
    assert seen[str(tmp_path)]["exists"]
    assert seen[str(tmp_path / "none")] == {"exists": False, "sha256": "", "mode": "", "group": "", "written": 0.0}


def test_space_of_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    seen = observe.space(str(tmp_path / "a/b/c"))
    assert 0 < seen["percent"] <= 100
    assert seen["free"] >= 0


def test_text(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"text \xff" + bytes(1 << 17))
    assert observe.text(str(tmp_path / "one")).startswith("text \N{REPLACEMENT CHARACTER}")
    assert len(observe.text(str(tmp_path / "one"))) == 1 << 16
    assert observe.text(str(tmp_path / "none")) == ""
