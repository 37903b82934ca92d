# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The networks of containers: a pool that the machine routes nowhere else."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.seen import Route
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.wanted import Wanted

Pools = t.List[t.Dict[str, t.Any]]
KEY = "default-address-pools"
# Half of all addresses: a VPN writes two of these in place of a default route.
_SHORTEST_PREFIX = 2


class Choice(t.NamedTuple):
    """What daemon.json gets (None: nothing), why the role is refused, and what the operator should know."""

    pools: Pools | None
    refused: list[str]
    notes: list[str]


def choose(wanted: Wanted, current: Pools | None, routes: t.Sequence[Route]) -> Choice:
    """current: the pools in the host's daemon.json."""
    pools = wanted.variables.address_pools
    if "address_pools" not in wanted.undecided:
        return Choice(pools or None, _refusal(wanted, pools, routes), [])
    # Pools in the file that are none of ours were an operator's decision.
    if current and current not in wanted.pools:
        clash = _clash(current, routes)
        if current == pools:
            return Choice(pools, [], [])
        note = (
            f"{KEY} in daemon.json of {wanted.host} stays {_named(current)}, because docker_address_pools is not set."
        )
        if clash:
            note += f" {_routed(*clash)}: set docker_address_pools to a free network if containers cannot be reached."
        return Choice(None, [], [note])
    candidates = ([current] if current else []) + [pools] + wanted.pools
    free = next((pool for pool in candidates if not _clash(pool, routes)), None)
    if free is None:
        return Choice(None, [_nothing_free(wanted, candidates, routes)], [])
    clash = _clash(pools, routes)
    if not clash:
        return Choice(free, [], [])
    note = (
        f"Containers of {wanted.host} get networks from {_named(free)} instead of docker_address_pools' default "
        f"{_named(pools)}, because {_routed(*clash)}."
    )
    return Choice(free, [], [note])


def hints(wanted: Wanted, said: str, routes: t.Sequence[Route]) -> list[str]:
    """What the engine's last words mean for docker_address_pools."""
    if "non-overlapping IPv4 address pool" not in said:
        return []
    pools = wanted.variables.address_pools
    clash = _clash(pools, routes)
    why = f", and {_routed(*clash)}" if clash else ""
    return [
        f"The engine found no network for containers: docker_address_pools is {_named(pools)}{why}. "
        "Set it to a network that `ip route` does not show."
    ]


def _networks(pools: Pools) -> list[t.Any]:
    found = []
    for pool in pools:
        try:
            found.append(ipaddress.ip_network(pool["base"], strict=False))
        except ValueError:
            # dockerd says what is wrong with it.
            continue
    return found


def _routes(routes: t.Sequence[Route]) -> t.Iterator[tuple[t.Any, Route]]:
    for route in routes:
        network = ipaddress.ip_network(route.network, strict=False)
        if network.prefixlen >= _SHORTEST_PREFIX:
            yield network, route


def _clash(pools: Pools, routes: t.Sequence[Route]) -> tuple[t.Any, Route] | None:
    """The first network of these that overlaps a route."""
    for network in _networks(pools):
        for routed, route in _routes(routes):
            if network.version == routed.version and network.overlaps(routed):
                return network, route
    return None


def _refusal(wanted: Wanted, pools: Pools, routes: t.Sequence[Route]) -> list[str]:
    """The engine passes over the parts that are routed, so only a pool without any other part is of no use."""
    covers = []
    for network in _networks(pools):
        of = [
            route
            for routed, route in _routes(routes)
            if network.version == routed.version and network.subnet_of(routed)
        ]
        if not of:
            return []
        covers.append(_routed(network, of[0]))
    if not covers:
        return []
    return [
        f"docker_address_pools of {wanted.host} has no free network: {'; '.join(covers)}. Docker Engine could make no "
        "network for a container. Set docker_address_pools to a network that `ip route` does not show there."
    ]


def _nothing_free(wanted: Wanted, candidates: list[Pools], routes: t.Sequence[Route]) -> str:
    clashes = [_clash(pool, routes) for pool in candidates]
    said = list(dict.fromkeys(_routed(*clash) for clash in clashes if clash))
    return (
        f"{wanted.host} has no free network for containers among those that the role tries: {'; '.join(said)}. Set "
        "docker_address_pools to one that `ip route` does not show there, such as [{base: 10.99.0.0/16, size: 24}]."
    )


def _routed(network: t.Any, route: Route) -> str:
    return f"{network} overlaps the route {route.network} through {route.interface}"


def _named(pools: Pools) -> str:
    return ", ".join(str(pool.get("base")) for pool in pools) or "Docker's choice"
