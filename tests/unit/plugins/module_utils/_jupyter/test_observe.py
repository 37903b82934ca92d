# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `status` and `preflight` see."""

from __future__ import annotations

import grp
import os
import socket
import typing as t
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import layout
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.container import settings_hash
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.control import guard
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.engine import Engine
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import EngineError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.preflight import (
    instance_problems,
    list_problems,
    preflight,
    unit_states,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.server import busy_reasons
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import (
    Settings,
    find_account,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.status import silent_since, status
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    TOKEN,
    Docker,
    MakeSettings,
    Server,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LONG_AGO = "2026-11-20T12:00:00.123456Z"
JUST_NOW = "2026-11-21T11:58:00.000000Z"


def kernel(state: str = "idle", connections: int = 0, last_activity: str = LONG_AGO) -> dict[str, t.Any]:
    return {
        "id": "1a2b3c4d-5e6f",
        "execution_state": state,
        "connections": connections,
        "last_activity": last_activity,
    }


@pytest.mark.parametrize(
    ("kernels", "sessions", "terminals", "expected"),
    [
        ([], [], [], []),
        ([kernel()], [], [], []),
        ([kernel("busy")], [], [], ["kernel 1a2b3c4d runs a cell"]),
        (
            [kernel("busy")],
            [{"path": "train.ipynb", "kernel": {"id": "1a2b3c4d-5e6f"}}],
            [],
            ["train.ipynb runs a cell"],
        ),
        ([kernel(connections=1)], [{"path": "x", "kernel": None}], [], ["kernel 1a2b3c4d is open"]),
        ([kernel(last_activity=JUST_NOW)], [], [], ["kernel 1a2b3c4d was used 2 minutes ago"]),
        # A server that restarted its kernel says "starting" until somebody connects.
        ([kernel("starting")], [], [], []),
        ([], [], [{"name": "1"}], ["terminal 1 is open"]),
    ],
)
def test_busy(
    kernels: list[dict[str, t.Any]],
    sessions: list[dict[str, t.Any]],
    terminals: list[dict[str, t.Any]],
    expected: list[str],
) -> None:
    assert busy_reasons(kernels, sessions, terminals, 60, NOW) == expected


@pytest.fixture
def settings(docker: Docker, server: Server, make_settings: MakeSettings) -> Settings:
    """An instance that runs what is configured."""
    made = make_settings(port=server.port)
    made.token_file.write_text(TOKEN + "\n")
    started_from = settings_hash(made, find_account(made.user))
    docker.put_container(made, labels={layout.LABEL_SETTINGS: started_from, layout.LABEL_IMAGE: "sha256:one"})
    return made


def test_status_of_a_healthy_instance(settings: Settings) -> None:
    guard("keras")
    assert status("keras") == {
        "name": "keras",
        "user": settings.user,
        "workdir": settings.workdir,
        "image": "keras:cpu",
        "url": f"http://127.0.0.1:{settings.port}/lab",
        "fingerprint": "",
        "certificate": "",
        "show_token": f"sudo cat {settings.token_file}",
        "health": "healthy",
        "advice": "",
        "version": "2.21.0",
        "refuses_wrong_token": True,
        "differs": [],
        "busy": [],
        "container": "c" * 64,
        "failed": "",
        "proven": False,
        "pending": "",
        "unguarded": "",
    }


def test_status_says_what_waits_and_why(
    settings: Settings, docker: Docker, server: Server, make_settings: MakeSettings
) -> None:
    # Another port, too: the server is asked where it runs, not where it is to run.
    make_settings(port=1, memory="1g")
    (docker.directory / "image").write_text("sha256:two")
    server.answers["/api/kernels"] = [kernel("busy")]
    found = status("keras")
    assert found["differs"] == ["older settings", "an older image"]
    assert found["url"] == f"http://127.0.0.1:{settings.port}/lab"
    assert found["pending"] == (
        "Instance keras runs with older settings and an older image, because kernel 1a2b3c4d runs a cell."
    )


def test_status_of_a_server_without_terminals(settings: Settings, server: Server) -> None:
    del server.answers["/api/terminals"]
    assert status("keras")["health"] == "healthy"


def test_status_of_a_server_that_is_open_to_all(settings: Settings, server: Server) -> None:
    server.is_open_to_all = True
    assert status("keras")["refuses_wrong_token"] is False


def test_status_when_the_token_was_changed_under_the_server(settings: Settings, server: Server) -> None:
    server.token = "b" * 48
    assert "answered 403 to the token in its file" in status("keras")["health"]


@pytest.mark.parametrize("has_answered", [True, False])
def test_silence_counts_as_work_only_after_an_answer(
    has_answered: bool, settings: Settings, docker: Docker, make_settings: MakeSettings
) -> None:
    container = docker.put_container(make_settings(port=1))
    if has_answered:
        settings.state.mkdir(parents=True)
        (settings.state / "healthy.json").write_text(f'{{"container": "{container["Id"]}"}}')
    found = status("keras")
    assert found["health"].startswith("no answer")
    assert bool(found["busy"]) is has_answered
    assert ("systemctl restart jupyter-keras.service" in found["advice"]) is has_answered


@pytest.mark.parametrize(
    ("streak", "starts", "expected"),
    [
        (0, ["2026-11-21T12:00:00.123456789Z"], ""),
        (1, ["2026-11-21T13:00:00.123456789+01:00"], " since about 2026-11-21 12:00 UTC"),
        (2, ["2026-11-21T12:00:00Z", "2026-11-21T12:00:24.5Z"], " since about 2026-11-21 12:00 UTC"),
        # Docker has forgotten when it began.
        (151, ["2026-11-21T12:00:00-02:30", "2026-11-21T12:00:24-02:30"], " since about 2026-11-21 13:30 UTC"),
        (3, [], ""),
    ],
)
def test_silence_has_a_beginning(streak: int, starts: list[str], expected: str) -> None:
    health = {"FailingStreak": streak, "Log": [{"Start": start} for start in starts]}
    assert silent_since({"State": {"Health": health}}) == expected
    assert silent_since({"State": {}}) == "", "an image without a health check"


def test_status_without_a_container_or_an_engine(docker: Docker, make_settings: MakeSettings) -> None:
    settings = make_settings()
    assert status("keras")["health"] == "its container is not there"
    docker.put_container(settings, running=False)
    assert status("keras")["health"] == "its container is exited"
    docker.down.touch()
    assert "Cannot connect to the Docker daemon" in status("keras")["health"]


@pytest.mark.parametrize(
    ("active", "at_boot", "expected"),
    [
        ("inactive", "disabled", "off"),
        # Somebody has stopped it, or it has failed: neither is what the inventory asks for.
        ("inactive", "enabled", "its container is not there"),
        ("failed", "disabled", "its container is not there"),
    ],
)
def test_status_of_an_instance_that_was_switched_off(
    active: str, at_boot: str, expected: str, docker: Docker, make_settings: MakeSettings
) -> None:
    make_settings()
    docker.unit.write_text(f"ActiveState={active}\nUnitFileState={at_boot}\n")
    assert status("keras")["health"] == expected


@pytest.mark.parametrize(
    ("enabled", "active", "expected"),
    [
        (True, "active", ["active", "settled"]),
        (True, "inactive", ["to_start"]),
        (True, "activating", ["starting", "to_start"]),
        (True, "failed", ["failed", "to_start"]),
        (False, "active", ["to_stop"]),
        (False, "inactive", ["to_stop"]),
    ],
)
def test_units(enabled: bool, active: str, expected: list[str], docker: Docker, make_settings: MakeSettings) -> None:
    docker.unit.write_text(f"ActiveState={active}\n")
    states = unit_states([make_settings(enabled=enabled)])
    assert [state for state, names in states.items() if names] == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([{}], ""),
        ([{"name": "Keras"}], "`Keras` cannot name an instance"),
        ([{"name": "a b"}], "cannot name an instance"),
        ([{"name": "-x"}], "cannot name an instance"),
        ([{}, {"port": 1}], "a `name` of its own, and several have keras"),
        ([{}, {"name": "b"}], "a `port` of its own, and several have 8888"),
        ([{}, {"name": "b", "enabled": False}], ""),
        ([{"bind_address": "localhost"}], "is no IP address"),
        (
            [{"home": "/srv/h/", "user": "ada"}, {"name": "b", "port": 1, "home": "/srv/h", "user": "grace"}],
            "ada and grace have the `home` /srv/h together",
        ),
        ([{"home": "/srv/h", "user": "ada"}, {"name": "b", "port": 1, "home": "/srv/h", "user": "ada"}], ""),
        ([{"home": "~/h", "user": "ada"}, {"name": "b", "port": 1, "home": "~/h", "user": "grace"}], ""),
        ([{"bind_address": "0.0.0.0"}], "jupyter_allow_plain_http"),  # noqa: S104
        ([{"bind_address": "::1"}], ""),
        ([{"port": 0}], "its `port` 0 is none; write one from 1 to 65535"),
        ([{"port": 65536}], "its `port` 65536 is none"),
        ([{"port": 65535}], ""),
        ([{"port": 0, "enabled": False}], ""),
        # On a machine that has no such user yet, as on one that has.
        ([{"workdir": "notebooks", "user": "no-such-user"}], "its `workdir` notebooks is not an absolute path"),
        ([{"workdir": ""}], "its `workdir` (empty) is not an absolute path"),
        ([{"home": "~ada/h"}], "its `home` ~ada/h is not an absolute path"),
        ([{"workdir": "~"}], ""),
    ],
)
def test_list_problems(changes: list[dict[str, t.Any]], expected: str, make_settings: MakeSettings) -> None:
    problems = list_problems([make_settings(**change) for change in changes], allow_plain_http=False)
    assert len(problems) == (1 if expected else 0), problems
    assert expected in "".join(problems)


