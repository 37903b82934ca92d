# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main process of a unit: starts a container or takes it over, and waits for its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
import typing as t

from . import layout
from .container import base_url, container_options, labels, settings_hash
from .engine import Engine, refuse_to_wake_engine
from .errors import EngineError, OperatorError
from .files import prepare, replace_file
from .server import NoAnswerError, version_at
from .settings import Settings, find_account, in_bytes, load_settings, total_memory


class Stopped(BaseException):
    """systemd wants this process to end."""


class Reloaded(BaseException):
    """systemd wants the installed version of this program to go on here."""


def say(text: str) -> None:
    print(text, flush=True)


def notify(*lines: str) -> None:
    """Tell systemd, where it listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto("\n".join(lines).encode(), "\0" + address[1:] if address[0] == "@" else address)


class Supervisor:
    poll_seconds = 0.5

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self.account = find_account(settings.user)
        self.healthy_record = settings.state / "healthy.json"
        self.is_ready = False

    def run(self) -> int:
        """Returns when the container has ended, with its code."""
        self.await_engine()
        container = self.engine.inspect("container", self.settings.container) or {}
        if container and labels(container).get(layout.LABEL_INSTANCE) != self.settings.name:
            raise OperatorError(
                f"A container named {self.settings.container} exists which this role did not make. It is left alone: "
                f"rename it with `docker rename`, or give the instance another name in jupyter_instances."
            )
        if container and container["State"]["Running"]:
            identity = str(container["Id"])
            say(f"Container {identity[:12]} runs already: taking it over.")
        else:
            if container:
                self.engine.call("rm", self.settings.container)
            identity = self.start()
        self.await_health(identity)
        self.is_ready = True
        notify("READY=1", f"STATUS=Container {identity[:12]} runs")
        return self.await_end(identity)

    def await_engine(self) -> None:
        waiting = False
        while True:
            try:
                refuse_to_wake_engine()
                self.engine.version()
            except EngineError as error:
                if not waiting:
                    say(f"Waiting for Docker Engine, which does not answer: {error}")
                    notify("STATUS=Waiting for Docker Engine")
                waiting = True
                time.sleep(self.poll_seconds)
            else:
                if waiting:
                    say("Docker Engine answers again.")
                return

    def start(self) -> str:
        settings, engine = self.settings, self.engine
        image = engine.image_id(settings.image)
        prepare(settings, self.account)
        if engine.inspect("network", settings.container) is None:
            engine.call("network", "create", "--label", f"{layout.LABEL_INSTANCE}={settings.name}", settings.container)
        memory = str(in_bytes(settings.memory, total_memory()))
        with environment_file(settings.environment) as descriptor:
            identity = engine.call(
                *("run", "--detach", "--pull", "never"),
                *container_options(settings, self.account, memory),
                *("--env-file", f"/proc/self/fd/{descriptor}"),
                *("--label", f"{layout.LABEL_INSTANCE}={settings.name}"),
                *("--label", f"{layout.LABEL_SETTINGS}={settings_hash(settings, self.account)}"),
                *("--label", f"{layout.LABEL_IMAGE}={image}"),
                settings.image,
                pass_fds=(descriptor,),
            )
        say(f"Started container {identity[:12]} from {settings.image} ({image}).")
        return identity

    def await_health(self, identity: str) -> None:
        """Wait for the first answer. One that has answered before is not judged again: it may be at work."""
        if was_healthy(self.settings, identity):
            return
        notify("STATUS=Waiting for the server to answer")
        deadline = time.monotonic() + self.settings.start_timeout
        while True:
            container = self.engine.inspect("container", identity)
            if container is None or not container["State"]["Running"]:
                raise OperatorError(self.obituary(container))
            url = base_url(container)
            try:
                version = version_at(url)
            except NoAnswerError as error:
                if time.monotonic() > deadline:
                    self.stop()
                    raise OperatorError(
                        f"The container is stopped, because {url}/api did not answer within "
                        f"{self.settings.start_timeout} seconds ({error}). Its own lines are above; "
                        f"jupyter_start_timeout gives it more time."
                    ) from None
                time.sleep(self.poll_seconds / 2)
            else:
                self.settings.state.mkdir(parents=True, exist_ok=True)
                replace_file(self.healthy_record, json.dumps({"container": identity}) + "\n", 0o644)
                say(f"Jupyter Server {version} answers at {url}.")
                return

    def await_end(self, identity: str) -> int:
        while True:
            try:
                code = int(self.engine.call("wait", identity))
            except EngineError as error:
                if error.missing:
                    raise OperatorError(f"Container {identity[:12]} was removed by somebody.") from None
                time.sleep(self.poll_seconds)
                self.await_engine()
                notify(f"STATUS=Container {identity[:12]} runs")
            else:
                say(self.obituary(self.engine.inspect("container", identity)))
                return code

    def obituary(self, container: dict[str, t.Any] | None) -> str:
        if container is None:
            return f"The container {self.settings.container} is gone."
        state = container["State"]
        text = f"Container {container['Id'][:12]} ended with code {state['ExitCode']}."
        if state.get("OOMKilled"):
            text += f" It reached its memory limit of {self.settings.memory}: raise `memory` of the instance."
        return text

    def stop(self) -> None:
        self.engine.call("stop", "-t", str(self.settings.stop_timeout), self.settings.container)


@contextlib.contextmanager
def environment_file(environment: dict[str, str]) -> t.Iterator[int]:
    """A file without a name: the values are in no command line and on no disk."""
    with os.fdopen(os.memfd_create("environment"), "wb") as file:
        for name, value in environment.items():
            file.write(f"{name}={value}\n".encode())
        file.flush()
        file.seek(0)
        yield file.fileno()


def was_healthy(settings: Settings, identity: str) -> bool:
    try:
        record = json.loads((settings.state / "healthy.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(record.get("container") == identity)


def run(name: str) -> int:
    def interrupt(number: int, _frame: t.Any) -> None:
        raise Reloaded if number == signal.SIGHUP else Stopped

    supervisor = Supervisor(load_settings(name), Engine())
    try:
        signal.signal(signal.SIGTERM, interrupt)
        signal.signal(signal.SIGHUP, interrupt)
        return supervisor.run()
    except Reloaded:
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606
    except Stopped:
        # systemd does not run ExecStop for a unit that is still starting.
        if not supervisor.is_ready:
            supervisor.stop()
        return 0
