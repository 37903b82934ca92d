# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One tunnel: `ssh -f -N -M -S socket -L ...`, asked with `-O check` and ended with `-O exit` (ssh(1), -O)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import typing as t
from pathlib import Path

# sun_path of unix(7) has 108 bytes; ssh appends 17 of its own while it makes a control socket.
LONGEST_SOCKET = 108 - 1 - 17
# ssh wants one; with a control socket it does not look at it.
ANY_HOST = "tunnel"


class TunnelError(Exception):
    """A sentence for the operator."""


class Target(t.NamedTuple):
    """Where the tunnel leads. options: of ssh, as for any connection to that host; destination: [user@]host."""

    options: tuple[str, ...]
    destination: str
    host: str
    port: int

    @property
    def forwarded(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Tunnel:
    """directory: where the control socket and the record of what is forwarded are, private to their owner."""

    def __init__(self, name: str, directory: Path, timeout: float = 30.0) -> None:
        # Names of hosts may be longer than a socket's path can be.
        stem = directory / f"tunnel-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        self.name = name
        self.directory = directory
        self.socket = stem
        self.record = stem.with_suffix(".json")
        self.timeout = timeout

    def _ssh(self, *arguments: str) -> tuple[int, str]:
        """The code and what it wrote to its standard error.

        Through a file: what stays in the background would keep a pipe open.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = self.record.with_suffix(".log")
        with open(log, "w+", encoding="utf-8", errors="replace") as errors:
            try:
                done = subprocess.run(
                    ["ssh", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    check=False,
                    timeout=self.timeout,
                )
            except subprocess.TimeoutExpired:
                raise TunnelError(f"ssh did not finish within {self.timeout:g} seconds.") from None
            except OSError as error:
                raise TunnelError(f"ssh cannot be run on this controller: {error}. Install openssh-client.") from error
            errors.seek(0)
            said = errors.read().strip()
        log.unlink()
        return done.returncode, said

    def is_up(self) -> bool:
        return self.socket.exists() and self._ssh("-S", str(self.socket), "-O", "check", ANY_HOST)[0] == 0

    def open_ports(self) -> dict[str, t.Any]:
        """What was forwarded when it was opened: local_port, and target as it is now wanted, to compare."""
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads(self.record.read_text(encoding="utf-8")))
        return {}

    def is_as_wanted(self, target: Target, local_port: int) -> bool:
        return self.open_ports() == wanted_record(target, local_port) and self.is_up()

    def open(self, target: Target, local_port: int) -> None:
        if len(os.fsencode(self.socket)) > LONGEST_SOCKET:
            raise TunnelError(
                f"The directory {self.directory} is too long a path for a control socket of ssh. Choose another."
            )
        refuse_busy(local_port)
        # What a reboot or a kill left behind would keep ssh from listening there.
        self.socket.unlink(missing_ok=True)
        code, said = self._ssh(
            # Of an option that is given twice, ssh takes the first: these must win.
            *("-f", "-N", "-M", "-S", str(self.socket)),
            *("-o", "ControlPersist=no", "-o", "ExitOnForwardFailure=yes", "-o", "BatchMode=yes"),
            *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"),
            *target.options,
            *("-L", f"127.0.0.1:{local_port}:{target.forwarded}"),
            target.destination,
        )
        if code != 0:
            raise TunnelError(f"ssh to {target.destination} failed: {said or f'it ended with code {code}'}")
        self.record.write_text(json.dumps(wanted_record(target, local_port)) + "\n", encoding="utf-8")

    def close(self) -> None:
        code, said = self._ssh("-S", str(self.socket), "-O", "exit", ANY_HOST)
        if code != 0:
            raise TunnelError(f"The tunnel {self.name} could not be closed: {said or f'ssh ended with code {code}'}")
        self.record.unlink(missing_ok=True)


def wanted_record(target: Target, local_port: int) -> dict[str, t.Any]:
    return {"destination": target.destination, "forwarded": target.forwarded, "local_port": local_port}


def refuse_busy(port: int) -> None:
    if not 0 < port < 65536:
        raise TunnelError(f"{port} is no port. Choose one from 1024 to 65535 with -e tunnel_port=18888.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise TunnelError(
                f"Port {port} of this controller cannot be used ({error.strerror}): another program, or another "
                f"tunnel, has it. Choose another with -e tunnel_port={port + 100}, or end what listens there "
                f"(`ss -ltnp 'sport = :{port}'` shows it)."
            ) from error
