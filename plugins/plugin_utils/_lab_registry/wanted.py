# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's variables and tables as typed values."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass

from ansible_collections.gpulab.workstation.plugins.plugin_utils._plan.variables import RoleVariables


@dataclass(frozen=True)
class Variables:
    """Each public variable, without the prefix lab_registry_."""

    host: str
    names: list[str]
    port: int
    push_port: int
    bind_address: str
    storage: str
    state: str
    ca_days: int
    certificate_days: int
    renew_days: int
    restart_hours: int
    keep: int
    clean_schedule: str
    untagged_hours: int
    disk_limit: int
    account: str
    secure_logging: bool


@dataclass(frozen=True)
class File:
    """A file that the role writes."""

    path: str
    group: str
    mode: str
    # The processes that read it when they start.
    read_by: list[str]


@dataclass(frozen=True)
class Wanted:
    """What the role is asked for on one host, whose name in the inventory is `machine`."""

    machine: str
    variables: Variables
    check_mode: bool
    # Seconds since 1970, on the controller.
    now: float
    registries: list[str]
    # The other machines that use the registry.
    others: list[str]
    platform: str
    service_mgr: str
    platforms: list[str]
    packages: list[str]
    units: dict[str, str]
    paths: dict[str, str]
    directories: list[dict[str, str]]
    files: list[File]
    clean_files: list[File]
    password_files: dict[str, list[str]]
    state_files: list[str]

    @property
    def cleans(self) -> bool:
        return bool(self.variables.clean_schedule)

    @property
    def all_files(self) -> list[File]:
        return self.files + (self.clean_files if self.cleans else [])


def read(given: t.Mapping[str, t.Any]) -> tuple[Wanted, list[str]]:
    """Typed values, and a sentence for each variable that has none."""
    variables = RoleVariables(Variables, "lab_registry", given)
    distribution, major = given["distribution"], given["distribution_major_version"]
    version = major if distribution == "Debian" else given["distribution_version"]
    groups = [list(given["groups"][name]) for name in ("registry", "builder", "workstations")]
    wanted = Wanted(
        machine=given["host"],
        variables=variables.record,
        check_mode=given["check_mode"],
        now=given["now"],
        registries=groups[0],
        others=[name for name in dict.fromkeys(itertools.chain(*groups)) if name != given["host"]],
        platform=f"{distribution}-{version}",
        service_mgr=given["service_mgr"],
        platforms=given["platforms"],
        packages=given["packages"],
        units=given["units"],
        paths=given["paths"],
        directories=given["directories"],
        files=[File(**file) for file in given["files"]],
        clean_files=[File(**file) for file in given["clean_files"]],
        password_files=given["password_files"],
        state_files=given["state_files"],
    )
    return wanted, variables.problems
