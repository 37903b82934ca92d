# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules a notebook's network has, and when. That they hold is seen in molecule/hostile."""

from __future__ import annotations

import ipaddress
import itertools
import re
import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import network
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.control import guard
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.engine import Engine
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.network import Guard, guard_for, mark, rules
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.removal import remove
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import Settings, find_account
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.status import status
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.supervisor import Supervisor
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    TOKEN,
    Docker,
    MakeSettings,
    Server,
)
from hypothesis import given
from hypothesis import strategies as st

ADA = Guard(
    table="jupyter-ada",
    bridge="br-0123456789ab",
    subnets=("198.18.3.0/24",),
    owner=1000,
    address="127.0.0.1",
    port=8888,
    closed=("169.254.169.254/32",),
    host_services=True,
)
BRIDGE = {
    "Id": "d" * 64,
    "Driver": "bridge",
    "Options": {},
    "IPAM": {"Config": [{"Subnet": "198.18.3.0/24"}, {"Subnet": "fd00:1::/64"}]},
}


def test_rules_of_a_notebook_on_loopback() -> None:
    assert rules(ADA) == (
        "table inet jupyter-ada\n"
        "delete table inet jupyter-ada\n"
        "table inet jupyter-ada {\n"
        f"    chain {mark(ADA)} {{\n"
        "    }\n"
        "    chain outward {\n"
        "        udp dport 53 accept\n"
        "        tcp dport 53 accept\n"
        "        ip daddr { 169.254.169.254/32 } reject with icmpx type admin-prohibited\n"
        "    }\n"
        "    chain from_users {\n"
        "        ct status dnat accept\n"
        "        ct state new meta skuid != { 0, 1000 } reject with icmpx type admin-prohibited\n"
        "    }\n"
        "    chain inward {\n"
        "        type filter hook prerouting priority -150; policy accept;\n"
        '        iifname "br-0123456789ab" goto outward\n'
        '        iifname != "lo" ip daddr 127.0.0.0/8 drop\n'
        "        ip daddr { 198.18.3.0/24 } ct state { new, invalid, untracked } drop\n"
        "    }\n"
        "    chain from_machine {\n"
        "        type filter hook output priority 0; policy accept;\n"
        '        oifname "br-0123456789ab" goto from_users\n'
        "        tcp sport 8888 ip saddr { 127.0.0.0/8 } tcp flags & (syn | ack) == syn | ack meta skuid != 0 drop\n"
        "        tcp sport 8888 ip6 saddr { ::1/128 } tcp flags & (syn | ack) == syn | ack meta skuid != 0 drop\n"
        "    }\n"
        "}\n"
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"address": "0.0.0.0"}, ["tcp sport 8888 tcp flags"]),  # noqa: S104
        ({"address": "::"}, ["tcp sport 8888 tcp flags"]),
        ({"address": "192.168.7.5", "port": 443}, ["tcp sport 443 ip saddr { 192.168.7.5/32 } tcp flags"]),
        ({"address": "fd00::7"}, ["tcp sport 8888 ip6 saddr { fd00::7/128 } tcp flags"]),
        (
            {"subnets": ("198.18.3.0/24", "fd00:1::/64")},
            ["ip6 daddr { fd00:1::/64 } ct"],
        ),
        (
            {"closed": ("10.1.0.0/16", "10.0.0.0/8", "fd00:ec2::254/128")},
            ["ip daddr { 10.0.0.0/8 } reject", "ip6 daddr { fd00:ec2::254/128 } reject"],
        ),
        ({"host_services": False}, ["type filter hook input", 'iifname "br-0123456789ab" goto to_services']),
    ],
)
def test_rules_of_others(change: dict[str, t.Any], expected: list[str]) -> None:
    for part in expected:
        assert part in rules(ADA._replace(**change))
        assert part not in rules(ADA)


@pytest.mark.parametrize(
    ("change", "bridge"),
    [
        ({}, "br-dddddddddddd"),
        ({"Options": {"com.docker.network.bridge.name": "lab0"}}, "lab0"),
        ({"Options": None}, "br-dddddddddddd"),
    ],
)
def test_network_is_known_by_its_bridge(change: dict[str, t.Any], bridge: str, make_settings: MakeSettings) -> None:
    settings = make_settings(closed_addresses=["10.0.0.7/8"], allow_host_services="false")
    found, problem = guard_for(settings, 1000, ("127.0.0.1", 8888), {**BRIDGE, **change})
    assert problem == ""
    assert found == Guard(
        "jupyter-keras", bridge, ("198.18.3.0/24", "fd00:1::/64"), 1000, "127.0.0.1", 8888, ("10.0.0.0/8",), False
    )


