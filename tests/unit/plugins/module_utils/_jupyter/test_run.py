# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor as systemd runs it: a process of its own, a notification socket, signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import layout
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.certificate import (
    prepare_certificate,
    read_certificate,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.program import build
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.records import was_healthy
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import find_account
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.status import status
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    Docker,
    MakeSettings,
    Server,
)

# Its directories are constants; a reload executes `sys.argv` again, so this launcher is a file.
LAUNCHER = """
import pathlib, sys
sys.path.insert(0, {program!r})
from jupyter_supervisor._jupyter import cli, layout, supervisor
layout.CONFIG, layout.STATE = pathlib.Path({config!r}), pathlib.Path({state!r})
supervisor.Supervisor.poll_seconds = 0.02
sys.exit(cli.main(sys.argv[1:]))
"""


class Unit:
    def __init__(self, process: subprocess.Popen[str], channel: socket.socket) -> None:
        self.process = process
        self.channel = channel

    def await_line(self, wanted: str) -> None:
        """Read notifications until one has this line."""
        seen: list[str] = []
        while True:
            try:
                lines = self.channel.recv(4096).decode().splitlines()
            except TimeoutError:
                self.process.kill()
                raise AssertionError(f"no {wanted} after {seen}; it said: {self.process.communicate()}") from None
            seen += lines
            if wanted in lines:
                return

    def end(self) -> tuple[int, str]:
        said, _errors = self.process.communicate(timeout=20)
        return self.process.returncode, said


