# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan case by case: restarts, versions, refusals, and the sentences for the operator."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.filter.docker_plan import docker_plan
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.plan import Plan, plan
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.seen import (
    Containers,
    Engine,
    File,
    Look,
    Package,
    Route,
    Seen,
    Unapplied,
)
from ansible_collections.gpulab.workstation.tests.unit.plugins.plugin_utils._docker.host import (
    JSON_FILE,
    PATHS,
    TABLES,
    Host,
    given,
    provisioned,
    running_engine,
    wants,
)

WHEN = "Run again when they have ended, or with docker_restart set to always when they may stop."
DATA_ROOT = Unapplied(("data-root",), "restart")
POOLS = Unapplied(("default-address-pools",), "restart")
# What a last feature leaves when it is removed: an empty `features`, which says nothing of the image store.
NO_FEATURES = Unapplied(("features",), "restart")
IMAGE_STORE = Unapplied(("features", "containerd-snapshotter"), "restart")
IDLE = Containers(0, [], 1)


def decide(look: Look | None = None, wish: dict[str, t.Any] | None = None, **seen: t.Any) -> Plan:
    before = look or provisioned()
    return plan(wants(**(wish or {})), Seen(**{"before": before, "now": before, **seen}))


def test_nothing_to_do() -> None:
    found = decide(provisioned(settings={"live-restore": True, **JSON_FILE}))
    assert (found.refused, found.packages.specs, found.packages.to_hold) == ([], [], [])
    assert (found.look_again, found.notify, found.reload, found.restart.wanted) == (False,) * 4
    assert (found.pending, found.notes, found.report) == ([], [], "Docker Engine 26.1.5+dfsg1 answers.")


# Restarts


@pytest.mark.parametrize(
    ("look", "wish", "unapplied", "wanted", "stop"),
    [
        (provisioned(), {}, [], False, []),
        (provisioned(), {}, [POOLS], True, []),
        (provisioned(), {"docker_restart": "never"}, [POOLS], False, []),
        (provisioned(), {"docker_service_manager": "none"}, [POOLS], False, []),
        (provisioned(engine=running_engine(live_restore=False)), {}, [POOLS], False, []),
        (provisioned(engine=running_engine(live_restore=False), containers=IDLE), {}, [POOLS], True, []),
        (provisioned(engine=running_engine(swarm=True)), {"docker_live_restore": False}, [POOLS], False, []),
        (provisioned(), {}, [DATA_ROOT], False, []),
        (provisioned(), {}, [NO_FEATURES], True, []),
        (provisioned(), {}, [IMAGE_STORE], False, []),
        (provisioned(containers=IDLE), {}, [DATA_ROOT], True, []),
        # Told to: containers that the engine would lose are stopped first.
        (provisioned(), {"docker_restart": "always"}, [DATA_ROOT], True, ["jupyter-keras"]),
        (provisioned(), {"docker_restart": "always"}, [POOLS], True, []),
        (provisioned(engine=running_engine(live_restore=False)), {"docker_restart": "always"}, [POOLS], True, []),
        (provisioned(engine=running_engine(outdated=True)), {}, [], True, []),
        # live-restore is made for patch releases.
        (provisioned(engine=running_engine(outdated=True, version="25.0.1")), {}, [], False, []),
    ],
)
def test_restarts(
    look: Look, wish: dict[str, t.Any], unapplied: list[Unapplied], wanted: bool, stop: list[str]
) -> None:
    found = decide(look, wish, unapplied=unapplied, requires="restart" if unapplied else "none")
    assert found.restart.wanted == wanted
    assert found.restart.stop == stop


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"docker_restart": "never"}, "docker_restart is never."),
        ({"docker_service_manager": "none"}, "starting it is left to others (docker_service_manager: none)."),
        ({}, f"live-restore cannot protect the 1 container(s) that run. {WHEN}"),
    ],
)
def test_a_restart_that_waits_is_said(wish: dict[str, t.Any], why: str) -> None:
    look = provisioned(engine=running_engine(live_restore=False))
    found = decide(look, {"docker_live_restore": False, **wish}, unapplied=[POOLS], requires="restart")
    sentence = f"Docker Engine on lab01 waits for a restart to take default-address-pools, because {why}"
    assert found.pending == found.pending_after_handler == [sentence]


def test_a_drop_in_counts_until_another_process_runs() -> None:
    path = PATHS["containerd_drop_in"]
    found = decide(removed_drop_ins=[path], wish={"docker_restart": "always"})
    assert found.restart.reasons == [path]
    assert (found.restart.containerd, found.restart.read_units, found.restart.stop) == (True, True, ["jupyter-keras"])
    later = provisioned(engine=running_engine(pid=8))
    assert decide(now=later, removed_drop_ins=[path]).restart.reasons == []
    assert decide(asked=["the hook"], asked_pid=7).restart.reasons == ["the hook"]
    assert decide(asked=["the hook"], asked_pid=6).restart.reasons == []


