# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine for the supervisor: directories of its own, a `docker` command with a memory, a server that answers."""

from __future__ import annotations

import json
import os
import pwd
import ssl
import sys
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import backup_setup, backup_status, layout
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import (
    Account,
    Settings,
    load_settings,
)

# The stand-ins are not for a target's own Python, for which ansible-test takes what is below plugins/module_utils.
PROGRAMS = Path(__file__).parents[3] / "programs"
# They need nothing but Python itself, and start in half the time without looking for more.
SHEBANG = f"#!{sys.executable} -IS\n"
# Keeps the rules that it was given last in `rules`. With `refusal`, it refuses them.
NFT = """#!/bin/sh
here=${0%/*}
case "$1" in
    list) exec grep -q "chain $5 {" "$here/rules" ;;
esac
if [ -e "$here/refusal" ]; then
    cat "$here/refusal" >&2
    exit 1
fi
case "$1" in
    --check) ;;
    *chain*) printf %s "$1" > "$here/rules" ;;
    *) rm -f "$here/rules" ;;
esac
"""
TOKEN = "a" * 48
MakeSettings = t.Callable[..., Settings]


class Server:
    """As much of a Jupyter server as the supervisor asks for."""

    def __init__(self) -> None:
        self.answers: dict[str, t.Any] = {
            "/api/status": {},
            "/api/kernels": [],
            "/api/sessions": [],
            "/api/terminals": [],
        }
        self.asked: list[str] = []
        self.token = TOKEN
        self.is_open_to_all = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                allowed = outer.is_open_to_all or self.headers.get("Authorization") == f"token {outer.token}"
                if self.path == "/api":
                    self.reply(200, {"version": "2.21.0"})
                elif not allowed:
                    self.reply(403, {})
                elif self.path in outer.answers:
                    self.reply(200, outer.answers[self.path])
                else:
                    self.reply(404, {})

            def reply(self, status: int, body: t.Any) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_arguments: t.Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self.http.server_address[1])
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def speak_tls(self, certificate: Path, private_key: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private_key)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


class Docker:
    """What the fake engine remembers, and what was asked of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.down = directory / "down"
        self.unit = directory / "unit"

    @property
    def rules(self) -> str:
        """Of the network, as nft has got them; empty where there are none."""
        path = self.directory / "rules"
        return path.read_text() if path.exists() else ""

    @property
    def calls(self) -> list[list[str]]:
        path = self.directory / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def commands(self, *wanted: str) -> list[list[str]]:
        return [call for call in self.calls if call[0] in wanted]

    def container(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads((self.directory / "container").read_text()))

    def put_container(
        self, settings: Settings, running: bool = True, labels: dict[str, str] | None = None
    ) -> dict[str, t.Any]:
        container = {
            "Id": "c" * 64,
            "Config": {"Labels": {layout.LABEL_INSTANCE: settings.name, **(labels or {})}},
            "State": {"Running": running, "Status": "running" if running else "exited", "ExitCode": 0},
            "HostConfig": {"PortBindings": {"8888/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(settings.port)}]}},
        }
        self.change(container)
        return container

    def change(self, container: dict[str, t.Any]) -> None:
        temporary = self.directory / "container.new"
        temporary.write_text(json.dumps(container))
        temporary.replace(self.directory / "container")

    def let_exec(self, stdout: str = "", code: int = 0, stderr: str = "", seconds: float = 0) -> None:
        """What a command in the container says, after how long."""
        (self.directory / "exec").write_text(json.dumps([code, stdout, stderr, seconds]))

    def end(self, code: int, **state: t.Any) -> None:
        container = self.container()
        container["State"] = {"Running": False, "Status": "exited", "ExitCode": code, **state}
        self.change(container)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(layout, "CONFIG", tmp_path / "etc")
    monkeypatch.setattr(layout, "STATE", tmp_path / "var")
    monkeypatch.setattr(layout, "UNITS", tmp_path / "units")
    return tmp_path


@pytest.fixture
def docker(machine: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Docker]:
    directory = machine / "bin"
    directory.mkdir()
    command = directory / "docker"
    command.write_text(SHEBANG + (PROGRAMS / "docker.py").read_text())
    systemctl = directory / "systemctl"
    systemctl.write_text('#!/bin/sh\necho LoadState=loaded\necho UnitFileState=enabled\ncat "${0%/*}/unit"\n')
    nft = directory / "nft"
    nft.write_text(NFT)
    command.chmod(0o755)
    systemctl.chmod(0o755)
    nft.chmod(0o755)
    (directory / "unit").write_text("ActiveState=active\n")
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    engine = Docker(directory)
    yield engine
    # A `docker wait` outlives the supervisor that is killed. It ends with its engine.
    engine.down.touch()


class Restic:
    """What the fake restic was asked, and what it is to do."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def calls(self) -> list[dict[str, t.Any]]:
        path = self.directory / "restic-calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def commands(self) -> list[str]:
        return [call["arguments"][0] for call in self.calls]

    def fail(self, **failures: tuple[int, str]) -> None:
        """Of each command, the exit code and what goes to its standard error."""
        (self.directory / "fails").write_text(json.dumps(failures))

    def leave_out(self, stderr: str) -> None:
        (self.directory / "unread").write_text(stderr)