@pytest.mark.parametrize(
    "seen",
    [
        None,
        {},
        {**BRIDGE, "Driver": "macvlan"},
        {**BRIDGE, "IPAM": {"Config": None}},
        {**BRIDGE, "Options": {"com.docker.network.bridge.name": 'x" accept'}},
        {**BRIDGE, "Options": {"com.docker.network.bridge.name": "br-*"}},
    ],
)
def test_network_of_another_kind_is_named(seen: dict[str, t.Any] | None, make_settings: MakeSettings) -> None:
    found, problem = guard_for(make_settings(), 1000, ("127.0.0.1", 8888), seen)
    assert found is None
    assert "no bridge of Docker's" in problem


networks = st.one_of(st.ip_addresses(network="10.0.0.0/8"), st.ip_addresses(network="fd00::/16")).flatmap(
    lambda one: st.integers(1, one.max_prefixlen).map(lambda bits: str(ipaddress.ip_network(f"{one}/{bits}", False)))
)
guards = st.builds(
    Guard,
    table=st.just("jupyter-ada"),
    bridge=st.sampled_from(["br-0123456789ab", "lab0"]),
    subnets=st.lists(networks, min_size=1, max_size=3).map(tuple),
    owner=st.integers(0, 70000),
    address=st.sampled_from(["127.0.0.1", "::1", "0.0.0.0", "::", "192.168.7.5", "fd00::7"]),  # noqa: S104
    port=st.integers(1, 65535),
    closed=st.lists(networks, max_size=5).map(tuple),
    host_services=st.booleans(),
)


def chain(guard: Guard, name: str) -> list[str]:
    found = re.search(rf"    chain {name} {{\n(.*?)    }}\n", rules(guard), re.S)
    return [rule.strip() for rule in found.group(1).splitlines()] if found else []


@given(guards)
def test_what_nothing_closes_is_open(guard: Guard) -> None:
    """To other machines and their names, and from root: whatever else is asked for."""
    assert rules(guard).count("policy accept") == (2 if guard.host_services else 3)
    assert "policy drop" not in rules(guard)
    for rule in chain(guard, "outward"):
        assert "accept" in rule or re.fullmatch(r"ip6? daddr { .* } reject .*", rule), (
            "only closed addresses are refused"
        )
    assert any("daddr" in rule for rule in chain(guard, "outward")) == bool(guard.closed)
    assert bool(chain(guard, "to_services")) == (not guard.host_services)
    for rule in rules(guard).splitlines():
        if "skuid" in rule:
            assert re.search(r"skuid != (0|{ 0[, ].*}) ", rule), "root's packets pass"


@given(guards)
def test_nothing_of_a_notebook_meets_the_rules_for_others(guard: Guard) -> None:
    assert chain(guard, "inward")[1] == f'iifname "{guard.bridge}" goto outward'
    assert chain(guard, "from_machine")[1] == f'oifname "{guard.bridge}" goto from_users'
    for name in ("inward", "from_machine"):
        assert not any(guard.bridge in rule for rule in chain(guard, name)[2:])


@given(guards)
def test_names_are_resolved_before_anything_is_refused(guard: Guard) -> None:
    for name in ("outward", "to_services"):
        found = chain(guard, name)
        refusals = [number for number, rule in enumerate(found) if "reject" in rule]
        if refusals:
            assert found.index("udp dport 53 accept") < min(refusals)
            assert found.index("tcp dport 53 accept") < min(refusals)


@given(guards)
def test_sets_have_no_two_members_that_overlap(guard: Guard) -> None:
    """nft refuses the whole table otherwise."""
    for members in re.findall(r"addr { (.*?) }", rules(guard)):
        parsed = [ipaddress.ip_network(one) for one in members.split(", ")]
        for one, other in itertools.combinations(parsed, 2):
            assert not one.overlaps(other), members


@given(guards, guards)
def test_same_mark_means_same_rules(one: Guard, other: Guard) -> None:
    assert (mark(one) == mark(other)) == (rules(one) == rules(other))
    shuffled = one._replace(closed=one.closed[::-1] + one.closed, subnets=one.subnets[::-1])
    assert rules(shuffled) == rules(one)


