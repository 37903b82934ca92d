# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who reaches a notebook, and where it gets to, besides Docker's own rules: one table of nftables for each instance.

A table of our own, because a packet that it drops stays dropped, whatever Docker, ufw or firewalld accept in theirs:
no order between them matters, and none of them empties it. One for each instance, because two that start at once then
share nothing. nft puts the whole table in the place of an older one in a single step, for IPv4 and IPv6.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import typing as t

from .._untrusted import child
from .._untrusted.shape import line
from .container import published
from .engine import Engine
from .settings import ANYWHERE, Settings

# Seconds for nft, which waits for others that change rules.
SECONDS = 20.0
# A name of an interface that nft takes for nothing but that.
INTERFACE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
# Whoever asks learns at once that it is closed, and does not wait for an answer.
REFUSE = "reject with icmpx type admin-prohibited"
NO_NFT = "this machine has no program nft; install the package nftables"
HOOK = "type filter hook"
# Where packets still have the addresses that their sender gave them, and are known to belong to a connection.
BEFORE_NAT = f"{HOOK} prerouting priority -150; policy accept;"
DNS = ("udp dport 53 accept", "tcp dport 53 accept")


class Guard(t.NamedTuple):
    """What the rules of one instance follow from."""

    table: str
    bridge: str
    subnets: tuple[str, ...]
    # The UID of its user, who may reach all ports in their own container.
    owner: int
    address: str
    port: int
    # Addresses and networks that it does not reach, except for DNS.
    closed: tuple[str, ...]
    # Whether it reaches what listens on all addresses of its machine.
    host_services: bool


def by_family(networks: t.Iterable[str]) -> list[tuple[str, str]]:
    """As nft writes them: `ip` or `ip6`, and a set of them. It refuses one that is a part of another."""
    parsed = [ipaddress.ip_network(one, strict=False) for one in networks]
    four = [one for one in parsed if isinstance(one, ipaddress.IPv4Network)]
    six = [one for one in parsed if isinstance(one, ipaddress.IPv6Network)]
    found = []
    for family, members in (("ip", ipaddress.collapse_addresses(four)), ("ip6", ipaddress.collapse_addresses(six))):
        shown = ", ".join(str(one) for one in members)
        if shown:
            found.append((family, f"{{ {shown} }}"))
    return found


def own_addresses(address: str) -> list[str]:
    """Conditions on who answers, for a port that is published there."""
    if address in ANYWHERE:
        return [""]
    # Who is told to go to localhost may be sent to either.
    of_port = ["127.0.0.0/8", "::1"] if ipaddress.ip_address(address).is_loopback else [address]
    return [f"{family} saddr {members} " for family, members in by_family(of_port)]


def inward(guard: Guard) -> t.Iterator[str]:
    """A route to the container's address, or a packet to 127.0.0.1, gets by Engine before 28."""
    yield f'iifname "{guard.bridge}" goto outward'
    yield 'iifname != "lo" ip daddr 127.0.0.0/8 drop'
    for family, subnets in by_family(guard.subnets):
        yield f"{family} daddr {subnets} ct state {{ new, invalid, untracked }} drop"


def outward(guard: Guard) -> t.Iterator[str]:
    # In some clouds, the address that has the metadata is also the one that resolves names.
    yield from DNS
    for family, closed in by_family(guard.closed):
        yield f"{family} daddr {closed} {REFUSE}"


def from_machine(guard: Guard) -> t.Iterator[str]:
    """Docker's own proxy runs as root, and so do our looks at the server."""
    yield f'oifname "{guard.bridge}" goto from_users'
    # The answer to a connection's first packet. Without it, no browser sends its token to somebody else's server.
    for condition in own_addresses(guard.address):
        yield f"tcp sport {guard.port} {condition}tcp flags & (syn | ack) == syn | ack meta skuid != 0 drop"


def from_users(guard: Guard) -> t.Iterator[str]:
    # On their way to a published port, in engines that do without a proxy.
    yield "ct status dnat accept"
    let_in = ", ".join(str(uid) for uid in sorted({0, guard.owner}))
    yield f"ct state new meta skuid != {{ {let_in} }} {REFUSE}"


def to_services(_guard: Guard) -> t.Iterator[str]:
    yield "ct state { established, related } accept"
    yield from DNS
    # Neighbor discovery, too.
    yield "meta l4proto { icmp, ipv6-icmp } accept"
    yield REFUSE