@pytest.fixture
def restic(docker: Docker, machine: Path, monkeypatch: pytest.MonkeyPatch) -> Restic:
    command = docker.directory / "restic"
    command.write_text(SHEBANG + (PROGRAMS / "restic.py").read_text())
    analyze = docker.directory / "systemd-analyze"
    analyze.write_text('#!/bin/sh\ncat "${0%/*}/calendar"\n')
    command.chmod(0o755)
    analyze.chmod(0o755)
    (docker.directory / "calendar").write_text(
        "    Next elapse: Sun 2026-11-22 02:00:00 UTC\n   Iteration #2: Mon 2026-11-23 02:00:00 UTC\n"
    )
    docker.unit.write_text("ActiveState=inactive\nResult=success\n")
    (machine / "units").mkdir()
    monkeypatch.setattr(backup_status, "UNITS", machine / "units")
    monkeypatch.setattr(backup_setup, "REPOSITORIES", machine / "repositories")
    return Restic(docker.directory)


@pytest.fixture
def instance(machine: Path) -> dict[str, t.Any]:
    """An element of jupyter_instances with its defaults, of whoever runs the tests."""
    (machine / "notebooks").mkdir()
    return {
        "name": "keras",
        "user": pwd.getpwuid(os.getuid()).pw_name,
        "workdir": str(machine / "notebooks"),
        "backup_repository": "",
        "backup_environment": {},
        "backup_schedule": "*-*-* 02:00:00",
        "backup_random_delay": "2h",
        "backup_keep": {"last": 2, "daily": 7},
        "backup_exclude": ["*.tmp"],
        "backup_exclude_larger_than": "1g",
    }


@pytest.fixture
def server() -> t.Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def account() -> Account:
    return Account("ada", 1234, 1235, "/home/ada")


@pytest.fixture
def make_settings(machine: Path) -> MakeSettings:
    """Settings of an instance of whoever runs the tests, written where the supervisor reads them."""

    def make(**changes: t.Any) -> Settings:
        settings = {
            "name": "keras",
            "enabled": True,
            "image": "keras:cpu",
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "bind_address": "127.0.0.1",
            "port": 8888,
            "workdir": str(machine / "notebooks"),
            "home": "",
            "memory": "75%",
            "cpus": 0,
            "shm_size": "1g",
            "pids_limit": 4096,
            "environment": {},
            "start_timeout": 20,
            "stop_timeout": 7,
            "idle_minutes": 60,
            **changes,
        }
        directory = layout.CONFIG / str(settings["name"])
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "settings.json").write_text(json.dumps(settings))
        return load_settings(str(settings["name"]))

    return make