def test_plain_http_can_be_allowed(make_settings: MakeSettings) -> None:
    assert not list_problems([make_settings(bind_address="0.0.0.0")], allow_plain_http=True)  # noqa: S104


def test_taken_port_names_the_process(make_settings: MakeSettings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = make_settings(port=port, user="no-such-user")
        (problem,) = instance_problems(settings, free_ports=())
        assert f"port {port} of 127.0.0.1 is taken by" in problem
        assert f"(process {os.getpid()})" in problem
        assert not instance_problems(settings, free_ports={settings.port}), "its own port is no conflict"


@pytest.mark.parametrize(
    ("at_work", "asked", "is_free"),
    [
        (False, {"remove_unlisted": True}, True),
        (False, {}, False),
        (True, {"remove_unlisted": True}, False),
        (True, {"remove_unlisted": True, "force": True}, True),
    ],
)
def test_port_of_an_instance_that_leaves_in_the_same_run(
    at_work: bool,
    asked: dict[str, bool],
    is_free: bool,
    settings: Settings,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Renamed: keras is on the machine, and runs; ada is listed, and gets its port."""
    server.answers["/api/terminals"] = [{"name": "1"}] if at_work else []
    let_preflight_see_only_keras(monkeypatch)
    renamed = settings._replace(name="ada")._asdict()
    problems = preflight([renamed], allow_plain_http=False, **asked)["problems"]
    assert [problem for problem in problems if "is taken by" in problem] != is_free, problems


def test_port_of_an_instance_that_is_switched_off_in_the_same_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_preflight_see_only_keras(monkeypatch)
    listed = [settings._replace(enabled=False)._asdict(), settings._replace(name="ada")._asdict()]
    problems = preflight(listed, allow_plain_http=False)["problems"]
    assert not [problem for problem in problems if "is taken by" in problem], problems


@pytest.mark.parametrize("is_accepted", [False, True])
def test_who_equals_root_has_no_notebook_beside_another(
    is_accepted: bool, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a member of the group that owns the engine's socket, which `gpasswd --add ada docker` makes one."""
    let_preflight_see_only_keras(monkeypatch)
    socket_file = tmp_path / "docker.sock"
    socket_file.touch()
    monkeypatch.setattr(f"{preflight.__module__}.ENGINE_SOCKET", socket_file)
    group = grp.struct_group(("docker", "x", os.getgid(), ["ada"]))
    monkeypatch.setattr(grp, "getgrgid", lambda _gid: group)
    listed = [
        settings._replace(name=name, user=name, port=port)._asdict() for name, port in (("ada", 9001), ("grace", 9002))
    ]
    problems = preflight(listed, allow_plain_http=False, allow_docker_users=is_accepted)["problems"]
    found = [problem for problem in problems if "equals being root" in problem]
    assert len(found) == (not is_accepted)
    for problem in found:
        assert problem.startswith("ada may use Docker Engine, which equals being root")
        assert "accept it with jupyter_allow_docker_users" in problem


def let_preflight_see_only_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    """With systemd. The only container of the stand-in for Docker has any name; here, ada has none yet."""
    is_dir, inspect = Path.is_dir, Engine.inspect

    def inspect_keras(engine: Engine, kind: str, name: str) -> dict[str, t.Any] | None:
        return None if (kind, name) == ("container", "jupyter-ada") else inspect(engine, kind, name)

    monkeypatch.setattr(Path, "is_dir", lambda path: str(path) == "/run/systemd/system" or is_dir(path))
    monkeypatch.setattr(Engine, "inspect", inspect_keras)
    # Looks at every process of the machine.
    monkeypatch.setattr(f"{preflight.__module__}.listeners", lambda _port: ["python3"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"memory": "lots"}, "its `memory`: lots is no size"),
        ({"memory": "16"}, "its `memory` 16 is less than 256m"),
        ({"memory": "0%"}, "its `memory` 0% is less than 256m"),
        ({"memory": "150%"}, "its `memory` 150% is more than the machine has"),
        ({"shm_size": ""}, "its `shm_size`"),
        ({"shm_size": "10%"}, "its `shm_size` 10% is a share"),
        ({"cpus": -1}, "its `cpus` -1 is not from 0.01 to "),
        ({"cpus": 100_000}, "its `cpus` 100000 is not from 0.01 to "),
        ({"cpus": "nan"}, "its `cpus` nan is not from 0.01 to "),
        ({"environment": {"JUPYTER_TOKEN": "x"}}, "sets JUPYTER_TOKEN"),
        ({"environment": {"A B": "x"}}, "'A B'"),
        ({"environment": {"A": "x\ny"}}, "'A'"),
    ],
)
def test_instance_problems(change: dict[str, t.Any], expected: str, make_settings: MakeSettings) -> None:
    (problem,) = instance_problems(make_settings(port=0, user="no-such-user", **change), free_ports=())
    assert expected in problem


@pytest.mark.parametrize(
    "change", [{"memory": "0"}, {"memory": "256m"}, {"memory": "100%"}, {"memory": "9000g"}, {"cpus": 0.5}]
)
def test_a_share_that_a_machine_can_give(change: dict[str, t.Any], make_settings: MakeSettings) -> None:
    assert not instance_problems(make_settings(port=0, user="no-such-user", **change), free_ports=())


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ("Error: No such container: jupyter-keras", True),
        ("Error response from daemon: No such image: keras:cpu", True),
        ("Error response from daemon: network jupyter-keras not found", True),
        ("failed to connect to the docker API: dial unix /run/docker.sock: no such file or directory", False),
        ("Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?", False),
    ],
)
def test_an_engine_that_is_down_has_not_lost_its_containers(said: str, missing: bool) -> None:
    assert EngineError(said).missing is missing
