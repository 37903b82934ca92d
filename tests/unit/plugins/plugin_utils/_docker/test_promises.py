# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The promises of the role docker, over random hosts and random wishes."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.plan import Plan, plan
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.seen import Package, Route, Seen
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.wanted import Wanted
from ansible_collections.gpulab.workstation.tests.unit.plugins.plugin_utils._docker.host import (
    JSON_FILE,
    PATHS,
    TABLES,
    Host,
    wants,
)
from hypothesis import given, settings
from hypothesis import strategies as st

VERSIONS = ("26.1.4-1", "26.1.5-1", "28.5.1-1", "29.0.0-1")


def maybe(values: st.SearchStrategy[t.Any]) -> st.SearchStrategy[list[t.Any]]:
    return st.lists(values, max_size=1)


OPTIONS: dict[str, st.SearchStrategy[t.Any]] = {
    "docker_restart": st.sampled_from(["auto", "always", "never"]),
    "docker_service_manager": st.sampled_from(["systemd", "sysvinit", "none"]),
    "docker_version": st.sampled_from(["26.1.5", "28.5.", "29"]),
    "docker_upgrade": st.just("true"),
    "docker_hold": st.just("true"),
    "docker_live_restore": st.sampled_from(["false", True]),
    "docker_log_driver": st.sampled_from(["journald", "local", ""]),
    "docker_log_options": st.sampled_from([{"tag": "x"}, {"max-size": "1m"}]),
    "docker_data_root": st.just("/data/docker"),
    "docker_containerd_root": st.just("/data/containerd"),
    "docker_address_pools": st.just([{"base": "10.0.0.0/16", "size": 24}]),
    "docker_http_proxy": st.just("http://proxy:3128"),
    "docker_users": st.just(["ada"]),
    "docker_daemon_settings": st.sampled_from(
        [
            {"features": {"containerd-snapshotter": True, "cdi": True}},
            {"features": {"containerd-snapshotter": False}},
            {"userns-remap": "default", "debug": True},
            {"max-concurrent-downloads": 7},
        ]
    ),
    "docker_daemon_absent": st.sampled_from([[["features"]], [["data-root"]], [["debug"]]]),
}
WISHES = st.fixed_dictionaries({}, optional=OPTIONS).filter(
    lambda wish: wish.get("docker_service_manager", "systemd") == "systemd" or "docker_containerd_root" not in wish
)
CONFIGS = st.sampled_from(
    [
        {},
        {"live-restore": True, **JSON_FILE},
        {"live-restore": False, "log-driver": "journald"},
        {"live-restore": True, "data-root": "/srv/docker", "features": {"containerd-snapshotter": True}},
        {"live-restore": True, "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 4096, "Hard": 8192}}},
        {"debug": True, "default-address-pools": [{"base": "10.9.0.0/16", "size": 24}]},
    ]
)


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    names = TABLES["__docker_distribution_packages"]["Debian-13"]
    installed = draw(st.booleans())
    version = draw(st.sampled_from(VERSIONS))
    engine = installed and draw(st.booleans())
    config = draw(CONFIGS)
    # An engine may work by a file that somebody has changed since; it does not see a moved data root before it starts.
    held = draw(st.sampled_from([config, draw(CONFIGS)]))
    swarm = engine and draw(st.integers(0, 5)) == 0
    drop_ins = [PATHS["containerd_drop_in"]] if draw(st.integers(0, 5)) == 0 else []
    return Host(
        packages={name: Package(version, draw(st.booleans())) for name in names} if installed else {},
        config=config,
        held=held if engine else config,
        engine=engine,
        swarm=swarm,
        outdated=engine and draw(st.integers(0, 5)) == 0,
        version=draw(st.sampled_from([version, *VERSIONS])),
        containers=draw(st.sampled_from([[], ["keras"], ["keras", "training"]])) if installed else [],
        drop_ins=dict.fromkeys(drop_ins, "written"),
        newer=set(drop_ins) if engine and draw(st.booleans()) else set(),
        routes=[Route(*route) for route in draw(maybe(st.just(("198.18.0.0/16", "Meta"))))],
        candidate=draw(st.sampled_from(VERSIONS)),
    )


CASES = {"host": hosts(), "wish": WISHES}


def run(host: Host, wish: dict[str, t.Any]) -> tuple[Wanted, Plan]:
    wanted = wants(**wish)
    return wanted, host.run(wanted)


@settings(max_examples=400, deadline=None)
@given(**CASES)
def test_no_container_is_stopped_or_lost_unless_told(host: Host, wish: dict[str, t.Any]) -> None:
    """Host.restart() fails where a restart would stop running containers, or lose sight of them."""
    running = list(host.containers)
    wanted, _decided = run(host, wish)
    if wanted.variables.restart != "always":
        assert host.containers == running
        assert host.stopped == []
    if wanted.variables.restart == "never" and wanted.manager != "none":
        assert not host.restarts


@settings(max_examples=200, deadline=None)
@given(**CASES)
def test_a_refusal_changes_nothing(host: Host, wish: dict[str, t.Any]) -> None:
    host.swarm = host.engine
    before = copy.deepcopy(host)
    _wanted, decided = run(host, wish)
    if decided.refused:
        assert host == before
        assert decided == Plan(
            refused=decided.refused, look_for=decided.look_for, manager=decided.manager, uninstall=decided.uninstall
        )


@settings(max_examples=200, deadline=None)
@given(**CASES)
def test_a_second_run_wants_nothing(host: Host, wish: dict[str, t.Any]) -> None:
    # An engine that is down does not tell by which store it finds the containers; the second look knows more.
    knows_less = bool(host.containers) and not host.engine
    wanted, first = run(host, wish)
    if first.refused or wish.get("docker_upgrade") or knows_less:
        return
    before = copy.deepcopy(host.state())
    second = host.run(wanted)
    assert second.refused == []
    assert host.state() == before
    assert host.restarts == 0
    assert not second.packages.specs or second.versions.waits
    assert second.pending == first.pending


@settings(max_examples=200, deadline=None)
@given(**CASES)
def test_pending_is_said_with_a_variable(host: Host, wish: dict[str, t.Any]) -> None:
    wanted, decided = run(host, wish)
    if decided.refused:
        return
    waits = decided.restart.reasons and wanted.manager != "none"
    assert len(decided.pending) == sum(
        map(bool, (decided.versions.waits, decided.daemon.withheld or decided.drop_ins.withheld, waits))
    ) + (wanted.manager == "none" and bool(host.unapplied()["unapplied"]))
    for sentence in decided.pending:
        assert "docker_" in sentence
        assert "lab01" in sentence
        assert sentence.endswith(".")


@settings(max_examples=200, deadline=None)
@given(**CASES, randomness=st.randoms())
def test_the_order_is_that_of_the_tables(host: Host, wish: dict[str, t.Any], randomness: t.Any) -> None:
    """Not that of a set, nor that in which the host lists its packages."""
    wanted = wants(**wish)
    look = host.look()
    names = list(look.packages)
    randomness.shuffle(names)
    shuffled = Host(**{**host.__dict__, "packages": {name: host.packages[name] for name in names}})
    first = plan(wanted, Seen(before=look, now=look))
    assert plan(wanted, Seen(before=shuffled.look(), now=shuffled.look())) == first
    order = [name for name in wanted.packages if name in {spec.split("=")[0] for spec in first.packages.specs}]
    versioned = [name for name in order if name in wanted.source.versioned]
    plain = [name for name in order if name not in wanted.source.versioned]
    assert [spec.split("=")[0] for spec in first.packages.specs] == plain + versioned
