# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the looks at the controller and at the host returned, as typed records."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass, field

from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry import certificates
from ansible_collections.gpulab.workstation.plugins.plugin_utils._plan.variables import made, select


@dataclass(frozen=True)
class Controller:
    """The directory lab_registry_state."""

    # Of the role's files there, those that exist.
    there: list[str] = field(default_factory=list)
    has_ca_key: bool = False
    ca: certificates.Certificate | None = None
    certificate: certificates.Certificate | None = None
    # Keys of authorities that a run on this controller began to replace.
    replaced: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class File:
    exists: bool = False
    sha256: str = ""
    mode: str = ""
    group: str = ""
    written: float = 0.0


@dataclass(frozen=True)
class Unit:
    active: bool = False
    enabled: bool = False
    needs_reload: bool = False
    started: float = 0.0
    result: str = ""


@dataclass(frozen=True)
class Port:
    listening: bool = False
    clients: int = 0


@dataclass(frozen=True)
class Answer:
    port: int
    account: str
    method: str
    expected: int
    status: int
    problem: str
    good: bool


@dataclass(frozen=True)
class Look:
    """A result of lab_registry_info."""

    packages: list[str] = field(default_factory=list)
    files: dict[str, File] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    passwords: dict[str, list[str]] = field(default_factory=dict)
    ports: dict[int, Port] = field(default_factory=dict)
    percent: int = 0
    free: int = 0
    answers: list[Answer] = field(default_factory=list)
    # The certificate that the registry has.
    served: certificates.Certificate | None = None
    # The host's clock, in seconds since 1970.
    now: float = 0.0

    def file(self, path: str) -> File:
        return self.files.get(path, File())

    def unit(self, name: str) -> Unit:
        return self.units.get(name, Unit())

    def port(self, number: int) -> Port:
        return self.ports.get(number, Port())


@dataclass(frozen=True)
class Seen:
    controller: Controller = Controller()
    looked: bool = False
    look: Look = Look()
    # SHA-256 of each file's content, by its path.
    contents: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, given: t.Mapping[str, t.Any]) -> Seen:
        state = given["controller"]
        look = made(given, "look")
        return cls(
            controller=Controller(
                there=[name for name, exists in state["there"].items() if exists],
                has_ca_key=state["has_ca_key"],
                ca=certificates.read(state["ca"]),
                certificate=certificates.read(state["certificate"]),
                replaced=state["replaced"].split(),
            ),
            looked=bool(look),
            look=_look(look) if look else Look(),
            contents={
                path: hashlib.sha256(text.encode()).hexdigest() for path, text in given.get("contents", {}).items()
            },
        )


def _look(result: t.Mapping[str, t.Any]) -> Look:
    return Look(
        packages=list(result["packages"]),
        files={path: select(File, file) for path, file in result["files"].items()},
        units={name: select(Unit, unit) for name, unit in result["units"].items()},
        passwords={path: list(names) for path, names in result["passwords"].items()},
        ports={int(number): select(Port, port) for number, port in result["ports"].items()},
        percent=result["space"]["percent"],
        free=result["space"]["free"],
        answers=[select(Answer, answer) for answer in result["answers"]],
        served=certificates.read("".join(result["texts"].values())),
        now=result["now"],
    )
