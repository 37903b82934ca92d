# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps one notebook container running, and lets it run on while its engine restarts or is upgraded.

    jupyter-supervisor run NAME        the main process of jupyter-NAME.service
    jupyter-supervisor status NAME...  whether it answers, is what is configured, and is at work (prints JSON)
    jupyter-supervisor preflight       what would keep the instances on standard input from starting (prints JSON)

A foreground `docker run` ends with the engine's connection, and its unit with it. So the container is started
detached, and this process waits for its end. Where the engine goes away, it waits for the engine, then looks again.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import http.client
import ipaddress
import json
import os
import pwd
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import typing as t
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

PROGRAM = Path("/usr/local/libexec/gpulab/jupyter-supervisor")
CONFIG = Path("/etc/gpulab/jupyter")
STATE = Path("/var/lib/gpulab/jupyter")
PROC = Path("/proc")

HOME_INSIDE = "/home/keras"
TOKEN_INSIDE = "/run/secrets/jupyter_token"  # noqa: S105 (a path)
PORT_INSIDE = 8888

# Which instance a container belongs to, and what it was started from.
LABEL_INSTANCE = "gpulab.workstation.jupyter"
LABEL_SETTINGS = "gpulab.workstation.settings"
LABEL_IMAGE = "gpulab.workstation.image"

# The role sets these itself, and a token in the environment shows in `docker inspect`.
RESERVED_ENVIRONMENT = {"HOME", "JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE"}
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
SIZE = re.compile(r"(\d+)([bkmg%]?)", re.I)
UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}


class OperatorError(Exception):
    """What was found and what to do about it, for the operator."""


class EngineError(OperatorError):
    """The engine refused, or did not answer."""

    @property
    def missing(self) -> bool:
        # Not any "no such": an engine that is down answers with "no such file or directory", its socket.
        return re.search(r"no such (container|image|network|object)|not found", str(self), re.IGNORECASE) is not None


class Stopped(BaseException):
    """systemd wants this process to end."""


class Reloaded(BaseException):
    """systemd wants the installed version of this program to go on here."""


class Account(t.NamedTuple):
    name: str
    uid: int
    gid: int
    home: str


class Settings(t.NamedTuple):
    """One instance, as in settings.json: an element of jupyter_instances with its defaults filled in."""

    name: str
    enabled: bool
    image: str
    user: str
    bind_address: str
    port: int
    workdir: str
    home: str
    memory: str
    cpus: float
    shm_size: str
    pids_limit: int
    environment: dict[str, str]
    start_timeout: int
    stop_timeout: int
    idle_minutes: int

    @classmethod
    def parse(cls, raw: dict[str, t.Any]) -> Settings:
        # Values that came through an inventory or the command line may be text.
        kinds: dict[str, t.Callable[[t.Any], t.Any]] = {"enabled": bool, "port": int, "cpus": float}
        kinds["environment"] = lambda values: {str(key): str(value) for key, value in values.items()}
        kinds.update(dict.fromkeys(("pids_limit", "start_timeout", "stop_timeout", "idle_minutes"), int))
        return cls(**{key: kinds.get(key, str)(value) for key, value in raw.items()})

    @property
    def container(self) -> str:
        return f"jupyter-{self.name}"

    @property
    def unit(self) -> str:
        return f"jupyter-{self.name}.service"

    @property
    def url(self) -> str:
        return url_of(self.bind_address, self.port)

    @property
    def token_file(self) -> Path:
        return CONFIG / self.name / "token"

    @property
    def state(self) -> Path:
        return STATE / self.name

    def directories(self, account: Account) -> dict[str, str]:
        """On this machine. `~` is the home of the instance's user, not of root."""
        paths = {"workdir": self.workdir, "home": self.home or str(self.state / "home")}
        return {
            key: account.home + path[1:] if path == "~" or path.startswith("~/") else path
            for key, path in paths.items()
        }


