# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One user of several plays tricks on root. The look at the others is as right as ever, and in time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import (
    backup,
    backup_status,
    layout,
    preflight,
    url_file,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.certificate import prepare_certificate
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.container import settings_hash, share_options
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.control import new_token
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.engine import Engine
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import EngineError, OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.files import prepare_token, read_token
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.observe import observe
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import (
    Account,
    Settings,
    find_account,
    total_memory,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.supervisor import Supervisor
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    TOKEN,
    Docker,
    MakeSettings,
    Server,
)
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._untrusted.test_untrusted import (
    OK,
    Hostile,
)

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount, and become another user")
LONG_AGO = "2026-11-20T12:00:00.123456Z"
KERNEL = {"id": "1a2b3c4d", "execution_state": "idle", "connections": 0, "last_activity": LONG_AGO}
Others = t.Callable[..., list[Settings]]


@pytest.fixture
def neighbors(
    docker: Docker, server: Server, make_settings: MakeSettings, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> Others:
    """Instances beside mallory, whose server is another one where a port is given."""

    def make(count: int, hostile_port: int | None = None) -> list[Settings]:
        made = [make_settings(name=name, port=server.port) for name in [f"n{i:02}" for i in range(count)] + ["mallory"]]
        for settings in made:
            settings.token_file.write_text(TOKEN)
        hashes = {one.container: settings_hash(one, find_account(one.user)) for one in made}

        def inspect(_engine: Engine, kind: str, name: str) -> dict[str, t.Any] | None:
            if kind != "container":
                return {"Id": "sha256:one"}
            port = hostile_port if name == "jupyter-mallory" and hostile_port else server.port
            labels = {layout.LABEL_SETTINGS: hashes[name], layout.LABEL_IMAGE: "sha256:one"}
            return {
                "Id": name,
                "Config": {"Labels": labels},
                "State": {"Running": True, "Status": "running", "ExitCode": 0},
                "HostConfig": {"PortBindings": {"8888/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}},
            }

        monkeypatch.setattr(Engine, "inspect", inspect)
        return made

    return make


def healths(found: list[dict[str, t.Any]]) -> dict[str, str]:
    return {one["name"]: one["health"] for one in found}


def test_a_server_without_an_end_among_twenty(neighbors: Others) -> None:
    hostile = Hostile(OK, b"X", pause=0.2, repeat=True)
    neighbors(19, int(hostile.url.split(":")[2].split("/")[0]))
    begin = time.monotonic()
    found = healths(observe(None, "api", "list_physical_devices", 60))
    assert time.monotonic() - begin < 60
    assert found.pop("mallory") == "no answer: [Errno 110] it did not answer in time"
    assert found == dict.fromkeys([f"n{i:02}" for i in range(19)], "healthy")


ANSWERS: dict[str, tuple[str, t.Any]] = {
    "a kernel without a time": ("/api/kernels", [{"id": "1", "execution_state": "idle"}]),
    "a time that is none": ("/api/kernels", [{**KERNEL, "last_activity": [1]}]),
    "kernels that are a number": ("/api/kernels", 7),
    "kernels that are numbers": ("/api/kernels", [7]),
    "a session that is a text": ("/api/sessions", ["x"]),
    "a kernel of a session that is a text": ("/api/sessions", [{"path": "x", "kernel": "y"}]),
    "a terminal without a name": ("/api/terminals", [{}]),
    "an answer without an end": ("/api/kernels", "x" * 2**21),
}


@pytest.mark.parametrize("play", ANSWERS)
def test_answers_of_other_types(play: str, neighbors: Others, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Server()
    try:
        path, answer = ANSWERS[play]
        other.answers[path] = answer
        neighbors(2, other.port)
        found = healths(observe(None, "api", "list_physical_devices", 60))
    finally:
        other.close()
    assert found.pop("mallory").startswith("no answer: "), found
    assert found == {"n00": "healthy", "n01": "healthy"}


def test_clock_that_was_wrong(neighbors: Others, server: Server) -> None:
    neighbors(0)
    server.answers["/api/kernels"] = [{**KERNEL, "last_activity": "2999-01-01T00:00:00"}]
    (found,) = observe(None, "api", "list_physical_devices", 60)
    assert found["busy"] == ["kernel 1a2b3c4d was used 0 minutes ago"]


def test_names_that_drive_a_terminal_or_pass_for_another_line(neighbors: Others, server: Server) -> None:
    neighbors(0)
    server.answers["/api/kernels"] = [{**KERNEL, "execution_state": "busy"}]
    path = "\x1b]0;owned\x07\u202e\n  lab02: no notebook"
    server.answers["/api/sessions"] = [{"path": path, "kernel": {"id": "1a2b3c4d"}}]
    server.answers["/api/terminals"] = [{"name": "\x1b[2J\n1"}]
    (found,) = observe(None, "api", "list_physical_devices", 60)
    assert found["busy"] == [
        "\ufffd]0;owned\ufffd\ufffd lab02: no notebook runs a cell",
        "terminal \ufffd[2J 1 is open",
    ]
    assert not {"\x1b", "\\u001b", "\u202e"} & set(json.dumps(found))


def instead(path: Path, make: t.Callable[[Path], None]) -> None:
    path.unlink(missing_ok=True)
    make(path)


def endless(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**40)


TOKENS: dict[str, t.Callable[[Path], t.Any]] = {
    "no text": lambda path: path.write_bytes(b"\xff" * 48),
    "endless": endless,
    "empty": lambda path: path.write_text(""),
    "several lines": lambda path: path.write_text("a\r\nX-Header: b"),
    "a directory": lambda path: instead(path, Path.mkdir),
    "a link": lambda path: instead(path, lambda link: link.symlink_to("/etc/hostname")),
    "a pipe": lambda path: instead(path, os.mkfifo),
}


@pytest.mark.parametrize("play", TOKENS)
def test_token_that_is_none(play: str, neighbors: Others, monkeypatch: pytest.MonkeyPatch) -> None:
    mallory = neighbors(1)[-1]
    TOKENS[play](mallory.token_file)
    found = healths(observe(None, "api", "list_physical_devices", 60))
    assert found.pop("mallory").startswith("no answer: "), found
    assert found == {"n00": "healthy"}
    with pytest.raises(OperatorError, match="new_token"):
        url_file.hand_over("mallory", "lab01", check_mode=True)
    if mallory.token_file.is_dir():
        return
    prepare_token(mallory, find_account(mallory.user))
    assert len(read_token(mallory)) == 48, "the next start has another"


BACKUPS: dict[str, t.Callable[[Path], t.Any]] = {
    "nested": lambda path: path.write_text("[" * 200_000),
    "a list": lambda path: path.write_text("[]"),
    "endless": endless,
    "no text": lambda path: path.write_bytes(b"\xff"),
    "types": lambda path: path.write_text(json.dumps(dict.fromkeys(backup.Backup._fields, 7))),
}


@pytest.mark.parametrize("play", BACKUPS)
def test_backup_settings_that_their_owner_wrote(play: str, neighbors: Others, monkeypatch: pytest.MonkeyPatch) -> None:
    neighbors(1)
    monkeypatch.setattr(backup_status, "timers", lambda: ["mallory"])
    BACKUPS[play](backup.config_file("mallory"))
    mallory, other = observe(None, "api", "list_physical_devices", 60)
    assert (mallory["health"], other["health"]) == ("healthy", "healthy")
    assert "cannot be used" in mallory["backup"]["problem"]


@pytest.mark.parametrize("play", ["nested", "a list", "types"])
def test_record_of_a_backup_that_its_owner_wrote(play: str, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account("mallory", os.getuid(), os.getgid(), str(machine))
    backup.state("mallory").mkdir(parents=True)
    record = backup.state("mallory") / "record.json"
    contents = {"nested": "[" * 65_000, "a list": "[]", "types": '{"snapshot": {"id": [], "files": "x"}}'}
    record.write_text(contents[play])
    with pytest.raises(OperatorError, match="nothing that a backup notes"):
        backup.read_record("mallory", account)


def test_a_look_that_breaks_is_a_sentence(neighbors: Others, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is that nobody thought of."""
    neighbors(1)
    module = sys.modules[observe.__module__]
    real = module.__dict__["status"]

    def status(name: str, timeout: float) -> dict[str, t.Any]:
        if name == "mallory":
            os._exit(0)
        return t.cast("dict[str, t.Any]", real(name, timeout))

    monkeypatch.setattr(module, "status", status)
    found = {one["name"]: one for one in observe(None, "kernel", "list_physical_devices", 1)}
    assert found["mallory"]["health"] == "the look at it failed: it was killed by somebody"
    assert found["mallory"]["busy"], "what cannot be asked may be somebody's training"
    assert found["mallory"]["kernel"]["health"] == found["mallory"]["health"]
    assert found["n00"]["health"] == "healthy"


# The token


@as_root
def test_new_owner_has_a_new_token(make_settings: MakeSettings) -> None:
    settings = make_settings()
    ada, grace = (Account(name, uid, uid, "/") for name, uid in (("ada", 1234), ("grace", 1235)))
    prepare_token(settings, ada)
    adas = read_token(settings)
    prepare_token(settings, ada)
    assert read_token(settings) == adas
    prepare_token(settings, grace)
    assert read_token(settings) != adas
    assert settings.token_file.stat().st_uid == grace.uid
    # What an operator wrote there stays.
    settings.token_file.unlink()
    settings.token_file.write_text("an-operators-own\n")
    prepare_token(settings, ada)
    assert read_token(settings) == "an-operators-own"
    assert (settings.token_file.stat().st_uid, settings.token_file.stat().st_mode & 0o777) == (ada.uid, 0o400)


@as_root
def test_new_owner_has_a_new_private_key(make_settings: MakeSettings) -> None:
    settings = make_settings(tls="generated")
    settings.state.mkdir(parents=True)
    ada, grace = (Account(name, uid, uid, "/") for name, uid in (("ada", 1234), ("grace", 1235)))
    keys = []
    for account in (ada, ada, grace):
        prepare_certificate(settings, account)
        assert settings.private_key_file.stat().st_uid == account.uid
        keys.append(settings.private_key_file.read_text())
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("said", "is_kept"),
    [
        ("listen tcp4 127.0.0.1:8888: bind: address already in use", False),
        ("Bind for 127.0.0.1:8888 failed: port is already allocated", True),
        ("Cannot connect to the Docker daemon", True),
    ],
)
def test_token_that_went_to_whoever_had_the_port(
    said: str, is_kept: bool, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    settings.token_file.write_text(TOKEN)

    def call(_engine: Engine, *_arguments: str, pass_fds: tuple[int, ...] = ()) -> str:
        raise EngineError(said)

    monkeypatch.setattr(Engine, "call", call)
    with pytest.raises(EngineError, match=said):
        Supervisor(settings, Engine()).call_run("keras:cpu", descriptor=0)
    assert settings.token_file.exists() is is_kept


@pytest.mark.parametrize(
    ("active", "busy", "force", "is_new"),
    [
        ("active", False, False, True),
        ("active", True, False, False),
        ("active", True, True, True),
        ("inactive", True, False, True),
    ],
)
def test_new_token_by_hand(
    active: str, busy: bool, force: bool, is_new: bool, neighbors: Others, server: Server, docker: Docker
) -> None:
    mallory = neighbors(0)[-1]
    server.answers["/api/terminals"] = [{"name": "1"}] if busy else []
    docker.unit.write_text(f"ActiveState={active}\n")
    new_token("mallory", force)
    assert (read_token(mallory) != TOKEN) is is_new


# The mount

SWAP = """
import os, sys
from pathlib import Path
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import layout, mounts
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import Account, Settings
place = Path(sys.argv[1])
layout.RUN, layout.STATE = place / "run", place / "state"
account = Account("nobody", 65534, 65534, str(place))
settings = Settings(
    "keras", True, "keras:cpu", "nobody", "127.0.0.1", 8888, str(place / "notebooks"), str(place / "home"), "75%", 0,
    "1g", 4096, {}, 20, 7, 60
)
# As systemd has it: what is unmounted in one place is gone in all.
SHARED = 0x100000
mounts.call("mount", None, b"/", None, mounts.RECURSIVE | SHARED, None)
os.mkdir(place / "home/below")
mounts.call("mount", b"none", bytes(place / "home/below"), b"tmpfs", 0, None)
# A start that was killed leaves its mounts.
os.makedirs(place / "run/keras/workdir")
mounts.attach(account, str(place / "home"), place / "run/keras/workdir")
with mounts.opened(settings, account) as places:
    # The check is over: now a link leads elsewhere.
    (place / "notebooks").rename(place / "before")
    (place / "notebooks").symlink_to(place / "theirs")
    assert os.listdir(places["workdir"]) == ["mine"], os.listdir(places["workdir"])
    assert os.listdir(places["home"]) == ["below"]
    assert os.path.ismount(place / "run/keras/home/below"), "as the engine would mount it"
    assert places["workdir"] == str(place / "run/keras/workdir")
    assert (place / "run/keras").stat().st_mode & 0o777 == 0o700, "others get no further than before"
assert not (place / "run/keras").exists()
assert os.path.ismount(place / "home/below"), "what the user has mounted there stays"
"""


@as_root
def test_directory_that_is_swapped_after_the_check() -> None:
    place = Path("/tmp") / f"gpulab-mounts-{os.getpid()}"
    for path in (place, place / "notebooks", place / "home"):
        path.mkdir(0o755)
        os.chown(path, 65534, 65534)
    (place / "theirs").mkdir(0o700)
    (place / "theirs/secret").touch()
    (place / "notebooks/mine").touch()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", SWAP, str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
    finally:
        subprocess.run(["rm", "-rf", str(place)], check=True)


# The machine's memory


def test_a_notebook_ends_before_the_machine_does() -> None:
    assert share_options("1000") == ["--oom-score-adj", "500", "--memory-swap", "1000"]
    assert share_options("0") == ["--oom-score-adj", "500"]


def test_shares_that_are_more_than_the_machine(make_settings: MakeSettings) -> None:
    advice = preflight.share_advice([make_settings(name="ada"), make_settings(name="grace", memory="50%")])
    assert len(advice) == 1
    assert "ada, grace may take 125% of the machine's memory together" in advice[0]
    half = f"{total_memory() // 2 + 1}b"
    assert preflight.share_advice([make_settings(name="ada", memory=half), make_settings(name="grace", memory="50%")])
    # 0 is no limit.
    assert preflight.share_advice([make_settings(name="ada", memory="0"), make_settings(name="grace", memory="1g")])
    assert not preflight.share_advice([make_settings(memory="0")])
    assert not preflight.share_advice([make_settings()])
    assert not preflight.share_advice([make_settings(memory="50%"), make_settings(name="b", memory="50%")])


@pytest.mark.parametrize("home", ["//srv/h", "/srv/h/", "/srv/./h"])
def test_one_directory_of_several_spellings(home: str, make_settings: MakeSettings) -> None:
    ada = make_settings(name="ada", user="ada", home=home)
    grace = make_settings(name="grace", user="grace", port=2, workdir="/srv/h")
    (problem,) = preflight.list_problems([ada, grace], allow_plain_http=False)
    assert "ada and grace have the `home` /srv/h together" in problem
