# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes of IPv4, from /proc/net/route: a header, then a line for each, with addresses as the bytes lie in memory."""

from __future__ import annotations

import ipaddress
import re
import sys
import typing as t

# docker0, docker_gwbridge, and a bridge for each other network, named by the beginning of its id.
_DOCKER = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}")


def parse(text: str) -> t.Iterator[tuple[str, str]]:
    """Network and interface of each route but the default one."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        mask = _address(fields[7])
        if mask != "0.0.0.0":  # noqa: S104 - the mask of the default route, bound to nothing
            yield str(ipaddress.ip_network(f"{_address(fields[1])}/{mask}", strict=False)), fields[0]


def is_of_docker(interface: str) -> bool:
    return _DOCKER.fullmatch(interface) is not None


def _address(field: str) -> str:
    return str(ipaddress.ip_address(int.from_bytes(bytes.fromhex(field), sys.byteorder)))