@pytest.fixture
def start(machine: Path) -> t.Iterator[t.Callable[[], Unit]]:
    launcher = machine / "launcher.py"
    archive = machine / "jupyter-supervisor"
    archive.write_bytes(build())
    launcher.write_text(
        LAUNCHER.format(program=str(archive), config=str(layout.CONFIG), state=str(layout.STATE)), "utf-8"
    )
    units: list[Unit] = []

    def make() -> Unit:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # Socket paths are short; pytest's directories are not.
        address = f"\0gpulab-{os.getpid()}-{time.monotonic_ns()}"
        channel.bind(address)
        channel.settimeout(20)
        process = subprocess.Popen(
            [sys.executable, str(launcher), "run", "keras"],
            env={**os.environ, "NOTIFY_SOCKET": "@" + address[1:]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        units.append(Unit(process, channel))
        return units[-1]

    yield make
    for unit in units:
        unit.process.kill()
        unit.process.wait()
        unit.channel.close()


Start = t.Callable[[], Unit]


def test_starts_waits_for_the_answer_and_passes_the_code_on(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    settings = make_settings(port=server.port, environment={"WORD": "hidden"})
    unit = start()
    unit.await_line("READY=1")
    commands = [" ".join(call[:2]) for call in docker.calls]
    assert commands.index("network create") < commands.index("run --detach")
    (run,) = docker.commands("run")
    assert run[-1] == "keras:cpu"
    assert "never" in run
    assert "hidden" not in " ".join(run)
    assert (docker.directory / "environment").read_text() == "WORD=hidden\n"
    assert settings.token_file.read_text().strip() not in json.dumps(docker.calls)
    assert was_healthy(settings, "a" * 64)
    docker.end(137, OOMKilled=True)
    code, said = unit.end()
    assert code == 137
    assert "memory limit of 75%" in said


def test_knows_its_server_by_the_certificate_that_it_made(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    settings = make_settings(port=server.port, tls="generated")
    settings.state.mkdir(parents=True)
    prepare_certificate(settings, find_account(settings.user))
    server.speak_tls(settings.certificate_file, settings.private_key_file)
    unit = start()
    unit.await_line("READY=1")
    fingerprint = read_certificate(settings.certificate_file).fingerprint
    assert docker.container()["Config"]["Labels"][layout.LABEL_CERTIFICATE] == fingerprint
    assert set(server.asked) == {"/api"}
    assert settings.private_key_file.read_text().splitlines()[1] not in json.dumps(docker.calls)
    docker.end(0)
    assert f"answers at https://127.0.0.1:{server.port}." in unit.end()[1]


def test_takes_a_running_container_over(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    """Whatever it was started from: a supervisor that was killed must not cost anybody a kernel."""
    docker.put_container(make_settings(port=server.port), labels={layout.LABEL_SETTINGS: "older"})
    unit = start()
    unit.await_line("READY=1")
    assert not docker.commands("run", "stop", "rm")
    assert docker.commands("network") == [["network", "inspect", "jupyter-keras"]]
    assert "chain from_users" in docker.rules


def test_does_not_judge_a_container_again_that_has_answered(
    docker: Docker, make_settings: MakeSettings, start: Start
) -> None:
    settings = make_settings(port=1)
    settings.state.mkdir(parents=True)
    (settings.state / "healthy.json").write_text(json.dumps({"container": docker.put_container(settings)["Id"]}))
    unit = start()
    unit.await_line("READY=1")
    assert not docker.commands("stop")


def test_removes_its_stopped_container_first(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    docker.put_container(make_settings(port=server.port), running=False)
    start().await_line("READY=1")
    assert [call[0] for call in docker.commands("rm", "run")] == ["rm", "run"]


@pytest.mark.parametrize("running", [True, False])
def test_leaves_somebody_elses_container_alone(
    running: bool, docker: Docker, make_settings: MakeSettings, start: Start
) -> None:
    container = docker.put_container(make_settings(), running)
    container["Config"]["Labels"] = {}
    docker.change(container)
    code, said = start().end()
    assert code == 1
    assert "which this role did not make" in said
    assert docker.container() == container


def test_waits_for_an_engine_that_goes_away(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    make_settings(port=server.port)
    unit = start()
    unit.await_line("READY=1")
    docker.down.touch()
    unit.await_line("STATUS=Waiting for Docker Engine")
    docker.down.unlink()
    unit.await_line("STATUS=Container aaaaaaaaaaaa runs")
    assert len(docker.commands("run")) == 1
    assert not docker.commands("stop", "rm")
    docker.end(3)
    assert unit.end()[0] == 3


def test_sees_what_ended_while_the_engine_was_away(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    make_settings(port=server.port)
    unit = start()
    unit.await_line("READY=1")
    docker.down.touch()
    unit.await_line("STATUS=Waiting for Docker Engine")
    docker.end(143)
    docker.down.unlink()
    code, said = unit.end()
    assert code == 143
    assert "ended with code 143" in said


def test_waits_for_an_engine_that_comes_late(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    make_settings(port=server.port)
    docker.down.touch()
    unit = start()
    unit.await_line("STATUS=Waiting for Docker Engine")
    docker.down.unlink()
    unit.await_line("READY=1")


def test_does_not_wake_an_engine_that_somebody_stopped(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    make_settings(port=server.port)
    docker.unit.write_text("ActiveState=inactive\n")
    unit = start()
    unit.await_line("STATUS=Waiting for Docker Engine")
    time.sleep(0.2)
    assert not docker.calls
    # In one step: systemctl never prints half of it.
    (docker.directory / "unit.new").write_text("ActiveState=active\n")
    (docker.directory / "unit.new").replace(docker.unit)
    unit.await_line("READY=1")


def test_stops_a_container_that_never_answers(docker: Docker, make_settings: MakeSettings, start: Start) -> None:
    make_settings(port=1, start_timeout=0)
    code, said = start().end()
    assert code == 1
    assert "jupyter_start_timeout" in said
    assert docker.commands("stop") == [["stop", "-t", "7", "jupyter-keras"]]


def test_container_that_ends_before_it_answers(docker: Docker, make_settings: MakeSettings, start: Start) -> None:
    make_settings(port=1)
    unit = start()
    unit.await_line("STATUS=Waiting for the server to answer")
    docker.end(1)
    code, said = unit.end()
    assert code == 1
    assert "ended with code 1." in said


def test_rolls_back_what_does_not_become_healthy(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    good = make_settings(port=server.port, environment={"WORD": "before"})

    def run_until_ready() -> str:
        unit = start()
        unit.await_line("READY=1")
        docker.end(0)
        return unit.end()[1]

    run_until_ready()
    (docker.directory / "image").write_text("sha256:two")
    make_settings(port=1, start_timeout=0, environment={"WORD": "after"})
    said = run_until_ready()
    assert "Rolling back" in said
    container = docker.container()
    assert container["Config"]["Labels"][layout.LABEL_IMAGE] == "sha256:one"
    assert (docker.directory / "environment").read_text() == "WORD=before\n"
    assert docker.commands("run")[-1][-1] == "sha256:one"

    # Neither a crash nor a reboot tries it again.
    runs = len(docker.commands("run"))
    docker.put_container(good, labels=container["Config"]["Labels"])
    found = status("keras")
    assert "/src is not writable" in found["failed"]
    assert found["differs"] == ["older settings", "an older image"]
    assert found["pending"] == ""
    docker.end(0)
    run_until_ready()
    assert len(docker.commands("run")) == runs + 1

    # Another change is another version.
    make_settings(port=server.port, environment={"WORD": "mended"})
    assert "Rolling back" not in run_until_ready()
    assert (docker.directory / "environment").read_text() == "WORD=mended\n"


def test_rolls_back_to_plain_http(docker: Docker, server: Server, make_settings: MakeSettings, start: Start) -> None:
    settings = make_settings(port=server.port)
    unit = start()
    unit.await_line("READY=1")
    docker.end(0)
    unit.end()
    # As a program wrote it that knew nothing of TLS.
    record = json.loads((settings.state / "healthy.json").read_text())
    for key in ("tls", "tls_certificate", "tls_private_key", "cull_idle_minutes"):
        del record["settings"][key]
    (settings.state / "healthy.json").write_text(json.dumps(record))
    make_settings(port=server.port, tls="generated", start_timeout=0)
    unit = start()
    unit.await_line("READY=1")
    assert layout.LABEL_CERTIFICATE not in docker.container()["Config"]["Labels"]
    assert json.loads((settings.state / layout.SERVER_CONFIG).read_text()) == {}
    docker.end(0)
    assert "Rolling back" in unit.end()[1]


def test_rolls_back_to_what_ran_where_the_image_is_gone(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    make_settings(port=server.port)
    unit = start()
    unit.await_line("READY=1")
    docker.end(0)
    unit.end()
    make_settings(port=server.port, image="keras:gone")
    unit = start()
    unit.await_line("READY=1")
    assert docker.commands("run")[-1][-1] == "keras:cpu"


def test_rolls_back_to_what_an_older_version_of_the_program_started(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    settings = make_settings(port=server.port)
    settings.state.mkdir(parents=True)
    container = docker.put_container(settings, labels={layout.LABEL_IMAGE: "sha256:one"})
    (settings.state / "healthy.json").write_text(json.dumps({"container": container["Id"]}))
    unit = start()
    unit.await_line("READY=1")
    docker.end(0)
    unit.end()
    make_settings(port=1, start_timeout=0)
    (docker.directory / "image").write_text("sha256:two")
    start().await_line("READY=1")
    assert docker.commands("run")[-1][-1] == "sha256:one"


def test_does_not_blame_a_version_for_the_machine(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start, machine: Path
) -> None:
    """A file system that comes late keeps a version from starting, and is no reason never to try it again."""
    settings = make_settings(port=server.port)
    unit = start()
    unit.await_line("READY=1")
    docker.end(0)
    unit.end()
    (machine / "late").touch()
    make_settings(port=server.port, workdir=str(machine / "late"))
    unit = start()
    unit.await_line("READY=1")
    assert "late" in status("keras")["failed"]
    docker.end(0)
    assert "Rolling back" in unit.end()[1]
    (machine / "late").unlink()
    unit = start()
    unit.await_line("READY=1")
    assert status("keras")["failed"] == ""
    assert not (settings.state / "failed.json").exists()


def test_many_reloads_at_once_cost_nothing(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    make_settings(port=server.port)
    unit = start()
    unit.await_line("READY=1")
    for _time in range(20):
        unit.process.send_signal(signal.SIGHUP)
        time.sleep(0.01)
    unit.await_line("READY=1")
    assert unit.process.poll() is None
    assert not docker.commands("stop", "rm")


def test_does_not_blame_a_version_for_the_engine(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    settings = make_settings(port=server.port)
    unit = start()
    unit.await_line("READY=1")
    docker.end(0)
    unit.end()
    make_settings(port=1, memory="50%")
    unit = start()
    unit.await_line("STATUS=Waiting for the server to answer")
    docker.down.touch()
    code, said = unit.end()
    assert code == 1
    assert "Cannot connect" in said
    assert not (settings.state / "failed.json").exists()


def test_stop_while_starting_ends_the_container(docker: Docker, make_settings: MakeSettings, start: Start) -> None:
    make_settings(port=1)
    unit = start()
    unit.await_line("STATUS=Waiting for the server to answer")
    unit.process.send_signal(signal.SIGTERM)
    assert unit.end()[0] == 0
    assert len(docker.commands("stop")) == 1


def test_stop_when_running_leaves_the_container_to_systemd(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    make_settings(port=server.port)
    unit = start()
    unit.await_line("READY=1")
    unit.process.send_signal(signal.SIGTERM)
    assert unit.end()[0] == 0
    assert not docker.commands("stop")


def test_reload_replaces_the_supervisor_and_not_the_container(
    docker: Docker, server: Server, make_settings: MakeSettings, start: Start
) -> None:
    make_settings(port=server.port)
    unit = start()
    unit.await_line("READY=1")
    unit.process.send_signal(signal.SIGHUP)
    unit.await_line("READY=1")
    assert unit.process.poll() is None
    assert len(docker.commands("run")) == 1
    assert not docker.commands("stop", "rm")


def test_missing_image(docker: Docker, make_settings: MakeSettings, start: Start) -> None:
    make_settings(image="keras:gone")
    code, said = start().end()
    assert code == 1
    assert "has no image keras:gone" in said
    assert "jupyter_image" in said
    assert not docker.commands("run")


def test_missing_settings(docker: Docker, start: Start) -> None:
    code, said = start().end()
    assert code == 1
    assert "jupyter_instances" in said
