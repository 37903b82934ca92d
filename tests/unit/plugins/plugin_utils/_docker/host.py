# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host as the role docker sees it, and a run of the role on it: its plans, and the acts that its tasks take."""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config import impact
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.merge import (
    changed_paths,
    merge_settings,
    remove,
)
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.plan import LOSES_CONTAINERS, Plan, plan
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.seen import (
    Containers,
    Engine,
    File,
    Look,
    Package,
    Route,
    Seen,
    Unapplied,
)
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.wanted import Wanted, read
from ansible_collections.gpulab.workstation.plugins.plugin_utils._plan.variables import Config

ROLE = Path(__file__).resolve().parents[5] / "roles" / "docker"
DEFAULTS: Config = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
TABLES: Config = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
PATHS: dict[str, str] = TABLES["__docker_paths"]
POOL = DEFAULTS["docker_address_pools"]
JSON_FILE = {"log-driver": "json-file", "log-opts": DEFAULTS["docker_log_options"]}


def given(service_mgr: str = "systemd", **variables: t.Any) -> Config:
    """The input of the filter: the role's variables and tables for a machine with Debian 13."""
    unknown = variables.keys() - DEFAULTS.keys()
    assert not unknown, unknown
    return {
        "host": "lab01",
        "check_mode": False,
        "variables": {**DEFAULTS, **variables},
        "defaults": DEFAULTS,
        "distribution": "Debian",
        "distribution_version": "13.1",
        "distribution_major_version": "13",
        "distribution_release": "trixie",
        "service_mgr": service_mgr,
        "sources": TABLES["__docker_sources"],
        "distribution_packages": TABLES["__docker_distribution_packages"],
        "paths": PATHS,
        "address_pools": TABLES["__docker_address_pools"],
        "containerd_drop_in": f"--root {variables.get('docker_containerd_root', '')}",
    }


def wants(**variables: t.Any) -> Wanted:
    wanted, problems = read(given(**{"docker_source": "distribution", **variables}))
    assert problems == []
    return wanted


def running_engine(**more: t.Any) -> Engine:
    return Engine(
        **{"running": True, "answers": True, "pid": 7, "version": "26.1.5+dfsg1", "live_restore": True, **more}
    )


def provisioned(**more: t.Any) -> Look:
    """A look at a machine on which nothing is to be done, with one container."""
    packages = TABLES["__docker_distribution_packages"]["Debian-13"]
    look = {
        "architecture": "amd64",
        "packages": {name: Package("26.1.5+dfsg1-9") for name in packages},
        "enabled": True,
        "engine": running_engine(),
        "containers": Containers(1, ["jupyter-keras"], 1),
        "group_exists": True,
    }
    return Look(**{**look, **more})


def loses(path: t.Sequence[str]) -> bool:
    return any(key[: len(path)] == tuple(path[: len(key)]) for key in LOSES_CONTAINERS)


def snapshotter(config: Config) -> bool:
    """Engines before 29 keep images in a store of their own where the file says nothing."""
    return bool((config.get("features") or {}).get("containerd-snapshotter"))