def test_packages_do_not_restart_an_engine_that_would_lose_containers() -> None:
    """Somebody has moved containerd, and nobody has restarted it: a patch release's own restart would do so."""
    files = {PATHS["containerd_drop_in"]: File(True, "x", True)}
    wish = {"docker_version": "26.1.6", "docker_containerd_root": "/data"}
    assert decide(provisioned(), {"docker_version": "26.1.6"}).packages.specs[-1] == "docker-cli=26.1.6*"
    found = decide(provisioned(files=files), wish)
    assert found.versions.waits
    assert found.packages.specs == []


# Versions


@pytest.mark.parametrize(
    ("wish", "candidate", "waits"),
    [
        ({"docker_upgrade": True}, "26.1.9", False),
        ({"docker_upgrade": True}, "28.5.1", True),
        ({"docker_upgrade": True, "docker_restart": "always"}, "28.5.1", False),
        ({"docker_upgrade": True, "docker_restart": "never"}, "26.1.9", True),
        ({"docker_upgrade": True, "docker_restart": "never"}, "26.1.5+dfsg1-9", False),
        ({"docker_upgrade": True, "docker_live_restore": False}, "26.1.9", True),
        ({"docker_version": "28."}, "", True),
    ],
)
def test_upgrades_under_a_container(wish: dict[str, t.Any], candidate: str, waits: bool) -> None:
    found = decide(wish=wish, candidate=candidate)
    assert found.versions.waits == waits
    assert bool(found.packages.specs) != waits
    if waits:
        assert found.pending == [
            f"docker.io 26.1.5+dfsg1-9 stays on lab01 while 1 container(s) run, because {candidate or '28.'} in its "
            f"place could stop them. {WHEN}"
        ]


def test_packages_in_the_order_of_the_table() -> None:
    look = Look(architecture="amd64", packages={"docker-compose": Package("2.26", held=True)})
    found = decide(look, {"docker_version": "26.1.5", "docker_hold": True, "docker_extra_packages": ["jq", "jq"]})
    assert found.packages.specs == ["docker-buildx", "jq", "docker.io=26.1.5*", "docker-cli=26.1.5*"]
    assert found.packages.to_hold == ["docker.io", "docker-cli", "docker-buildx", "jq"]


# Refusals


SNAP = provisioned(packages={}, snap="29", containers=Containers(2, ["a", "b"], 2))


@pytest.mark.parametrize(
    ("look", "wish", "words"),
    [
        (SNAP, {}, ["the snap docker, revision 29", "docker_source: distribution", "docker_allow_engine_replacement"]),
        (
            SNAP,
            {"docker_allow_engine_replacement": "true"},
            ["2 container(s) run on lab01 (a, b)", "docker_allow_stopping_containers"],
        ),
        (provisioned(missing_users=["adaa"]), {"docker_users": ["adaa"]}, ["has no user adaa", "docker_users"]),
        (provisioned(engine=running_engine(swarm=True)), {}, ["belongs to a swarm", "docker_live_restore"]),
        (
            provisioned(),
            {"docker_service_manager": "sysvinit", "docker_prune": "yes"},
            ["docker_containerd_root and docker_prune", "is sysvinit"],
        ),
    ],
)
def test_refusals(look: Look, wish: dict[str, t.Any], words: list[str]) -> None:
    found = decide(look, wish)
    assert len(found.refused) == 1
    for word in words:
        assert word in found.refused[0]
    assert found == Plan(
        refused=found.refused, look_for=found.look_for, manager=found.manager, uninstall=found.uninstall
    )


def test_a_user_whom_another_task_will_make_is_not_refused_in_check_mode() -> None:
    wanted = dataclasses.replace(wants(docker_users=["ada"]), check_mode=True)
    look = provisioned(missing_users=["ada"])
    assert plan(wanted, Seen(before=look, now=look)).refused == []


def test_a_member_of_the_group_is_not_looked_at_again() -> None:
    found = decide(provisioned(members=["ada"]), {"docker_users": ["bob", "ada", "bob"]})
    assert found.new_users == ["bob"]


# Keys in depth


STORE = ("features", "containerd-snapshotter")


@pytest.mark.parametrize("key", ["containerd-snapshotter", "cdi"])
def test_the_image_store_waits_for_containers(key: str) -> None:
    host = Host(engine=True, version="26.1.5", config={"live-restore": True}, held={"live-restore": True})
    host.packages = dict(provisioned().packages)
    host.containers = ["keras"]
    found = host.run(wants(docker_daemon_settings={"features": {key: True, "buildkit": True}}))
    # Only the key that loses containers is left out.
    assert host.config["features"] == {"buildkit": True, **({"cdi": True} if key == "cdi" else {})}
    sentence = (
        "features.containerd-snapshotter stays as it is on lab01 while 1 container(s) run, because the engine would "
        f"not find them in the new place. {WHEN}"
    )
    assert found.pending == ([] if key == "cdi" else [sentence])


def test_the_image_store_changes_with_containers_stopped_when_told() -> None:
    host = Host(engine=True, version="26.1.5", config={"live-restore": True}, held={"live-restore": True})
    host.packages = dict(provisioned().packages)
    host.containers = ["keras"]
    wish = {"docker_daemon_settings": {"features": {STORE[1]: True}}, "docker_restart": "always"}
    found = host.run(wants(**wish))
    assert host.stopped == ["keras"]
    assert host.held["features"] == {STORE[1]: True}
    assert found.pending == []


