# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's variables as typed values. An INI inventory and -e KEY=VALUE make text of everything."""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass

from ansible.module_utils.common.validation import check_type_dict, check_type_int
from ansible_collections.gpulab.workstation.plugins.plugin_utils._plan.variables import (
    Config,
    Kind,
    RoleVariables,
    a_list,
)


@dataclass(frozen=True)
class Variables:
    """Each public variable, without the prefix docker_."""

    source: str
    repository_url: str
    repository_replaces: list[str]
    repository_suite: str
    repository_components: list[str]
    repository_architectures: list[str]
    repository_key_url: str
    repository_key_fingerprint: str
    repository_key: str
    version: str
    hold: bool
    upgrade: bool
    extra_packages: list[str]
    allow_engine_replacement: bool
    allow_stopping_containers: bool
    restart: str
    service_manager: str
    users: list[str]
    live_restore: bool
    log_driver: str
    log_options: dict[str, str]
    address_pools: list[dict[str, t.Any]]
    nofile_soft: int
    nofile_hard: int
    data_root: str
    containerd_root: str
    registry_mirrors: list[str]
    http_proxy: str
    https_proxy: str
    no_proxy: str
    daemon_settings: Config
    daemon_absent: list[list[str]]
    ca_certificates: list[str]
    registry_certificates: dict[str, str]
    prune: bool
    prune_age: str
    prune_schedule: str
    uninstall_force: bool
    uninstall_data: bool
    secure_logging: bool


@dataclass(frozen=True)
class Source:
    """One kind of packages, from vars/main.yml."""

    engine: str
    versioned: list[str]
    epoch: str
    packages: list[str]
    conflicts: list[str]


@dataclass(frozen=True)
class Wanted:
    """What the role is asked for on one host."""

    host: str
    variables: Variables
    # Names of the variables whose value is the default: the operator has not decided about them.
    undecided: frozenset[str]
    platform: str
    distribution: str
    release: str
    first_process: str
    sources: dict[str, Source]
    platforms: list[str]
    paths: dict[str, str]
    pools: list[list[dict[str, t.Any]]]
    containerd_drop_in: str
    check_mode: bool = False

    @property
    def source(self) -> Source:
        return self.sources[self.variables.source]

    @property
    def other_source(self) -> str:
        return "distribution" if self.variables.source == "upstream" else "upstream"

    @property
    def manager(self) -> str:
        given = self.variables.service_manager
        return self.first_process if given == "auto" else given

    @property
    def packages(self) -> list[str]:
        return self.source.packages + self.variables.extra_packages


def read(given: t.Mapping[str, t.Any]) -> tuple[Wanted, list[str]]:
    """Typed values, and a sentence for each variable that has none; those count as their default."""
    variables = RoleVariables(Variables, "docker", given, {"list[dict[str, t.Any]]": POOLS})
    distribution, version = given["distribution"], given["distribution_version"]
    major = given["distribution_major_version"]
    platform = f"{distribution}-{major if distribution == 'Debian' else version}"
    sources = {name: Source(**table) for name, table in given["sources"].items()}
    sources["distribution"] = dataclasses.replace(
        sources["distribution"], packages=given["distribution_packages"].get(platform, [])
    )
    wanted = Wanted(
        host=given["host"],
        variables=variables.record,
        undecided=variables.undecided,
        platform=platform,
        distribution=distribution,
        release=given["distribution_release"],
        first_process=given["service_mgr"],
        sources=sources,
        platforms=list(given["distribution_packages"]),
        paths=given["paths"],
        pools=given["address_pools"],
        containerd_drop_in=given["containerd_drop_in"],
        check_mode=given["check_mode"],
    )
    return wanted, variables.problems


def _pools(value: t.Any) -> list[dict[str, t.Any]]:
    return [{**check_type_dict(pool), "size": check_type_int(check_type_dict(pool)["size"])} for pool in a_list(value)]


POOLS = Kind("a list of dictionaries with base and size", _pools, [])
