# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._docker_engine import api, observe

INFO = {"DockerRootDir": "/data/docker", "LiveRestoreEnabled": True, "Swarm": {"LocalNodeState": "inactive"}}
ANSWERS: dict[str, t.Any] = {
    "/info": INFO,
    "/version": {"Version": "26.1.5+dfsg1", "ApiVersion": "1.45"},
    "/containers/json?all=1": [
        {"State": "running", "Names": ["/jupyter-keras"]},
        {"State": "paused", "Names": ["/alone"]},
        {"State": "exited", "Names": ["/old"]},
    ],
    "/volumes": {"Volumes": None},
}
DOWN = {"running": False, "answers": False}


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "get", lambda path, url, timeout: ANSWERS[url])
    monkeypatch.setattr(api, "last_event", lambda *_arguments: 0.0)


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: t.Any) -> t.NoReturn:
        raise api.EngineError("nothing answers")

    monkeypatch.setattr(api, "get", refuse)


def look(proc: t.Any) -> dict[str, t.Any]:
    return observe.engine("/run/docker.sock", 5, str(proc.root))


@pytest.mark.usefixtures("answering")
def test_engine_that_answers(proc: t.Any) -> None:
    proc.add(812, "dockerd", exe="/usr/sbin/dockerd")
    seen = look(proc)
    assert seen["answers"]
    assert not seen["outdated"]
    assert (seen["version"], seen["data_root"], seen["swarm"]) == ("26.1.5+dfsg1", "/data/docker", False)


@pytest.mark.parametrize(
    ("state", "belongs"),
    [("inactive", False), ("active", True), ("pending", True), ("locked", True), ("error", True)],
)
@pytest.mark.usefixtures("answering")
def test_member_of_a_swarm(proc: t.Any, monkeypatch: pytest.MonkeyPatch, state: str, belongs: bool) -> None:
    proc.add(812, "dockerd", exe="/usr/sbin/dockerd")
    monkeypatch.setitem(ANSWERS, "/info", {**ANSWERS["/info"], "Swarm": {"LocalNodeState": state}})
    assert look(proc)["swarm"] is belongs


@pytest.mark.usefixtures("answering")
def test_engine_whose_program_was_upgraded(proc: t.Any) -> None:
    proc.add(812, "dockerd", exe="/usr/sbin/dockerd (deleted)")
    seen = look(proc)
    assert seen["outdated"]
    assert seen["program"] == "/usr/sbin/dockerd"


@pytest.mark.usefixtures("silent")
def test_engine_that_hangs(proc: t.Any) -> None:
    proc.add(812, "dockerd")
    seen = look(proc)
    assert seen["running"]
    assert not seen["answers"]
    assert seen["problem"] == "nothing answers"


@pytest.mark.usefixtures("silent")
def test_socket_is_left_alone_while_no_engine_runs(proc: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "get", lambda *_arguments: pytest.fail("a connection makes systemd start the engine"))
    assert look(proc) == {**DOWN, "problem": "dockerd is not running"}