@dataclass
class Host:
    packages: dict[str, Package] = field(default_factory=dict)
    # daemon.json, and the configuration with which the engine works.
    config: Config = field(default_factory=dict)
    held: Config = field(default_factory=dict)
    engine: bool = False
    swarm: bool = False
    outdated: bool = False
    pid: int = 7
    version: str = ""
    containers: list[str] = field(default_factory=list)
    drop_ins: dict[str, str] = field(default_factory=dict)
    newer: set[str] = field(default_factory=set)
    routes: list[Route] = field(default_factory=list)
    candidate: str = ""
    # Of the run: the containers that it stopped.
    stopped: list[str] = field(default_factory=list)
    restarts: int = 0

    def look(self) -> Look:
        engine = Engine()
        if self.engine:
            engine = running_engine(
                pid=self.pid,
                version=self.version,
                outdated=self.outdated,
                live_restore=bool(self.held.get("live-restore")),
                swarm=self.swarm,
                containerd_snapshotter=snapshotter(self.held),
            )
        running = list(self.containers)
        return Look(
            architecture="amd64",
            packages=dict(self.packages),
            enabled=self.engine,
            engine=engine,
            containers=Containers(len(running), running if self.engine else [], len(running)),
            group_exists=True,
            files={path: File(True, digest, path in self.newer) for path, digest in self.drop_ins.items()},
            settings=self.config,
            routes=self.routes,
        )

    def unapplied(self) -> dict[str, t.Any]:
        changes = impact.pending(self.held, self.config) if self.engine else []
        return {"unapplied": [Unapplied(*change) for change in changes], "requires": impact.strongest(changes)}

    def reload(self) -> None:
        self.held = impact.after_reload(self.held, self.config)

    def restart(self) -> None:
        """By the role or by a package: the promise is that no running container is lost."""
        moved = [path for path in changed_paths(self.held, self.config) if loses(path)]
        if snapshotter(self.held) == snapshotter(self.config):
            moved = [path for path in moved if path[0] != "features"]
        moved += [(path,) for path in self.newer if path == PATHS["containerd_drop_in"]]
        if self.containers:
            assert self.held.get("live-restore"), "containers are stopped: live-restore is not in force"
            assert not self.swarm, "containers are stopped: a swarm"
            assert not moved, f"containers are lost: {moved}"
        self.held, self.newer, self.outdated = self.config, set(), False
        self.pid += 1

    def state(self) -> tuple[t.Any, ...]:
        return (self.packages, self.config, self.held, self.engine, self.pid, self.containers, self.drop_ins)

    def run(self, wanted: Wanted) -> Plan:
        """The role's tasks, and its handler."""
        self.stopped, self.restarts = [], 0
        seen = Seen(before=self.look(), now=self.look(), candidate=self.candidate)
        decided = plan(wanted, seen)
        if decided.refused:
            return decided
        if decided.daemon.foresee:
            foreseen = changed_paths(self.config, self._merged(decided))
            seen = dataclasses.replace(seen, foreseen=foreseen)
            decided = plan(wanted, seen)
        changed = self._merged(decided) != self.config
        self.config = self._merged(decided)
        seen = dataclasses.replace(seen, **self.unapplied())
        decided = plan(wanted, seen)
        notified = changed or decided.notify
        removed = self._write_drop_ins(decided)
        notified = notified or bool(removed or decided.drop_ins.write)
        self._install(wanted, decided)
        if decided.manager != "none" and not self.engine:
            self.engine, self.held = True, self.config
        if notified and self.engine:
            if self.unapplied()["requires"] != "none" and wanted.manager != "none":
                self.reload()
            seen = dataclasses.replace(seen, now=self.look(), removed_drop_ins=removed, **self.unapplied())
            decided = plan(wanted, seen)
            if decided.restart.wanted:
                if self.containers and not decided.restart.safe:
                    assert wanted.variables.restart == "always", "a restart that stops containers, unasked"
                    # Without live-restore the engine stops them itself; else they must be stopped, or they are orphans.
                    kept = self.held.get("live-restore") and not self.swarm
                    assert not kept or decided.restart.stop == self.containers or not decided.restart.stop
                    self.stopped, self.containers = self.containers, []
                self.restart()
                self.restarts += 1
                seen = dataclasses.replace(seen, now=self.look(), removed_drop_ins=removed, **self.unapplied())
            decided = plan(wanted, seen)
        return decided

    def _merged(self, decided: Plan) -> Config:
        return remove(merge_settings(self.config, decided.daemon.settings), decided.daemon.absent)

    def _write_drop_ins(self, decided: Plan) -> list[str]:
        for one in decided.drop_ins.write:
            if self.drop_ins.get(one["path"]) != "written":
                self.drop_ins[one["path"]] = "written"
                self.newer.add(one["path"])
        for path in decided.drop_ins.remove:
            del self.drop_ins[path]
            self.newer.discard(path)
        return decided.drop_ins.remove

    def _install(self, wanted: Wanted, decided: Plan) -> None:
        if not decided.packages.specs:
            return
        if decided.packages.reload_first:
            self.reload()
        new = wanted.source.engine not in self.packages
        before = "" if new else self.packages[wanted.source.engine].version
        for spec in decided.packages.specs:
            name = spec.split("=")[0]
            old = self.packages.get(name)
            changes = decided.versions.changes or old is None
            version = (decided.versions.candidate or "26.1.5") if changes else old.version if old else ""
            if not (old and old.version.startswith(version)):
                self.packages[name] = Package(version, old.held if old else False)
        for name in decided.packages.to_hold:
            self.packages[name] = dataclasses.replace(self.packages[name], held=True)
        # apt leaves a version alone that is installed already.
        if self.engine and not new and self.packages[wanted.source.engine].version != before:
            self.version = decided.versions.candidate
            if wanted.variables.restart == "always":
                self.stopped, self.containers = self.containers, []
            # docker_restart never is about running containers: without one, an upgrade that was asked for goes ahead.
            assert wanted.variables.restart != "never" or not self.containers
            self.restart()
