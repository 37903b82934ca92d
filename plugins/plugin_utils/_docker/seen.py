# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the looks at the host returned, as typed records. A look that has not been made is empty."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.gpulab.workstation.plugins.plugin_utils._plan.variables import made, select

KeyPath = t.Tuple[str, ...]


@dataclass(frozen=True)
class Package:
    version: str
    held: bool = False

    @property
    def upstream_version(self) -> str:
        """Without apt's epoch."""
        return re.sub("^[0-9]+:", "", self.version)


@dataclass(frozen=True)
class File:
    exists: bool = False
    sha256: str = ""
    newer_than_engine: bool = False


@dataclass(frozen=True)
class Engine:
    running: bool = False
    answers: bool = False
    problem: str = ""
    pid: int = 0
    version: str = ""
    outdated: bool = False
    live_restore: bool = False
    swarm: bool = False
    # None where the engine did not say.
    containerd_snapshotter: bool | None = None
    data_root: str = ""


@dataclass(frozen=True)
class Containers:
    running: int = 0
    names: list[str] = field(default_factory=list)
    kept: int = 0
    volumes: int = 0


@dataclass(frozen=True)
class Route:
    network: str
    interface: str


@dataclass(frozen=True)
class Look:
    """A result of docker_engine_info."""

    architecture: str = ""
    packages: dict[str, Package] = field(default_factory=dict)
    snap: str | None = None
    unpackaged: list[str] = field(default_factory=list)
    enabled: bool = False
    engine: Engine = Engine()
    containers: Containers = Containers()
    group_exists: bool = False
    members: list[str] = field(default_factory=list)
    missing_users: list[str] = field(default_factory=list)
    files: dict[str, File] = field(default_factory=dict)
    settings: dict[str, t.Any] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)
    highest_open_files: int = 1048576

    def file(self, path: str) -> File:
        return self.files.get(path, File())

    @classmethod
    def of(cls, result: t.Mapping[str, t.Any]) -> Look:
        group = result.get("group", {})
        return cls(
            architecture=result.get("architecture", ""),
            packages={
                name: Package(package["version"], package["held"])
                for name, package in result.get("packages", {}).items()
            },
            snap=result.get("snap"),
            unpackaged=list(result.get("unpackaged", [])),
            enabled=result.get("enabled", False),
            engine=select(Engine, result.get("engine", {})),
            containers=select(Containers, result.get("containers", {})),
            group_exists=group.get("exists", False),
            members=list(group.get("members", [])),
            missing_users=list(result.get("missing_users", [])),
            files={path: select(File, file) for path, file in result.get("files", {}).items()},
            settings=dict(result.get("settings", {})),
            routes=[Route(**route) for route in result.get("routes", [])],
            highest_open_files=result.get("highest_open_files", 1048576),
        )


@dataclass(frozen=True)
class Unapplied:
    """A key of daemon.json that the engine has not taken yet."""

    key: KeyPath
    requires: str


@dataclass(frozen=True)
class Seen:
    # Before the role changed anything.
    before: Look = Look()
    # The last look.
    now: Look = Look()
    looked_again: bool = False
    # Of docker_daemon_config in check mode: the key paths that would change.
    foreseen: list[KeyPath] = field(default_factory=list)
    unapplied: list[Unapplied] = field(default_factory=list)
    requires: str = "none"
    # What apt would install.
    candidate: str = ""
    removed_drop_ins: list[str] = field(default_factory=list)
    # What another role asked a restart for, and the engine's process at that time.
    asked: list[str] = field(default_factory=list)
    asked_pid: int = -1
    # The texts of certificates by their path on the controller; None for a file that is not there.
    certificates: dict[str, str | None] = field(default_factory=dict)
    search_path: str = ""
    # The engine's last words.
    journal: str = ""
    # Where the daemon.json is that the engine did not start with, and the engine with the one before.
    refused_file: str = ""
    rolled_back: Engine = Engine()
    orphans_before: list[str] = field(default_factory=list)
    orphans_now: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, given: t.Mapping[str, t.Any]) -> Seen:
        """From the results that tasks registered; a skipped one counts as not made."""
        before = Look.of(made(given, "before"))
        now = made(given, "now")
        unapplied = made(given, "unapplied")
        asked = given.get("asked", {})
        removed = made(given, "drop_ins_removed").get("results", [])
        candidate = re.search(r"Candidate: (?:[0-9]+:)?(\S+)", made(given, "policy").get("stdout", ""))
        return cls(
            before=before,
            now=Look.of(now) if now else before,
            looked_again=bool(now),
            foreseen=[tuple(path) for path in made(given, "foreseen").get("changed_keys", [])],
            unapplied=[Unapplied(tuple(one["key"]), one["requires"]) for one in unapplied.get("pending", [])],
            requires=unapplied.get("requires", "none"),
            candidate=candidate.group(1) if candidate else "",
            removed_drop_ins=[one["item"] for one in removed if one.get("changed")],
            asked=list(asked.get("reasons", [])),
            asked_pid=asked.get("pid", -1),
            certificates={
                one["item"]: next(iter(one["ansible_facts"]["__docker_certificate"]), None)
                for one in made(given, "certificates").get("results", [])
            },
            search_path=given.get("search_path", ""),
            journal=made(given, "journal").get("stdout", ""),
            refused_file=made(given, "restored").get("backup_file", ""),
            rolled_back=select(Engine, made(given, "rolled_back").get("engine", {})),
            orphans_before=made(given, "orphans_before").get("stdout_lines", []),
            orphans_now=made(given, "orphans_now").get("stdout_lines", []),
        )
