# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Field case 04, and its kind: a pool that the machine routes somewhere else."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.address_pools import choose
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.seen import Route
from ansible_collections.gpulab.workstation.tests.unit.plugins.plugin_utils._docker.host import POOL, TABLES, wants

POOLS = TABLES["__docker_address_pools"]
FAKE = Route("198.18.0.0/16", "Meta")
LAN = Route("192.0.2.0/24", "eth0")
OWN = [{"base": "10.9.0.0/16", "size": 24}]


@pytest.mark.parametrize(
    ("current", "routes", "chosen"),
    [
        (None, [], POOL),
        (None, [LAN], POOL),
        (None, [FAKE, LAN], POOLS[1]),
        # A TUN proxy may route a part of its range only.
        (None, [Route("198.18.0.0/30", "tun0")], POOLS[1]),
        (None, [Route("198.18.0.0/15", "utun")], POOLS[2]),
        # A provisioned machine, on which the proxy was installed later, and one on which it has gone again.
        (POOL, [FAKE], POOLS[1]),
        (POOLS[1], [], POOLS[1]),
        # A VPN in place of the default route.
        (None, [Route("0.0.0.0/1", "tun0"), Route("128.0.0.0/1", "tun0")], POOL),
    ],
)
def test_the_default_gives_way(current: t.Any, routes: list[Route], chosen: t.Any) -> None:
    choice = choose(wants(), current, routes)
    assert choice.pools == chosen
    assert choice.refused == []
    assert bool(choice.notes) == (FAKE in routes or any(route.network.startswith("198") for route in routes))


def test_another_pool_is_said_with_variable_and_route() -> None:
    assert choose(wants(), None, [FAKE]).notes == [
        "Containers of lab01 get networks from 198.19.0.0/16 instead of docker_address_pools' default 198.18.0.0/16, "
        "because 198.18.0.0/16 overlaps the route 198.18.0.0/16 through Meta."
    ]


def test_no_pool_is_free() -> None:
    routes = [Route(pool[0]["base"], "campus") for pool in POOLS]
    choice = choose(wants(), None, routes)
    assert choice.pools is None
    assert choice.refused[0].startswith("lab01 has no free network for containers among those that the role tries: ")
    assert "docker_address_pools" in choice.refused[0]
    for pool in POOLS:
        assert f"the route {pool[0]['base']} through campus" in choice.refused[0]


def test_the_operators_pool_in_the_file_stays() -> None:
    choice = choose(wants(), OWN, [])
    assert choice.pools is None
    assert choice.notes == [
        "default-address-pools in daemon.json of lab01 stays 10.9.0.0/16, because docker_address_pools is not set."
    ]
    assert "overlaps the route 10.0.0.0/8 through vpn" in choose(wants(), OWN, [Route("10.0.0.0/8", "vpn")]).notes[0]


def test_a_set_pool_is_taken_or_refused() -> None:
    wanted = wants(docker_address_pools=OWN)
    assert choose(wanted, POOL, [FAKE]) == (OWN, [], [])
    # Docker passes over the networks that are routed.
    assert choose(wanted, POOL, [Route("10.9.8.0/24", "eth1")]) == (OWN, [], [])
    (sentence,) = choose(wanted, POOL, [Route("10.0.0.0/8", "vpn")]).refused
    assert sentence.startswith(
        "docker_address_pools of lab01 has no free network: 10.9.0.0/16 overlaps the route 10.0.0.0/8 through vpn."
    )


def test_dockers_own_choice() -> None:
    assert choose(wants(docker_address_pools=[]), None, [FAKE]) == (None, [], [])


def test_a_pool_that_is_no_network_is_left_to_dockerd() -> None:
    odd = [{"base": "10.9.0.0/99", "size": 24}]
    assert choose(wants(docker_address_pools=odd), None, [FAKE]) == (odd, [], [])