@pytest.fixture
def settings(docker: Docker, server: Server, make_settings: MakeSettings) -> Settings:
    """One that runs, and whose network has no rules."""
    made = make_settings(port=server.port)
    made.token_file.write_text(TOKEN)
    docker.put_container(made)
    return made


def test_network_is_closed_before_the_container_is_there(
    docker: Docker, server: Server, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_settings(port=server.port, closed_addresses=["169.254.169.254"])
    seen = []
    call = Engine.call

    def watch(engine: Engine, *arguments: str, **options: t.Any) -> str:
        if arguments[0] == "run":
            seen.append(docker.rules)
        return call(engine, *arguments, **options)

    monkeypatch.setattr(Engine, "call", watch)
    supervisor = Supervisor(made, Engine())
    supervisor.start(supervisor.wanted())
    (at_the_start,) = seen
    assert f"tcp sport {server.port} " in at_the_start
    assert 'oifname "br-dddddddddddd" goto from_users' in at_the_start
    assert "169.254.169.254" in at_the_start
    # By what the container says then, the same.
    assert status("keras")["unguarded"] == ""
    make_settings(port=server.port, allow_host_services=False)
    assert "a run of the role puts them back" in status("keras")["unguarded"]


def test_container_of_an_earlier_version_gets_the_rules_of_now(
    docker: Docker, server: Server, make_settings: MakeSettings
) -> None:
    earlier = make_settings(port=server.port)
    supervisor = Supervisor(make_settings(port=1, closed_addresses=["10.0.0.0/8"]), Engine())
    supervisor.start(supervisor.wanted()._replace(settings=earlier))
    assert "10.0.0.0/8" in docker.rules
    assert f"tcp sport {server.port} " in docker.rules


def test_running_notebook_gets_its_rules_and_goes_on(
    settings: Settings, docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Instance keras is open to the machine's neighbors" in status("keras")["unguarded"]
    before = docker.container()
    guard("keras")
    assert "is closed" in capsys.readouterr().out
    assert status("keras")["unguarded"] == ""
    assert docker.container() == before
    # As a firewall does that empties all tables.
    (docker.directory / "rules").unlink()
    assert "its rules are not there" in status("keras")["unguarded"]


@pytest.mark.parametrize("problem", ["refused", "missing"])
def test_notebook_without_rules_starts_and_says_so(
    problem: str,
    docker: Docker,
    server: Server,
    make_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = make_settings(port=server.port)
    said = "nft refuses its rules (Error: Operation not supported)"
    (docker.directory / "refusal").write_text("Error: Operation not supported\n")
    if problem == "missing":
        said = "install the package nftables"
        (docker.directory / "nft").unlink()
        # Of nothing but what the machine of the tests must have.
        (docker.directory / "python3").symlink_to("/usr/bin/env")
        for program in ("cat", "sh"):
            (docker.directory / program).symlink_to(f"/bin/{program}")
        monkeypatch.setenv("PATH", str(docker.directory))
    supervisor = Supervisor(made, Engine())
    supervisor.start(supervisor.wanted())
    assert said in capsys.readouterr().out
    assert docker.container()["State"]["Running"]
    found = status("keras")
    assert found["version"] == "2.21.0"
    assert said in found["unguarded"]


def test_port_is_given_back(settings: Settings, docker: Docker, capsys: pytest.CaptureFixture[str]) -> None:
    """By an instance that is out of service, and by one that is removed."""
    guard("keras")
    assert docker.rules
    docker.end(0)
    guard("keras")
    assert "Its next start makes the rules" in capsys.readouterr().out
    assert docker.rules, "while it is down, nobody else is to answer in its place"
    docker.unit.write_text("ActiveState=inactive\nUnitFileState=disabled\n")
    guard("keras")
    assert docker.rules == ""
    (docker.directory / "rules").write_text("chain")
    remove("keras", force=True)
    assert docker.rules == ""


def test_owner_is_the_user_of_the_container(settings: Settings, docker: Docker) -> None:
    container = docker.container()
    assert network.owner_of(container) == 0
    container["Config"]["User"] = "4321:100"
    assert network.owner_of(container) == 4321
    docker.change(container)
    guard("keras")
    assert "skuid != { 0, 4321 }" in docker.rules
    assert find_account(settings.user).uid != 4321
