# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One instance, as configured, and the user whom it runs as."""

from __future__ import annotations

import ipaddress
import os
import pwd
import re
import typing as t
from pathlib import Path

from .._untrusted import files, shape
from . import gpus, layout
from .errors import OperatorError

# Bytes of a settings.json at most.
SETTINGS = 2**20
# With more digits, it is no size of anything, and Python refuses to read it.
SIZE = re.compile(r"([0-9]{1,20})([bkmg%]?)", re.I)
# Addresses that stand for all of the machine's, and how the machine itself reaches them.
ANYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
TRUE, FALSE = {"true", "yes", "on", "1", "y", "t", "1.0"}, {"false", "no", "off", "0", "n", "f", "0.0"}
UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}


class Account(t.NamedTuple):
    name: str
    uid: int
    gid: int
    home: str


class Settings(t.NamedTuple):
    """One instance, as in settings.json: an element of jupyter_instances with its defaults filled in."""

    name: str
    enabled: bool
    image: str
    user: str
    bind_address: str
    port: int
    workdir: str
    home: str
    memory: str
    cpus: float
    shm_size: str
    pids_limit: int
    environment: dict[str, str]
    start_timeout: int
    stop_timeout: int
    idle_minutes: int
    # These have defaults, because settings.json of 0.1.0 does not have them.
    tls: str = "none"
    tls_certificate: str = ""
    tls_private_key: str = ""
    cull_idle_minutes: int = 0
    gpus: tuple[str, ...] = ()
    gpu_method: str = "auto"
    closed_addresses: tuple[str, ...] = ()
    allow_host_services: bool = True

    @classmethod
    def parse(cls, raw: dict[str, t.Any]) -> Settings:
        return cls(**{key: converted(key, value) for key, value in raw.items()})

    def in_network_of(self, present: Settings) -> Settings:
        """An earlier version of it, with what its network lets through now."""
        return self._replace(closed_addresses=present.closed_addresses, allow_host_services=present.allow_host_services)

    @property
    def container(self) -> str:
        return f"jupyter-{self.name}"

    @property
    def unit(self) -> str:
        return f"jupyter-{self.name}.service"

    @property
    def is_local(self) -> bool:
        """Whether only this machine itself reaches it."""
        return ipaddress.ip_address(self.bind_address).is_loopback

    @property
    def token_file(self) -> Path:
        return layout.CONFIG / self.name / "token"

    @property
    def certificate_file(self) -> Path:
        return layout.CONFIG / self.name / f"{self.tls}_certificate.pem"

    @property
    def private_key_file(self) -> Path:
        return layout.CONFIG / self.name / f"{self.tls}_private_key.pem"

    @property
    def state(self) -> Path:
        return layout.STATE / self.name

    def directories(self, account: Account) -> dict[str, str]:
        """On this machine. `~` is the home of the instance's user, not of root."""
        paths = {"workdir": self.workdir, "home": self.home or str(self.state / "home")}
        return {
            key: account.home + path[1:] if path == "~" or path.startswith("~/") else path
            for key, path in paths.items()
        }


def converted(key: str, value: t.Any) -> t.Any:
    """ValueError has a sentence for the operator."""
    kind, wanted = KINDS.get(key, (str, "text"))
    try:
        return kind(value)
    except (ValueError, TypeError, AttributeError, OverflowError):
        shown = "empty" if value is None else shape.line(str(value), 80)
        raise ValueError(f"its `{key}` is {shown}, and should be {wanted}") from None


def as_bool(value: t.Any) -> bool:
    """As Ansible's own `bool`, which the supervisor cannot import."""
    said = str(value).strip().lower()
    if said not in TRUE | FALSE:
        raise ValueError
    return said in TRUE


def as_whole(value: t.Any) -> int:
    """Also of text, and of 12.0, but never of a part."""
    found = int(value)
    if isinstance(value, float) and found != value:
        raise ValueError
    return found


def as_networks(value: t.Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise TypeError
    return tuple(str(ipaddress.ip_network(str(one), strict=False)) for one in value)


NUMBERS = ("port", "pids_limit", "start_timeout", "stop_timeout", "idle_minutes", "cull_idle_minutes")
# What an instance's keys are made, and what that is. Values that came through an inventory may be text.
KINDS: dict[str, tuple[t.Callable[[t.Any], t.Any], str]] = {
    "enabled": (as_bool, "true or false"),
    "cpus": (float, "a number"),
    "gpus": (gpus.parse, "auto, all, none or a list"),
    "closed_addresses": (as_networks, "a list of IP addresses and networks, like [169.254.169.254, 10.0.0.0/8]"),
    "allow_host_services": (as_bool, "true or false"),
    "environment": (
        lambda values: {str(key): str(value) for key, value in values.items()},
        "names with their values, like {KERAS_BACKEND: jax}",
    ),
    **dict.fromkeys(NUMBERS, (as_whole, "a whole number")),
}


def configured() -> list[str]:
    """The names of the instances that runs made on this machine, sorted."""
    return sorted(path.parent.name for path in layout.CONFIG.glob("*/settings.json"))


def load_settings(name: str) -> Settings:
    path = layout.CONFIG / name / "settings.json"
    try:
        return Settings.parse(shape.decoded_object(files.read(path, SETTINGS)))
    except FileNotFoundError:
        raise OperatorError(f"{path} is missing: add an instance {name} to jupyter_instances.") from None
    except (OSError, ValueError, TypeError) as error:
        raise OperatorError(f"{path} cannot be used ({error}). Run the role jupyter again, which writes it.") from error


def find_account(user: str) -> Account:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise OperatorError(
            f"This machine has no user {user}: create it, or name another as `user` of the instance."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def total_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def in_bytes(size: str, total: int) -> int:
    match = SIZE.fullmatch(size)
    if match is None:
        raise OperatorError(f"{size} is no size; write 16g or 512m, or a share of the machine's memory like 75%")
    number, unit = int(match.group(1)), match.group(2).lower()
    return total * number // 100 if unit == "%" else number * UNITS[unit]


def host_and_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def url_of(scheme: str, address: str, port: int) -> str:
    """Where this machine itself reaches what is published there."""
    return f"{scheme}://{host_and_port(ANYWHERE.get(address, address), port)}"