def load_settings(name: str) -> Settings:
    path = CONFIG / name / "settings.json"
    try:
        return Settings.parse(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise OperatorError(f"{path} is missing: add an instance {name} to jupyter_instances.") from None
    except (OSError, ValueError, TypeError) as error:
        raise OperatorError(f"{path} cannot be used ({error}). Run the role jupyter again, which writes it.") from error


def find_account(user: str) -> Account:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise OperatorError(
            f"This machine has no user {user}: create it, or name another as `user` of the instance."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def total_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def in_bytes(size: str, total: int) -> int:
    match = SIZE.fullmatch(size)
    if match is None:
        raise OperatorError(f"{size} is no size; write 16g or 512m, or a share of the machine's memory like 75%")
    number, unit = int(match.group(1)), match.group(2).lower()
    return total * number // 100 if unit == "%" else number * UNITS[unit]


def host_and_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def url_of(address: str, port: int) -> str:
    """Where this machine itself reaches what is published there."""
    anywhere = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    return f"http://{host_and_port(anywhere.get(address, address), port)}"


# --- What a container is made of


def bind_mount(source: str | Path, target: str, read_only: bool = False) -> list[str]:
    # --mount refuses a source that is missing, where --volume makes a directory of root's. Its fields are CSV.
    quoted = str(source).replace('"', '""')
    return ["--mount", f'type=bind,"source={quoted}",target={target}' + (",readonly" if read_only else "")]


def container_options(settings: Settings, account: Account, memory: str) -> list[str]:
    """The options of `docker run` that follow from the settings."""
    directories = settings.directories(account)
    options = [
        *("--name", settings.container, "--hostname", settings.container),
        *("--user", f"{account.uid}:{account.gid}"),
        *("--network", settings.container),
        *("--publish", f"{host_and_port(settings.bind_address, settings.port)}:{PORT_INSIDE}"),
        *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--memory", memory, "--shm-size", settings.shm_size, "--pids-limit", str(settings.pids_limit)),
        # Without exec, compiled extensions that are built or unpacked there do not load.
        *("--tmpfs", "/tmp:exec,mode=1777"),  # noqa: S108 (in the container)
        *("--env", f"HOME={HOME_INSIDE}", "--env", f"JUPYTER_TOKEN_FILE={TOKEN_INSIDE}"),
        *bind_mount(directories["workdir"], "/src"),
        *bind_mount(directories["home"], HOME_INSIDE),
        *bind_mount(settings.token_file, TOKEN_INSIDE, read_only=True),
        *bind_mount(settings.state / "passwd", "/etc/passwd", read_only=True),
        *bind_mount(settings.state / "group", "/etc/group", read_only=True),
        # The engine logs on behalf of the unit: with journald's field for that, `journalctl -u` shows these lines.
        *("--label", f"OBJECT_SYSTEMD_UNIT={settings.unit}", "--log-opt", "labels=OBJECT_SYSTEMD_UNIT"),
        *("--log-driver", "journald", "--log-opt", f"tag={settings.container}"),
    ]
    if settings.cpus:
        options += ["--cpus", f"{settings.cpus:g}"]
    return options


def settings_hash(settings: Settings, account: Account) -> str:
    """Names what a container is started with. A share of the memory stays one: MemTotal differs between kernels."""
    parts = [
        settings.image,
        container_options(settings, account, settings.memory),
        sorted(settings.environment.items()),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def passwd_and_group(account: Account) -> tuple[str, str]:
    """The image knows no user of this machine; programs inside ask for the name of theirs."""
    passwd = (
        "root:x:0:0:root:/root:/bin/bash\n"
        f"{account.name}:x:{account.uid}:{account.gid}::{HOME_INSIDE}:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    )
    return passwd, f"root:x:0:\n{account.name}:x:{account.gid}:\nnogroup:x:65534:\n"


# --- Files on this machine


def replace_file(path: Path, content: str, mode: int, owner: Account | None = None) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if owner:
            os.fchown(descriptor, owner.uid, owner.gid)
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    os.replace(temporary, path)


def run_as(account: Account, action: t.Callable[[], None]) -> None:
    """Do it with the user's own rights: root has none on NFS with root_squash, and must not follow a user's links."""
    if os.geteuid() == account.uid:
        return action()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
            action()
        except BaseException as error:
            os.write(writer, (str(error) or repr(error)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as result:
        message = result.read().decode(errors="replace")
    os.waitpid(child, 0)
    if message:
        raise OperatorError(message)
    return None


def check_directory(path: str) -> None:
    """That it can be used, or made, by whoever runs this."""
    there = Path(path)
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise OperatorError(f"{there} is not a directory")
    if not os.access(there, os.W_OK | os.X_OK):
        owner = there.stat()
        raise OperatorError(f"{there} belongs to UID {owner.st_uid} with mode {owner.st_mode & 0o7777:04o}")


def prepare_token(settings: Settings, account: Account) -> None:
    """Made here, once: it never passes through a command line, an environment, a log or another machine."""
    path = settings.token_file
    try:
        with open(path, encoding="utf-8") as file:
            if file.read().strip():
                os.fchown(file.fileno(), account.uid, account.gid)
                os.fchmod(file.fileno(), 0o400)
                return
    except FileNotFoundError:
        pass
    # Without a line's end, which a stock Jupyter Server would take for a part of the token.
    replace_file(path, secrets.token_hex(24), 0o400, account)


def prepare(settings: Settings, account: Account) -> None:
    settings.state.mkdir(parents=True, exist_ok=True)
    prepare_token(settings, account)
    for name, content in zip(("passwd", "group"), passwd_and_group(account)):
        replace_file(settings.state / name, content, 0o644)
    if not settings.home and not (settings.state / "home").exists():
        (settings.state / "home").mkdir(0o700)
        os.chown(settings.state / "home", account.uid, account.gid)
    for directory in settings.directories(account).values():
        try:
            run_as(account, functools.partial(os.makedirs, directory, exist_ok=True))
            run_as(account, functools.partial(check_directory, directory))
        except (OperatorError, OSError) as error:
            raise OperatorError(f"{account.name} cannot use the directory {directory}: {error}.") from error


# --- The engine


class Engine:
    def call(self, *arguments: str, pass_fds: tuple[int, ...] = ()) -> str:
        try:
            done = subprocess.run(
                ["docker", *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                check=False,
                pass_fds=pass_fds,
            )
        except OSError as error:
            raise EngineError(f"The docker command cannot be run: {error}") from error
        if done.returncode != 0:
            raise EngineError(done.stderr.strip() or f"docker {arguments[0]} failed with code {done.returncode}")
        return done.stdout.strip()

    def inspect(self, kind: str, name: str) -> dict[str, t.Any] | None:
        try:
            return t.cast("dict[str, t.Any]", json.loads(self.call(kind, "inspect", name))[0])
        except EngineError as error:
            if error.missing:
                return None
            raise

    def version(self) -> str:
        return self.call("version", "--format", "{{.Server.Version}}")

    def image_id(self, image: str) -> str:
        found = self.inspect("image", image)
        if found is None:
            raise OperatorError(
                f"This machine has no image {image}: the role keras_image builds it, jupyter_image names another."
            )
        return str(found["Id"])


def unit_properties(unit: str) -> dict[str, str]:
    try:
        shown = subprocess.run(
            ["systemctl", "show", "--property=LoadState,ActiveState,UnitFileState", unit],
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise OperatorError(f"systemd does not answer: {error}") from error
    return dict(line.split("=", 1) for line in shown.splitlines())


def refuse_to_wake_engine() -> None:
    """A question to a stopped engine would start it through docker.socket, under the hands of who stopped it."""
    unit = unit_properties("docker.service")
    if unit["LoadState"] == "loaded" and unit["ActiveState"] in ("inactive", "deactivating", "failed"):
        raise EngineError(f"docker.service is {unit['ActiveState']}.")


def labels(container: dict[str, t.Any]) -> dict[str, str]:
    return container["Config"].get("Labels") or {}


def base_url(container: dict[str, t.Any]) -> str:
    """Where a container is published, which may differ from what is configured by now."""
    binding = container["HostConfig"]["PortBindings"][f"{PORT_INSIDE}/tcp"][0]
    return url_of(binding["HostIp"], int(binding["HostPort"]))


# --- The server in the container


class NoAnswerError(Exception):
    """The server did not answer as a Jupyter server does."""


def request(url: str, token: str = "", timeout: float = 5) -> tuple[int, t.Any]:
    """The status, and the decoded body where that was 200."""
    # A proxy of the environment knows nothing of this machine's loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {"Authorization": f"token {token}"} if token else {}
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=timeout) as answer:  # noqa: S310 (http)
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswerError(str(error)) from error


def version_at(url: str) -> str:
    status, body = request(f"{url}/api")
    if status != 200 or not isinstance(body, dict) or "version" not in body:
        raise NoAnswerError(f"{url}/api answered {status}, not as a Jupyter server does")
    return str(body["version"])


def busy_reasons(
    kernels: list[dict[str, t.Any]],
    sessions: list[dict[str, t.Any]],
    terminals: list[dict[str, t.Any]],
    idle_minutes: int,
    now: datetime,
) -> list[str]:
    """Why this server must not be stopped. A kernel that nobody is connected to still holds results, for a while."""
    notebooks = {session["kernel"]["id"]: session["path"] for session in sessions if session.get("kernel")}
    reasons = []
    for kernel in kernels:
        what = notebooks.get(kernel["id"]) or f"kernel {kernel['id'][:8]}"
        idle = now - datetime.fromisoformat(kernel["last_activity"].replace("Z", "+00:00"))
        if kernel.get("execution_state") == "busy":
            reasons.append(f"{what} runs a cell")
        elif kernel.get("connections"):
            reasons.append(f"{what} is open")
        elif idle < timedelta(minutes=idle_minutes):
            reasons.append(f"{what} was used {int(idle.total_seconds() // 60)} minutes ago")
    return reasons + [f"terminal {terminal['name']} is open" for terminal in terminals]


def ask_busy(url: str, token: str, idle_minutes: int) -> list[str]:
    answers = {}
    for what in ("kernels", "sessions", "terminals"):
        status, body = request(f"{url}/api/{what}", token)
        # A server without terminals does not know the path.
        if status != 200 and not (what == "terminals" and status == 404):
            raise NoAnswerError(f"{url}/api/{what} answered {status} to the token in its file")
        answers[what] = body or []
    return busy_reasons(
        answers["kernels"], answers["sessions"], answers["terminals"], idle_minutes, datetime.now(timezone.utc)
    )


# --- run


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
        if container and labels(container).get(LABEL_INSTANCE) != self.settings.name:
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
            engine.call("network", "create", "--label", f"{LABEL_INSTANCE}={settings.name}", settings.container)
        memory = str(in_bytes(settings.memory, total_memory()))
        with environment_file(settings.environment) as descriptor:
            identity = engine.call(
                *("run", "--detach", "--pull", "never"),
                *container_options(settings, self.account, memory),
                *("--env-file", f"/proc/self/fd/{descriptor}"),
                *("--label", f"{LABEL_INSTANCE}={settings.name}"),
                *("--label", f"{LABEL_SETTINGS}={settings_hash(settings, self.account)}"),
                *("--label", f"{LABEL_IMAGE}={image}"),
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


# --- status


def status(name: str) -> dict[str, t.Any]:
    """What an observer finds now. `differs` says what a restart would bring, `busy` what it would destroy."""
    settings = load_settings(name)
    result: dict[str, t.Any] = {
        "name": name,
        "url": f"{settings.url}/lab",
        "show_token": f"sudo cat {settings.token_file}",
        "health": "",
        "version": "",
        "refuses_wrong_token": False,
        "differs": [],
        "busy": [],
        "pending": "",
    }
    try:
        container = Engine().inspect("container", settings.container)
        if container is None or not container["State"]["Running"]:
            result["health"] = f"its container is {container['State']['Status'] if container else 'not there'}"
            return result
        url = base_url(container)
        result["url"] = f"{url}/lab"
        result["differs"] = differences(settings, container)
        answer(settings, container, url, result)
    except OperatorError as error:
        result["health"] = str(error)
    if result["differs"]:
        because = f", because {', '.join(result['busy'])}" if result["busy"] else ""
        result["pending"] = f"Instance {name} runs with {' and '.join(result['differs'])}{because}."
    return result


def differences(settings: Settings, container: dict[str, t.Any]) -> list[str]:
    started_from = labels(container)
    found = []
    if started_from.get(LABEL_SETTINGS) != settings_hash(settings, find_account(settings.user)):
        found.append("older settings")
    if started_from.get(LABEL_IMAGE) != Engine().image_id(settings.image):
        found.append("an older image")
    return found


def answer(settings: Settings, container: dict[str, t.Any], url: str, result: dict[str, t.Any]) -> None:
    """Fills in what the server itself says."""
    try:
        result["version"] = version_at(url)
        result["refuses_wrong_token"] = request(f"{url}/api/status", secrets.token_hex(8))[0] == 403
        token = settings.token_file.read_text(encoding="utf-8").strip()
        result["busy"] = ask_busy(url, token, settings.idle_minutes)
        result["health"] = "healthy"
    except (NoAnswerError, OSError) as error:
        result["health"] = f"no answer: {error}"
        if was_healthy(settings, container["Id"]):
            result["busy"] = [f"it answered before and does not say now what runs in it ({error})"]


# --- preflight


def port_problem(address: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        # As the engine does: connections that linger after a restart do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                holders = " and ".join(listeners(port)) or "a process that cannot be seen"
                return f"port {port} of {address} is taken by {holders}"
            return f"port {port} of {address} cannot be used: {error.strerror}"
    return ""


def listeners(port: int) -> list[str]:
    """Who listens there: `nginx (process 812)`, or the container for which Docker does."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                # Columns of proc_net_tcp(5): local address, state (0A is LISTEN), inode.
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    found = set()
    for link in PROC.glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(link) in inodes:
                process = link.parent.parent
                found.add(f"{(process / 'comm').read_text().strip()} (process {process.name})")
    if any(name.startswith("docker-proxy") for name in found):
        with contextlib.suppress(EngineError):
            published = Engine().call("ps", "--filter", f"publish={port}", "--format", "{{.Names}}").split()
            found = {f"the container {name}" for name in published} or found
    return sorted(found)


def list_problems(instances: list[Settings], allow_plain_http: bool) -> list[str]:
    """What is wrong with the list itself, on any machine."""
    problems = [
        f"`{instance.name}` cannot name an instance, because a unit and a container are named after it: use up to 40 "
        f"lower-case letters, digits and hyphens, a letter or digit first."
        for instance in instances
        if not NAME.fullmatch(instance.name)
    ]
    enabled = [instance for instance in instances if instance.enabled]
    for key, among in (("name", instances), ("port", enabled)):
        values = [str(getattr(instance, key)) for instance in among]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            problems.append(f"Every instance needs a `{key}` of its own, and several have {', '.join(twice)}.")
    for instance in enabled:
        try:
            loopback = ipaddress.ip_address(instance.bind_address).is_loopback
        except ValueError:
            problems.append(f"Instance {instance.name}: its `bind_address` {instance.bind_address} is no IP address.")
            continue
        if not loopback and not allow_plain_http:
            problems.append(
                f"Instance {instance.name}: on its `bind_address` {instance.bind_address}, others in the network can "
                f"read the token and every cell, because the server speaks plain HTTP. Use 127.0.0.1 and a tunnel by "
                f"SSH, or, in a network that you trust, set jupyter_allow_plain_http to true."
            )
    return problems


def instance_problems(instance: Settings, published: str | None) -> list[str]:
    """What keeps one instance from starting here. The port at which its container is published already is its own."""
    problems = []
    reserved = RESERVED_ENVIRONMENT & set(instance.environment)
    if reserved:
        problems.append(
            f"its `environment` sets {', '.join(sorted(reserved))}, which the role sets itself; leave it out"
        )
    for key, value in instance.environment.items():
        if not VARIABLE.fullmatch(key) or "\n" in value:
            problems.append(f"Docker cannot pass on {key!r} of its `environment`: a name is one word, a value one line")
    for key in ("memory", "shm_size"):
        try:
            in_bytes(getattr(instance, key), total_memory())
        except OperatorError as error:
            problems.append(f"its `{key}`: {error}")
    if published != instance.url:
        problem = port_problem(instance.bind_address, instance.port)
        if problem:
            problems.append(f"{problem}; give it another `port`, or stop that")
    # A user who is missing is reported beside these, and may be created.
    with contextlib.suppress(OperatorError):
        problems += directory_problems(instance, find_account(instance.user))
    return problems


def directory_problems(instance: Settings, account: Account) -> list[str]:
    if account.uid == 0:
        return ["its `user` is root, with whose rights no notebook runs; name another"]
    problems = []
    for key, directory in instance.directories(account).items():
        if not directory.startswith("/"):
            problems.append(f"its `{key}` {directory} is not an absolute path")
        elif getattr(instance, key):
            try:
                run_as(account, functools.partial(check_directory, directory))
            except OperatorError as error:
                problems.append(
                    f"{account.name} cannot write to its `{key}` {directory}: {error}; change that, or the key"
                )
    return problems


def unit_states(instances: list[Settings]) -> dict[str, list[str]]:
    """The names of instances by what is to be done about their units."""
    states: dict[str, list[str]] = {"active": [], "failed": [], "settled": [], "to_start": [], "to_stop": []}
    for instance in instances:
        unit = unit_properties(instance.unit)
        if not instance.enabled:
            if unit["LoadState"] == "loaded" and (unit["ActiveState"], unit["UnitFileState"]) != (
                "inactive",
                "disabled",
            ):
                states["to_stop"].append(instance.name)
            continue
        if unit["ActiveState"] in ("active", "failed"):
            states[unit["ActiveState"]].append(instance.name)
        is_settled = (unit["ActiveState"], unit["UnitFileState"]) == ("active", "enabled")
        states["settled" if is_settled else "to_start"].append(instance.name)
    return states


def preflight(instances: list[dict[str, t.Any]], allow_plain_http: bool) -> dict[str, t.Any]:
    listed = [Settings.parse(instance) for instance in instances]
    problems = list_problems(listed, allow_plain_http)
    if not Path("/run/systemd/system").is_dir():
        problems.append("systemd is not the first process of this machine, and notebooks run as its units.")
    if problems:
        return {"problems": problems}

    engine, engine_error = Engine(), ""
    published: dict[str, str] = {}
    missing_images: list[str] = []
    wanted = [instance for instance in listed if instance.enabled]
    try:
        engine.version()
        for instance in wanted:
            container = engine.inspect("container", instance.container)
            if container and container["State"]["Running"] and LABEL_INSTANCE in labels(container):
                published[instance.name] = base_url(container)
        images = {instance.image for instance in wanted}
        missing_images = sorted(image for image in images if engine.inspect("image", image) is None)
    except EngineError as error:
        engine_error = str(error)

    missing_users = set()
    for instance in wanted:
        found = instance_problems(instance, published.get(instance.name))
        problems += [f"Instance {instance.name}: {problem}." for problem in found]
        try:
            find_account(instance.user)
        except OperatorError:
            missing_users.add(instance.user)
    directories = [PROGRAM.parent, *(CONFIG / instance.name for instance in wanted)]
    return {
        "problems": problems,
        "engine_error": engine_error,
        "missing_images": missing_images,
        "missing_users": sorted(missing_users),
        "missing_directories": [str(directory) for directory in directories if not directory.is_dir()],
        "units": unit_states(listed),
    }


def main(arguments: list[str]) -> int:
    command, *rest = arguments or [""]
    try:
        if command == "run" and len(rest) == 1:
            return run(rest[0])
        if command == "status" and rest:
            print(json.dumps([status(name) for name in rest], indent=2))
            return 0
        if command == "preflight" and not rest:
            print(json.dumps(preflight(**json.load(sys.stdin))))
            return 0
    except OperatorError as failure:
        print(failure, file=sys.stderr, flush=True)
        return 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