def chains(guard: Guard) -> str:
    """Each begins with the bridge: what is none of a notebook's traffic is to pass few rules of each."""
    parts: dict[str, t.Iterable[str]] = {
        "outward": outward(guard),
        "from_users": from_users(guard),
        "inward": [BEFORE_NAT, *inward(guard)],
        "from_machine": [f"{HOOK} output priority 0; policy accept;", *from_machine(guard)],
    }
    if not guard.host_services:
        parts["to_services"] = to_services(guard)
        to_host = f'iifname "{guard.bridge}" goto to_services'
        parts["to_host"] = [f"{HOOK} input priority 0; policy accept;", to_host]
    return "".join(
        f"    chain {name} {{\n" + "".join(f"        {rule}\n" for rule in found) + "    }\n"
        for name, found in parts.items()
    )


def mark(guard: Guard) -> str:
    """The name of a chain without rules: nft shows rules otherwise than they were written, and names as they are."""
    return f"made_of_{hashlib.sha256(chains(guard).encode()).hexdigest()[:12]}"


def removal(table: str) -> str:
    """Works, too, where there is none."""
    return f"table inet {table}\ndelete table inet {table}\n"


def rules(guard: Guard) -> str:
    return f"{removal(guard.table)}table inet {guard.table} {{\n    chain {mark(guard)} {{\n    }}\n{chains(guard)}}}\n"


def guard_for(
    settings: Settings, owner: int, published_at: tuple[str, int], network: dict[str, t.Any] | None
) -> tuple[Guard | None, str]:
    """What is to be guarded, or why it cannot be: by what the engine says of the network."""
    network = network or {}
    options = network.get("Options") or {}
    bridge = options.get("com.docker.network.bridge.name") or f"br-{str(network.get('Id', ''))[:12]}"
    configs = (network.get("IPAM") or {}).get("Config") or []
    subnets = tuple(str(config["Subnet"]) for config in configs if config.get("Subnet"))
    if network.get("Driver") != "bridge" or not subnets or not INTERFACE.fullmatch(bridge):
        return (
            None,
            f"its network {settings.container} is no bridge of Docker's; remove it, and the next start makes one",
        )
    return (
        Guard(
            table=settings.container,
            bridge=bridge,
            subnets=subnets,
            owner=owner,
            address=published_at[0],
            port=published_at[1],
            closed=settings.closed_addresses,
            host_services=settings.allow_host_services,
        ),
        "",
    )


def owner_of(container: dict[str, t.Any]) -> int:
    """The user whom it runs as, who may not be the one of its settings any more. Root, where it does not say."""
    uid = str(container["Config"].get("User") or "").partition(":")[0]
    return int(uid) if uid.isdecimal() else 0


def nft(*arguments: str) -> str:
    """Why it failed; empty where it did not."""
    try:
        done = child.run(["nft", *arguments], SECONDS)
    except OSError:
        return NO_NFT
    if done.code is None:
        return f"nft did not end within {SECONDS:g} seconds"
    return "" if done.code == 0 else f"nft refuses its rules ({line(done.err.strip(), 300)})"


def put_up(guard: Guard | None, problem: str) -> str:
    """Why it is open still; empty where it is not."""
    return problem if guard is None else nft(rules(guard))


def take_down(table: str) -> None:
    """Where nft cannot do that, there is nothing."""
    nft(removal(table))


def why_open(guard: Guard | None, problem: str) -> str:
    """Asks only. Empty where the very rules are there."""
    if guard is None or not nft("list", "chain", "inet", guard.table, mark(guard)):
        return problem
    return nft("--check", rules(guard)) or "its rules are not there; a run of the role puts them back"


def sentence(name: str, why: str) -> str:
    return why and (
        f"Instance {name} is open to the machine's neighbors and other users, as far as its token lets them, because "
        f"{why}."
    )


def before_start(settings: Settings, owner: int, engine: Engine) -> str:
    """Closes the network before its container is there. Says so where it stays open."""
    network = engine.inspect("network", settings.container)
    published_at = settings.bind_address, settings.port
    return sentence(settings.name, put_up(*guard_for(settings, owner, published_at, network)))


def of_running(
    settings: Settings,
    container: dict[str, t.Any],
    engine: Engine,
    act: t.Callable[[Guard | None, str], str],
) -> str:
    """The same, or a look only, by what the container publishes, which may not be configured any more."""
    network = engine.inspect("network", settings.container)
    return sentence(settings.name, act(*guard_for(settings, owner_of(container), published(container), network)))