def test_the_image_store_in_force_may_be_written_down() -> None:
    look = provisioned(engine=running_engine(containerd_snapshotter=False))
    found = decide(look, {"docker_daemon_settings": {"features": {STORE[1]: False}}}, foreseen=[STORE])
    assert found.daemon.settings["features"] == {STORE[1]: False}
    assert found.pending == []


def test_removing_all_features_removes_the_image_store() -> None:
    look = provisioned(engine=running_engine(containerd_snapshotter=True))
    wish = {"docker_daemon_absent": [["features"], ["debug"]]}
    assert decide(look, wish).daemon.foresee
    found = decide(look, wish, foreseen=[STORE, ("debug",)])
    assert found.daemon.absent == [("debug",)]
    assert found.daemon.withheld == [STORE]


def test_settings_that_are_no_objects_are_left_to_the_module() -> None:
    assert decide(wish={"docker_daemon_settings": {"features": "all"}}, foreseen=[STORE]).daemon.withheld == [STORE]


# When the engine does not start


def test_the_engine_is_back_with_the_previous_file() -> None:
    said = "failed to start daemon: could not find an available, non-overlapping IPv4 address pool among the defaults"
    found = decide(
        provisioned(routes=[Route("198.18.0.0/16", "Meta")]),
        journal=said,
        refused_file="/etc/docker/daemon.json.9~",
        rolled_back=running_engine(),
    )
    assert found.failure.startswith(
        "Docker Engine did not start on lab01 with the new daemon.json. The previous one was put back, and the engine "
        "answers again. The file that it refused is /etc/docker/daemon.json.9~. The engine found no network for "
        "containers: docker_address_pools is 198.18.0.0/16, and 198.18.0.0/16 overlaps the route 198.18.0.0/16 through "
        "Meta."
    )
    assert found.failure.endswith(said)


def test_there_is_no_way_back() -> None:
    found = decide(rolled_back=Engine(problem="dockerd is not running"))
    assert found.failure.startswith("Docker Engine does not answer on lab01: dockerd is not running. Containers that")


# Uninstalling


def test_uninstall() -> None:
    look = provisioned(containers=Containers())
    wish = {"docker_registry_certificates": {"lab:5000": "x.pem"}, "docker_uninstall_data": "yes"}
    found = decide(
        look, wish, orphans_before=["Remv old [1]"], orphans_now=["Remv old [1]", "Remv containerd [1.7.24~ds1-6]"]
    ).uninstall
    assert found.refused == []
    # It is another plan that refuses: the certificate is only read for a run of the role.
    assert found.packages == ["docker.io", "docker-cli", "docker-buildx", "docker-compose"]
    assert found.orphans == ["containerd"]
    assert found.data == ["/var/lib/docker", "/var/lib/containerd"]
    assert ("log-opts", "max-size") in found.key_paths
    assert found.files[-2:] == ["/var/lib/gpulab/docker", "/etc/docker/certs.d/lab:5000"]
    (sentence,) = decide(provisioned()).uninstall.refused
    assert "still has 1 container(s), 1 of them running jupyter-keras" in sentence
    assert "docker_uninstall_force" in sentence


# The filter


def test_what_tasks_register_is_read() -> None:
    """A name that only one side knows would be a look that never counts."""
    read: set[str] = set()

    class Recorder(dict[str, t.Any]):
        def get(self, name: str, default: t.Any = None) -> t.Any:
            read.add(name)
            return default

    Seen.of(Recorder())
    assert read == TABLES["__docker_seen"].keys()


def test_the_filter_takes_registered_results() -> None:
    """What tasks hand over: JSON, skipped results included."""
    before = {
        "engine": {"running": True, "answers": True, "pid": 7, "version": "26.1.5", "outdated": False, "reloaded": 0.0},
        "containers": {"running": 0, "names": [], "kept": 0, "volumes": 0},
        "packages": {"docker.io": {"version": "26.1.5", "held": False, "architecture": "amd64"}},
        "group": {"exists": True, "members": []},
        "files": {PATHS["record"]: {"exists": True, "sha256": "x", "newer_than_engine": True}},
        "changed": False,
    }
    skipped = {"changed": False, "skipped": True}
    found = docker_plan(
        {
            "before": before,
            "now": skipped,
            "foreseen": skipped,
            "unapplied": {"requires": "restart", "pending": [{"key": ["bip"], "requires": "restart"}]},
            "policy": {"stdout": "docker.io:\n  Candidate: 5:28.5.2-1~debian\n"},
            "drop_ins_removed": {"results": [{"changed": True, "item": PATHS["proxy_drop_in"]}]},
        },
        given(docker_source="distribution", docker_upgrade="yes"),
    )
    assert found["versions"]["candidate"] == "28.5.2-1~debian"
    # The record is newer than the engine, and nothing that it reads when it starts.
    assert found["restart"]["reasons"] == ["bip", PATHS["proxy_drop_in"]]
    assert found["daemon"]["absent"] == []