@pytest.mark.usefixtures("answering")
def test_waiting_ends_with_the_first_answer(proc: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def start_during_the_second_pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            proc.add(812, "dockerd")

    monkeypatch.setattr("time.sleep", start_during_the_second_pause)
    assert observe.wait_for_engine("/run/docker.sock", 5, str(proc.root), 60)["answers"]
    assert len(pauses) == 2


def test_waiting_ends_with_the_time(proc: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    assert not observe.wait_for_engine("/run/docker.sock", 5, str(proc.root), 3)["running"]


@pytest.mark.usefixtures("answering")
def test_containers_of_an_engine_that_answers(proc: t.Any) -> None:
    proc.add(812, "dockerd")
    seen = observe.containers(look(proc), "/run/docker.sock", 5, str(proc.root))
    assert seen == {"running": 2, "names": ["alone", "jupyter-keras"], "kept": 3, "volumes": 0}


def test_containers_of_an_engine_that_is_down(proc: t.Any) -> None:
    proc.add(1000, "containerd-shim-runc-v2", "-namespace", "moby")
    for name in ("containers/4be1", "containers/77aa", "volumes/data"):
        (proc.root / "var/lib/docker" / name).mkdir(parents=True)
    (proc.root / "var/lib/docker/volumes/metadata.db").touch()
    seen = observe.containers(DOWN, "/run/docker.sock", 5, str(proc.root))
    assert seen == {"running": 1, "names": [], "kept": 2, "volumes": 1}


def test_files(proc: t.Any) -> None:
    old, new = proc.root / "old", proc.root / "new"
    old.write_text("old\n")
    new.write_text("new\n")
    os.utime(old, (100, 100))
    os.utime(new, (300, 300))
    seen = observe.files(["/old", "/new", "/none"], {"running": True, "started": 200.0}, str(proc.root))
    assert [seen[path]["newer_than_engine"] for path in ("/old", "/new", "/none")] == [False, True, False]
    assert [seen[path]["exists"] for path in ("/old", "/new", "/none")] == [True, True, False]
    assert seen["/none"]["sha256"] == ""
    assert not observe.files(["/new"], DOWN, str(proc.root))["/new"]["newer_than_engine"]


@pytest.mark.usefixtures("answering")
def test_image_store(proc: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    proc.add(812, "dockerd")
    assert look(proc)["containerd_snapshotter"] is False
    status = [["driver-type", "io.containerd.snapshotter.v1"]]
    monkeypatch.setitem(ANSWERS, "/info", {**INFO, "DriverStatus": status})
    assert look(proc)["containerd_snapshotter"] is True


def test_missing_users() -> None:
    assert observe.missing_users(["root", "no-such-user", "no-other"]) == ["no-such-user", "no-other"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            '\ufeff{"log-driver": "local", "proxies": {"http-proxy": "http://ada:secret@proxy"}}',
            {"log-driver": "local"},
        ),
        ("{}", {}),
        ("[]", {}),
        ("{", {}),
    ],
)
def test_settings(proc: t.Any, text: str, found: dict[str, str]) -> None:
    (proc.root / "etc/docker").mkdir(parents=True)
    (proc.root / "etc/docker/daemon.json").write_text(text)
    assert observe.settings(["log-driver", "log-opts"], str(proc.root)) == found


def test_settings_without_a_file(proc: t.Any) -> None:
    assert observe.settings(["log-driver"], str(proc.root)) == {}


ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
docker0	000012C6	00000000	0001	0	0	0	00FFFFFF	0	0	0
br-0123456789ab	000112C6	00000000	0001	0	0	0	00FFFFFF	0	0	0
class	000212C6	00000000	0001	0	0	0	00FFFFFF	0	0	0
Meta	000012C6	00000000	0001	0	0	0	0000FFFF	0	0	0
short
"""


@pytest.mark.parametrize(
    "networks", [[{"IPAM": {"Config": [{"Subnet": "198.18.2.0/24"}]}}, {"IPAM": {"Config": None}}]]
)
def test_routes_without_dockers_own(proc: t.Any, monkeypatch: pytest.MonkeyPatch, networks: t.Any) -> None:
    (proc.root / "proc/net").mkdir()
    (proc.root / "proc/net/route").write_text(ROUTES)
    others = [
        {"network": "192.0.2.0/24", "interface": "eth0"},
        {"network": "198.18.0.0/16", "interface": "Meta"},
    ]
    monkeypatch.setattr(api, "get", lambda path, url, timeout: networks)
    assert observe.routes({"answers": True}, "/run/docker.sock", 5, str(proc.root)) == others
    # A bridge with a name of its own is only known to the engine.
    others.insert(1, {"network": "198.18.2.0/24", "interface": "class"})
    assert observe.routes(DOWN, "/run/docker.sock", 5, str(proc.root)) == others


@pytest.mark.usefixtures("silent")
def test_routes_of_an_engine_that_hangs(proc: t.Any) -> None:
    assert observe.routes({"answers": True}, "/run/docker.sock", 5, str(proc.root)) == []


@pytest.mark.parametrize("link", ["etc/systemd/system/multi-user.target.wants/docker.service", "etc/rc2.d/S20docker"])
def test_enabled(proc: t.Any, link: str) -> None:
    assert not observe.is_enabled(str(proc.root))
    (proc.root / link).parent.mkdir(parents=True)
    (proc.root / link).touch()
    assert observe.is_enabled(str(proc.root))


def test_what_no_package_brought(proc: t.Any) -> None:
    root = str(proc.root)
    assert observe.snap(root) is None
    assert observe.unpackaged_programs(root) == []
    (proc.root / "snap/docker").mkdir(parents=True)
    (proc.root / "snap/docker/current").symlink_to("2963")
    (proc.root / "usr/local/bin").mkdir(parents=True)
    (proc.root / "usr/local/bin/docker").touch(mode=0o755)
    assert observe.snap(root) == "2963"
    assert observe.unpackaged_programs(root) == ["/usr/local/bin/docker"]


def test_group() -> None:
    assert observe.group("no-such-group") == {"exists": False, "members": []}
    assert observe.group("root")["exists"]
