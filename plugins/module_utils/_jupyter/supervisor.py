# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main process of a unit: starts a container or takes it over, and waits for its end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
import time
import typing as t

from .._untrusted import files
from .._untrusted.shape import text
from . import layout, network
from .certificate import prepare_certificate, read_certificate
from .container import container_options, endpoint, labels, settings_hash, share_options
from .engine import Engine, refuse_to_wake_engine
from .errors import EngineError, OperatorError, UnhealthyError
from .files import prepare
from .gpus import choose
from .journal import say
from .mounts import opened
from .records import Version, last_healthy, note_failed, note_healthy, was_healthy, why_failed
from .server import NoAnswerError, version_at
from .settings import Settings, find_account, in_bytes, load_settings, total_memory

# As the engine says it of a process of the machine, and not of another container.
TAKEN = re.compile("address already in use")


class Stopped(BaseException):
    """systemd wants this process to end."""


class Reloaded(BaseException):
    """systemd wants the installed version of this program to go on here."""


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
        # Who reaches it follows from what is configured now, whatever version of it runs.
        self.configured = settings
        self.engine = engine
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
            self.report(network.of_running(self.configured, container, self.engine, network.put_up))
            running = Version(self.settings, labels(container).get(layout.LABEL_IMAGE, ""))
            # Something to go back to is better than nothing where an older version of this program started it.
            is_known = running.is_in(container) or last_healthy(self.settings) is None
            self.await_health(identity, running if is_known else None)
        else:
            identity = self.start_or_roll_back()
        self.is_ready = True
        notify("READY=1", f"STATUS=Container {identity[:12]} runs")
        return self.await_end(identity)

    def report(self, problem: str) -> None:
        """A notebook that is open to others has its token still. One that does not start is of no use to anybody."""
        if problem:
            say(problem)

    def wanted(self) -> Version:
        return Version(self.settings, self.engine.image_id(self.settings.image))

    def await_engine(self) -> None:
        waiting, pause = False, self.poll_seconds
        while True:
            try:
                refuse_to_wake_engine()
                self.engine.version()
            except EngineError as error:
                if not waiting:
                    say(f"Waiting for Docker Engine, which does not answer: {error}")
                    notify("STATUS=Waiting for Docker Engine")
                waiting = True
                time.sleep(pause)
                pause = min(2 * pause, 10 * self.poll_seconds)
            else:
                if waiting:
                    say("Docker Engine answers again.")
                return

    def start_or_roll_back(self) -> str:
        """Start what is configured; where that does not become healthy, what was healthy before it."""
        wanted, previous = self.wanted(), last_healthy(self.settings)
        if previous is None or previous.name == wanted.name:
            return self.start(wanted)
        reason, is_final = why_failed(wanted, only_final=True), True
        if not reason:
            try:
                return self.start(wanted)
            except OperatorError as error:
                # An engine that went away meanwhile says nothing about a version.
                self.engine.version()
                is_final = isinstance(error, UnhealthyError)
                reason = f"{error}{self.last_words() if is_final else ''}"
        say(f"What is configured did not become healthy: {reason}")
        say("Rolling back to what ran before.")
        identity = self.start(previous)
        # Only now, because what keeps both from starting is the machine's fault.
        note_failed(wanted, reason, is_final)
        return identity

    def start(self, version: Version) -> str:
        """Returns when the server in the new container has answered."""
        engine, settings = self.engine, version.settings
        self.settings, account = settings, find_account(settings.user)
        if not version.image:
            raise OperatorError(
                f"This machine has no image {settings.image}: the role keras_image builds it, "
                f"jupyter_image names another."
            )
        if engine.inspect("container", settings.container):
            engine.call("rm", settings.container)
        prepare(settings, account)
        certificate = []
        if settings.tls != "none":
            prepare_certificate(settings, account)
            fingerprint = read_certificate(settings.certificate_file).fingerprint
            certificate = ["--label", f"{layout.LABEL_CERTIFICATE}={fingerprint}"]
        if engine.inspect("network", settings.container) is None:
            engine.call("network", "create", "--label", f"{layout.LABEL_INSTANCE}={settings.name}", settings.container)
        self.report(network.before_start(settings.in_network_of(self.configured), account.uid, engine))
        # By its name, which is what `docker ps` shows, where that still stands for it.
        image = settings.image if engine.image_id(settings.image) == version.image else version.image
        gpus = choose(settings.gpus, settings.gpu_method, engine)
        memory = str(in_bytes(settings.memory, total_memory()))
        with environment_file(settings.environment) as descriptor, opened(settings, account) as directories:
            identity = self.call_run(
                *container_options(settings, account, memory, directories),
                *share_options(memory),
                *gpus,
                *("--env-file", f"/proc/self/fd/{descriptor}"),
                *("--label", f"{layout.LABEL_INSTANCE}={settings.name}"),
                *("--label", f"{layout.LABEL_SETTINGS}={settings_hash(settings, account)}"),
                *("--label", f"{layout.LABEL_IMAGE}={version.image}"),
                *certificate,
                image,
                descriptor=descriptor,
            )
        say(f"Started container {identity[:12]} from {settings.image} ({version.image}).")
        self.await_health(identity, version)
        return identity

    def call_run(self, *arguments: str, descriptor: int) -> str:
        try:
            return self.engine.call("run", "--detach", "--pull", "never", *arguments, pass_fds=(descriptor,))
        except EngineError as error:
            if TAKEN.search(str(error)):
                # A browser that was open there has sent its token to whoever listens.
                self.settings.token_file.unlink(missing_ok=True)
                raise EngineError(
                    f"{error}. Whoever has that port may have got the token, so the next start makes a new one."
                ) from error
            raise

    def await_health(self, identity: str, version: Version | None) -> None:
        """Wait for the first answer. One that has answered before is not judged again: it may be at work."""
        if was_healthy(self.settings, identity):
            note_healthy(self.settings, identity, version)
            return
        notify("STATUS=Waiting for the server to answer")
        deadline = time.monotonic() + self.settings.start_timeout
        while True:
            container = self.engine.inspect("container", identity)
            if container is None or not container["State"]["Running"]:
                raise UnhealthyError(self.obituary(container))
            server = endpoint(container)
            try:
                answer = version_at(server)
            except NoAnswerError as error:
                if time.monotonic() > deadline:
                    self.stop()
                    raise UnhealthyError(
                        f"The container is stopped, because {server.url}/api did not answer within "
                        f"{self.settings.start_timeout} seconds ({error}). jupyter_start_timeout gives it more time."
                    ) from None
                time.sleep(self.poll_seconds / 2)
            else:
                note_healthy(self.settings, identity, version)
                say(f"Jupyter Server {answer} answers at {server.url}.")
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

    def last_words(self) -> str:
        """For somebody who reads them elsewhere than in the journal."""
        said = text(self.engine.logs(self.settings.container, 15))
        # Indented, so that no line passes for one of ours.
        lines = "\n".join(f"    {line}" for line in said.splitlines())
        return f" The last that it said:\n{lines}" if lines else ""

    def stop(self) -> None:
        refuse_to_wake_engine()
        self.engine.call("stop", "-t", str(self.settings.stop_timeout), self.settings.container)


@contextlib.contextmanager
def environment_file(environment: dict[str, str]) -> t.Iterator[int]:
    """A file without a name: the values are in no command line and on no disk."""
    with files.nameless("".join(f"{name}={value}\n" for name, value in environment.items()).encode()) as file:
        yield file.fileno()


def run(name: str) -> int:
    def interrupt(number: int, _frame: t.Any) -> None:
        if number == signal.SIGHUP:
            # Until the next program listens: systemd takes a death by SIGHUP for a wish to stop the container.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            raise Reloaded
        raise Stopped

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
            # Without an engine, or a container yet, there is nothing to stop.
            with contextlib.suppress(EngineError):
                supervisor.stop()
        return 0
