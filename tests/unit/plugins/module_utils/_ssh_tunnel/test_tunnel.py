# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for ssh, whose control master is a file. The scenario `lab` has a real one."""

from __future__ import annotations

import re
import socket
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._ssh_tunnel.tunnel import (
    Target,
    Tunnel,
    TunnelError,
)

SSH = """\
#!/bin/sh
echo "$*" >>"{here}/calls"
command= socket=
for word; do
    case $previous in -O) command=$word ;; -S) socket=$word ;; esac
    previous=$word
done
case $command in
check) test -e "$socket" ;;
exit) rm "$socket" ;;
*)
    if test -e "{here}/fails"; then
        cat "{here}/fails" >&2
        exit 255
    fi
    touch "$socket"
    ;;
esac
"""
VERBS = Path(__file__).resolve().parents[5] / "docs/verbs.md"
TARGET = Target(("-i", "key"), "ada@lab01", "127.0.0.1", 8888)


class Ssh(t.NamedTuple):
    here: Path

    def calls(self) -> list[str]:
        return (self.here / "calls").read_text().splitlines()


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ssh:
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "ssh"
    command.write_text(SSH.format(here=tmp_path))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return Ssh(tmp_path)


@pytest.fixture
def tunnel(ssh: Ssh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tunnel:
    # pytest's own directory is too long for a socket.
    monkeypatch.chdir(tmp_path)
    return Tunnel("lab01", Path("state"))


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_opens_asks_and_closes(ssh: Ssh, tunnel: Tunnel, port: int) -> None:
    assert not tunnel.is_up()
    tunnel.open(TARGET, port)
    assert tunnel.is_as_wanted(TARGET, port)
    assert not tunnel.is_as_wanted(TARGET._replace(port=8889), port)
    assert not tunnel.is_as_wanted(TARGET, port + 1)
    (call,) = (call for call in ssh.calls() if " -L " in call)
    # Ours first, because ssh takes the first of two.
    assert call.startswith("-f -N -M -S state/tunnel-")
    assert f" -i key -L 127.0.0.1:{port}:127.0.0.1:8888 ada@lab01" in call
    assert call.index("ControlPersist=no") < call.index("-i key")
    assert "ExitOnForwardFailure=yes" in call
    assert Path("state").stat().st_mode & 0o777 == 0o700
    tunnel.close()
    assert not tunnel.is_up()
    assert tunnel.open_ports() == {}


def test_one_that_is_not_found_any_more_can_be_closed_by_hand(ssh: Ssh, tunnel: Tunnel, port: int) -> None:
    tunnel.open(TARGET, port)
    documented = VERBS.read_text(encoding="utf-8")
    (show,) = re.findall(r"`(grep .+ )~/\.ansible/gpulab/(tunnel-.+)`", documented)
    shown = subprocess.run(
        ["sh", "-c", f"{show[0]}state/{show[1]}"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    assert shown.startswith(f"{tunnel.record}:")
    assert "ada@lab01" in shown
    (close,) = re.findall(r"`(ssh -S )~/\.ansible/gpulab/tunnel-[0-9a-f]{16}( -O exit .+)`", documented)
    subprocess.run(["sh", "-c", f"{close[0]}{tunnel.socket}{close[1]}"], check=True)
    assert not tunnel.is_up()


def test_names_do_not_meet(tunnel: Tunnel) -> None:
    assert Tunnel("lab02", Path("state")).socket != tunnel.socket


def test_a_socket_of_a_dead_master_is_no_tunnel(ssh: Ssh, tunnel: Tunnel, port: int) -> None:
    tunnel.open(TARGET, port)
    tunnel.socket.unlink()
    assert not tunnel.is_as_wanted(TARGET, port)
    tunnel.open(TARGET, port)
    assert tunnel.is_up()


def test_a_busy_port_is_named(tunnel: Tunnel) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(TunnelError, match="-e tunnel_port="):
            tunnel.open(TARGET, other.getsockname()[1])


@pytest.mark.parametrize("number", [0, 65536])
def test_what_is_no_port(tunnel: Tunnel, number: int) -> None:
    with pytest.raises(TunnelError, match="is no port"):
        tunnel.open(TARGET, number)


def test_what_ssh_says_is_passed_on(ssh: Ssh, tunnel: Tunnel, port: int) -> None:
    (ssh.here / "fails").write_text("ssh: connect to host lab01 port 22: No route to host\n")
    with pytest.raises(TunnelError, match="No route to host"):
        tunnel.open(TARGET, port)
    assert tunnel.open_ports() == {}


def test_an_ipv6_address_is_bracketed(ssh: Ssh, tunnel: Tunnel, port: int) -> None:
    tunnel.open(TARGET._replace(host="::1"), port)
    assert f"127.0.0.1:{port}:[::1]:8888" in ssh.calls()[-1]


def test_a_path_that_is_too_long_for_a_socket(ssh: Ssh, tmp_path: Path, port: int) -> None:
    with pytest.raises(TunnelError, match="too long"):
        Tunnel("lab01", tmp_path / ("d" * 90)).open(TARGET, port)


def test_a_controller_without_ssh(tunnel: Tunnel, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TunnelError, match="openssh-client"):
        tunnel.open(TARGET, port)
