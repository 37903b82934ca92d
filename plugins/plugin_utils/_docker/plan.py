# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All decisions of the role docker, in the order in which its tasks need them.

The role makes a plan after each look at the host. A plan that refuses something wants nothing else.
"""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker import address_pools, certificates
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.daemon_settings import (
    DaemonSettings,
    daemon_settings,
    leaves,
    without,
)
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.seen import KeyPath, Seen
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.wanted import Wanted
from ansible_collections.gpulab.workstation.plugins.plugin_utils._plan.variables import Config

# live-restore brings containers back from the same place only: after a change of one of these the engine loses sight
# of them. While containers run they are not even written, because a crash of the engine would bring them into force.
LOSES_CONTAINERS: tuple[KeyPath, ...] = (
    ("data-root",),
    ("graph",),
    ("exec-root",),
    ("containerd",),
    ("containerd-namespace",),
    ("storage-driver",),
    ("userns-remap",),
    ("features", "containerd-snapshotter"),
)
MANAGERS = ("systemd", "sysvinit", "none")
# Where an operator's own decision may stand before the first run of the role.
KEPT_KEYS = ("log-driver", "log-opts", "default-address-pools", "default-ulimits")
WHEN_IT_MAY = "Run again when they have ended, or with docker_restart set to always when they may stop."


@dataclass
class LookFor:
    """The arguments of docker_engine_info."""

    packages: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    startup_files: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    # To be read on the controller before that.
    certificates: list[str] = field(default_factory=list)


@dataclass
class Versions:
    installed: str = ""
    pattern: str = ""
    differs: bool = False
    changes: bool = False
    candidate: str = ""
    # Across series live-restore may fail, so an upgrade waits for running containers.
    at_stake: bool = False
    waits: bool = False


@dataclass
class Packages:
    specs: list[str] = field(default_factory=list)
    to_hold: list[str] = field(default_factory=list)
    state: str = "present"
    # Packages restart a running engine. Containers survive that when it has taken live-restore before.
    reload_first: bool = False
    conflicts: list[str] = field(default_factory=list)
    # Engines in the way, in words.
    others: list[str] = field(default_factory=list)


@dataclass
class Repository:
    url: str = ""
    key_url: str = ""
    suite: str = ""
    architectures: list[str] = field(default_factory=list)


@dataclass
class Daemon:
    settings: Config = field(default_factory=dict)
    absent: list[KeyPath] = field(default_factory=list)
    secret: bool = False
    # Whether to see in check mode which of the keys would change that lose containers.
    foresee: bool = False
    withheld: list[KeyPath] = field(default_factory=list)


@dataclass
class DropIns:
    write: list[dict[str, str]] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)


@dataclass
class Certificates:
    copies: list[dict[str, str]] = field(default_factory=list)
    update_store: bool = False
    registries: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Restart:
    # What only a restart brings.
    reasons: list[str] = field(default_factory=list)
    # Judged before live-restore is in force, which a reload will bring.
    allowed: bool = False
    # Judged by what the engine holds at the last look.
    safe: bool = False
    wanted: bool = False
    # Containers to stop first, because the engine would not find them again.
    stop: list[str] = field(default_factory=list)
    read_units: bool = False
    containerd: bool = False


@dataclass
class Prune:
    wanted: bool = False
    # The timer of an earlier run.
    exists: bool = False


@dataclass
class Uninstall:
    refused: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    held: bool = False
    key_paths: list[KeyPath] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)


@dataclass
class Plan:
    refused: list[str] = field(default_factory=list)
    mentions: list[str] = field(default_factory=list)
    look_for: LookFor = field(default_factory=LookFor)
    manager: str = "none"
    new_users: list[str] = field(default_factory=list)
    certificates: Certificates = field(default_factory=Certificates)
    repository: Repository = field(default_factory=Repository)
    versions: Versions = field(default_factory=Versions)
    packages: Packages = field(default_factory=Packages)
    daemon: Daemon = field(default_factory=Daemon)
    proxies: dict[str, str] = field(default_factory=dict)
    drop_ins: DropIns = field(default_factory=DropIns)
    reload: bool = False
    prune: Prune = field(default_factory=Prune)
    # Whether the first look may be out of date when the service is started.
    look_again: bool = False
    # Whether what was merged into daemon.json counts as a change: the handler has something to do.
    notify: bool = False
    restart: Restart = field(default_factory=Restart)
    # What the engine does not take before a better moment, and what the operator should know.
    pending: list[str] = field(default_factory=list)
    # The same once the handler of this play has run.
    pending_after_handler: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    report: str = ""
    # Why the engine does not run with what was asked for, once it was started and did not answer.
    failure: str = ""
    uninstall: Uninstall = field(default_factory=Uninstall)


def first_plan(wanted: Wanted, problems: list[str], seen: Seen) -> Plan:
    """Before the first look at the engine: what can be refused without it, and what to look for."""
    refused = list(problems)
    if wanted.platform not in wanted.platforms:
        supported = ", ".join(name.replace("-", " ") for name in wanted.platforms)
        refused.append(f"{wanted.host} runs {wanted.platform.replace('-', ' ')}. The role docker supports {supported}.")
    return Plan(refused=refused, look_for=_look_for(wanted, seen), manager=wanted.manager)


def plan(wanted: Wanted, seen: Seen, refuse: bool = True) -> Plan:
    """refuse: whether a refusal leaves nothing to do, as when the whole role runs."""
    versions = _versions(wanted, seen)
    daemon = daemon_settings(wanted, seen.before, versions.installed)
    packages = Packages(others=_others(wanted, seen), conflicts=_conflicts(wanted, seen))
    uninstall = _uninstall(wanted, seen, daemon)
    look_for = _look_for(wanted, seen)
    refused = _refused_unseen(wanted, seen) + _refused(wanted, seen, daemon, packages) + daemon.refused
    if refused and refuse:
        return Plan(refused=refused, look_for=look_for, manager=wanted.manager, uninstall=uninstall)
    written = _daemon(wanted, seen, daemon)
    restart = _restart(wanted, seen, versions, written)
    versions.waits = versions.waits or (versions.at_stake and not restart.allowed)
    drop_ins = _drop_ins(wanted, seen, daemon)
    held_back = _held_back(wanted, seen, versions, written, drop_ins)
    waiting = _dotted(one.key for one in seen.unapplied) if wanted.manager == "none" else restart.reasons
    pending = held_back + ([_restart_sentence(wanted, seen, waiting)] if waiting else [])
    trust = _certificates(wanted, seen)
    packages = _packages(wanted, seen, versions, packages)
    return Plan(
        refused=refused,
        mentions=_mentions(wanted, seen),
        look_for=look_for,
        manager=wanted.manager,
        new_users=_new_users(wanted, seen),
        certificates=trust,
        repository=_repository(wanted, seen),
        versions=versions,
        packages=packages,
        daemon=written,
        proxies=daemon.proxies,
        drop_ins=drop_ins,
        prune=Prune(wanted.variables.prune, seen.before.file(wanted.paths["prune_timer"]).exists),
        look_again=wanted.manager != "none"
        and (
            not (seen.before.engine.answers and seen.before.enabled)
            or bool(packages.specs or packages.others or drop_ins.write or drop_ins.remove or trust.update_store)
        ),
        reload=seen.requires != "none" and wanted.manager != "none",
        notify=_notify(wanted, seen, restart),
        restart=restart,
        pending=pending,
        pending_after_handler=held_back if restart.allowed else pending,
        notes=daemon.notes,
        report=_report(wanted, seen),
        failure=_failure(wanted, seen),
        uninstall=uninstall,
    )


# --- The look


def _look_for(wanted: Wanted, seen: Seen) -> LookFor:
    startup = _startup_files(wanted, seen)
    trust = certificates.look_for(_authorities(wanted, seen))
    sources = wanted.sources.values()
    packages = [name for source in sources for name in source.packages + source.conflicts]
    return LookFor(
        packages=list(dict.fromkeys([*packages, *wanted.variables.extra_packages])),
        files=[*dict.fromkeys([*startup, *trust]), wanted.paths["prune_timer"], wanted.paths["record"]],
        startup_files=startup,
        users=wanted.variables.users,
        settings=list(KEPT_KEYS),
        certificates=[*wanted.variables.ca_certificates, *wanted.variables.registry_certificates.values()],
    )


def _startup_files(wanted: Wanted, seen: Seen) -> list[str]:
    """dockerd reads these only when it starts: the trust store too, once per process."""
    drop_ins = [wanted.paths["proxy_drop_in"], wanted.paths["containerd_drop_in"]]
    return drop_ins + [certificates.place(one, seen.before) for one in _authorities(wanted, seen)]


def _authorities(wanted: Wanted, seen: Seen) -> list[certificates.Authority]:
    return certificates.authorities(seen.certificates, wanted.variables.ca_certificates)


def _guards(wanted: Wanted, seen: Seen) -> bool:
    return seen.before.containers.running > 0 and wanted.variables.restart != "always"


# --- Refusals


def _refused_unseen(wanted: Wanted, seen: Seen) -> list[str]:
    variables = wanted.variables
    found = certificates.missing(
        seen.certificates,
        {
            "docker_ca_certificates": variables.ca_certificates,
            "docker_registry_certificates": variables.registry_certificates.values(),
        },
        seen.search_path,
    )
    if wanted.manager not in MANAGERS:
        found.append(
            f"The first process of {wanted.host} is {wanted.first_process}, which is neither systemd nor a sysvinit. "
            "Set docker_service_manager to none, and start dockerd yourself once the role has installed and configured "
            "it."
        )
    elif wanted.manager != "systemd" and (variables.containerd_root or variables.prune):
        found.append(
            f"docker_containerd_root and docker_prune work through systemd, and the service manager of {wanted.host} "
            f"is {wanted.manager}. Leave them at their defaults there."
        )
    return found


def _refused(wanted: Wanted, seen: Seen, daemon: DaemonSettings, packages: Packages) -> list[str]:
    variables, host, found = wanted.variables, wanted.host, []
    missing = sorted(set(_new_users(wanted, seen)) & set(seen.before.missing_users))
    # In check mode, an earlier task of the play may not have made them yet.
    if missing and not wanted.check_mode:
        found.append(
            f"{host} has no user {', '.join(missing)}, whom docker_users names. Create them first, or correct the "
            "name: whoever is in the group docker equals root."
        )
    if seen.before.engine.swarm and daemon.settings.get("live-restore"):
        found.append(
            f"{host} belongs to a swarm, and such an engine does not start with live-restore in its daemon.json. Set "
            "docker_live_restore to false for this host; restarts of the engine then wait until nothing runs."
        )
    if packages.others:
        found += _replacement_refused(wanted, seen, packages.others, variables.allow_engine_replacement)
    return found


def _replacement_refused(wanted: Wanted, seen: Seen, others: list[str], allowed: bool) -> list[str]:
    running, names = seen.before.containers.running, seen.before.containers.names
    if not allowed:
        other = wanted.sources[wanted.other_source].engine
        keep = f"set docker_source: {wanted.other_source}"
        if other not in seen.before.packages:
            keep = "leave the role docker out for this host"
        return [
            f"{wanted.host} has {', '.join(others)}, which cannot stay beside the packages of docker_source: "
            f"{wanted.variables.source}. To keep what is there, {keep}. To have it replaced, set "
            "docker_allow_engine_replacement to true; what is in /var/lib/docker stays."
        ]
    if running and not (wanted.variables.allow_stopping_containers and names):
        return [
            f"{running} container(s) run on {wanted.host} "
            f"({', '.join(names) or 'the engine is down and cannot name them'}), and replacing {', '.join(others)} "
            "would stop them. Stop them when they may stop, or set docker_allow_stopping_containers to true, for which "
            "the engine must be up."
        ]
    return []


def _mentions(wanted: Wanted, seen: Seen) -> list[str]:
    if not seen.before.unpackaged:
        return []
    return [
        f"{', '.join(seen.before.unpackaged)} on {wanted.host} belongs to no package and comes first in most paths. It "
        "is left alone; remove it when `docker version` shows an unexpected client."
    ]


# --- Users and certificates


def _new_users(wanted: Wanted, seen: Seen) -> list[str]:
    return [user for user in dict.fromkeys(wanted.variables.users) if user not in seen.before.members]


def _certificates(wanted: Wanted, seen: Seen) -> Certificates:
    found = Certificates()
    for authority in _authorities(wanted, seen):
        path = certificates.place(authority, seen.before)
        if seen.before.file(path).sha256 != authority.sha256:
            found.copies.append({"source": authority.source, "path": path})
        # Also where an earlier run was broken off in between.
        if found.copies or not seen.before.file(certificates.link(path)).exists:
            found.update_store = True
    found.registries = [
        {"registry": registry, "source": source} for registry, source in wanted.variables.registry_certificates.items()
    ]
    return found


# --- Versions and packages


def _series(version: str) -> list[str]:
    return version.split(".")[:2]


def _versions(wanted: Wanted, seen: Seen) -> Versions:
    package = seen.before.packages.get(wanted.source.engine)
    installed = package.upstream_version if package else ""
    pattern = re.sub("^[0-9]+:|[*]$", "", wanted.variables.version)
    differs = bool(pattern and package and not installed.startswith(pattern))
    changes = bool(package and (wanted.variables.upgrade or differs))
    candidate = pattern or seen.candidate
    # live-restore is made for patch releases: across others the new engine may lose sight of the old one's containers.
    at_stake = changes and _guards(wanted, seen) and not installed.startswith(candidate)
    waits = at_stake and (wanted.variables.restart == "never" or _series(candidate) != _series(installed))
    return Versions(installed, pattern, differs, changes, candidate, at_stake, waits)


def _conflicts(wanted: Wanted, seen: Seen) -> list[str]:
    return sorted(name for name in wanted.source.conflicts if name in seen.before.packages)


def _others(wanted: Wanted, seen: Seen) -> list[str]:
    found = [f"{name} {seen.before.packages[name].version}" for name in _conflicts(wanted, seen)]
    return found + ([f"the snap docker, revision {seen.before.snap}"] if seen.before.snap is not None else [])


def _packages(wanted: Wanted, seen: Seen, versions: Versions, found: Packages) -> Packages:
    there = seen.before.packages
    names = list(dict.fromkeys(wanted.packages))
    changes = versions.changes and not versions.waits
    to_install = [name for name in names if changes or name not in there]
    version = f"={wanted.source.epoch}{versions.pattern}*" if versions.pattern else ""
    found.specs = [name for name in to_install if name not in wanted.source.versioned]
    found.specs += [name + version for name in to_install if name in wanted.source.versioned]
    held = {name for name, package in there.items() if package.held}
    # apt releases a hold when it is told to change a held package.
    found.to_hold = [name for name in to_install if name in held]
    found.to_hold += [name for name in names if wanted.variables.hold and name not in held]
    found.reload_first = (
        bool(to_install)
        and seen.before.engine.running
        and not found.others
        and wanted.manager != "none"
        and seen.requires != "none"
    )
    found.state = "latest" if wanted.variables.upgrade and not versions.pattern and versions.changes else "present"
    return found


def _repository(wanted: Wanted, seen: Seen) -> Repository:
    variables = wanted.variables
    own = f"https://download.docker.com/linux/{wanted.distribution.lower()}"
    url = (variables.repository_url or own).rstrip("/")
    return Repository(
        url=url,
        key_url=variables.repository_key_url or f"{url}/gpg",
        suite=variables.repository_suite or wanted.release,
        architectures=variables.repository_architectures or [seen.before.architecture],
    )


# --- daemon.json and drop-ins


def _loses_containers(path: t.Sequence[str]) -> bool:
    """Whether this key path is, holds, or lies within one that loses containers."""
    return any(key[: len(path)] == tuple(path[: len(key)]) for key in LOSES_CONTAINERS)


def _is_losing_leaf(path: t.Sequence[str]) -> bool:
    """Whether this key path, a leaf that differs, loses containers. An empty `features` that came or went does not."""
    return any(tuple(path[: len(key)]) == key for key in LOSES_CONTAINERS)


def _daemon(wanted: Wanted, seen: Seen, daemon: DaemonSettings) -> Daemon:
    absent = [tuple(path) for path in wanted.variables.daemon_absent]
    asked = [path for path in [*leaves(daemon.settings), *absent] if _loses_containers(path)]
    store = seen.before.engine.containerd_snapshotter
    withheld = [
        path
        for path in sorted(set(seen.foreseen))
        if _is_losing_leaf(path)
        # A key that is also in `absent` is removed, whatever its setting says.
        and (any(_overlaps(path, other) for other in absent) or not _is_in_force(path, daemon.settings, store))
    ]
    return Daemon(
        settings=without(daemon.settings, withheld),
        absent=[path for path in absent if not any(_overlaps(path, other) for other in withheld)],
        secret=daemon.secret,
        foresee=_guards(wanted, seen) and bool(asked),
        withheld=withheld,
    )


def _overlaps(path: KeyPath, other: KeyPath) -> bool:
    shorter = min(len(path), len(other))
    return path[:shorter] == other[:shorter]


def _drop_ins(wanted: Wanted, seen: Seen, daemon: DaemonSettings) -> DropIns:
    found = DropIns()
    if wanted.manager != "systemd":
        return found
    proxy, containerd = wanted.paths["proxy_drop_in"], wanted.paths["containerd_drop_in"]
    root = wanted.variables.containerd_root
    if _guards(wanted, seen) and seen.before.file(containerd).sha256 != (
        certificates.digest(wanted.containerd_drop_in) if root else ""
    ):
        found.withheld.append(containerd)
    for path, template, asked in (
        (proxy, "proxy.conf.j2", bool(daemon.proxies) and not daemon.has_proxies),
        (containerd, "containerd-root.conf.j2", bool(root)),
    ):
        if path in found.withheld:
            continue
        if asked:
            found.write.append({"path": path, "template": template})
        elif seen.before.file(path).exists:
            found.remove.append(path)
    return found


# --- Restarts


def _restart(wanted: Wanted, seen: Seen, versions: Versions, daemon: Daemon) -> Restart:
    before, now, restart = seen.before, seen.now, wanted.variables.restart
    containerd = wanted.paths["containerd_drop_in"]
    store = now.engine.containerd_snapshotter
    pending_loses = any(
        _is_losing_leaf(one.key) and not _is_in_force(one.key, daemon.settings, store) for one in seen.unapplied
    )
    # Somebody upgraded the packages without restarting the engine, and by more than live-restore is made for.
    crosses = before.engine.outdated and _series(before.engine.version) != _series(versions.installed)
    same_process = now.engine.pid == before.engine.pid and now.engine.pid != 0
    # A drop-in that this play removed counts until another engine process is seen; so does what another role asked for.
    removed = seen.removed_drop_ins if same_process else []
    # Also before the role itself restarts anything: packages restart the engine, too.
    moved = pending_loses or before.file(containerd).newer_than_engine
    loses = pending_loses or now.file(containerd).newer_than_engine or containerd in removed
    protected = bool(daemon.settings.get("live-restore")) and not before.engine.swarm and not moved and not crosses
    kept = now.engine.live_restore and not now.engine.swarm and not loses and not crosses
    found = Restart()
    found.reasons = _dotted(one.key for one in seen.unapplied if one.requires == "restart")
    found.reasons += [path for path in _startup_files(wanted, seen) if now.file(path).newer_than_engine] + removed
    found.reasons += seen.asked if now.engine.pid == seen.asked_pid else []
    found.reasons += ["its upgraded program"] if now.engine.outdated else []
    managed = wanted.manager != "none"
    found.allowed = managed and (
        restart == "always" or (restart == "auto" and (before.containers.running == 0 or protected))
    )
    found.safe = now.containers.running == 0 or kept
    found.wanted = bool(found.reasons) and managed and restart != "never" and (found.safe or restart == "always")
    drop_ins = (wanted.paths["proxy_drop_in"], containerd)
    found.stop = list(now.containers.names) if found.wanted and loses else []
    found.read_units = found.wanted and any(path in found.reasons for path in drop_ins)
    found.containerd = found.wanted and containerd in found.reasons
    return found


def _is_in_force(path: KeyPath, settings: Config, containerd_snapshotter: bool | None) -> bool:
    """Whether the key only says by which image store the engine works already."""
    features = settings.get("features")
    return (
        path == ("features", "containerd-snapshotter")
        and isinstance(features, dict)
        and containerd_snapshotter is not None
        and features.get(path[1]) is containerd_snapshotter
    )


def _notify(wanted: Wanted, seen: Seen, restart: Restart) -> bool:
    """Also after an earlier run that ended between writing and applying. What waits for a better moment does not."""
    left_unapplied = seen.before.engine.outdated or any(
        seen.before.file(path).newer_than_engine for path in _startup_files(wanted, seen)
    )
    asked = bool(seen.asked) and seen.before.engine.pid == seen.asked_pid
    only_restart = seen.requires == "restart" or left_unapplied or asked
    return (seen.requires == "reload" and wanted.manager != "none") or (restart.allowed and only_restart)


def _dotted(paths: t.Iterable[KeyPath]) -> list[str]:
    return [".".join(path) for path in paths]


# --- Sentences


def _held_back(wanted: Wanted, seen: Seen, versions: Versions, daemon: Daemon, drop_ins: DropIns) -> list[str]:
    running, found = seen.before.containers.running, []
    if versions.waits:
        found.append(
            f"{wanted.source.engine} {versions.installed} stays on {wanted.host} while {running} container(s) run, "
            f"because {versions.candidate} in its place could stop them. {WHEN_IT_MAY}"
        )
    withheld = _dotted(daemon.withheld) + drop_ins.withheld
    if withheld:
        found.append(
            f"{', '.join(withheld)} stays as it is on {wanted.host} while {running} container(s) run, because the "
            f"engine would not find them in the new place. {WHEN_IT_MAY}"
        )
    return found


def _restart_sentence(wanted: Wanted, seen: Seen, waiting: list[str]) -> str:
    if wanted.manager == "none":
        why = "starting it is left to others (docker_service_manager: none)."
    elif wanted.variables.restart == "never":
        why = "docker_restart is never."
    else:
        why = f"live-restore cannot protect the {seen.now.containers.running} container(s) that run. {WHEN_IT_MAY}"
    return f"Docker Engine on {wanted.host} waits for a restart to take {', '.join(waiting)}, because {why}"


def _report(wanted: Wanted, seen: Seen) -> str:
    if wanted.manager == "none":
        return "Docker Engine is configured; starting it is left to others."
    if seen.now.engine.answers:
        return f"Docker Engine {seen.now.engine.version} answers."
    return "Docker Engine would be started."


def _failure(wanted: Wanted, seen: Seen) -> str:
    if seen.refused_file and seen.rolled_back.answers:
        said = (
            f"Docker Engine did not start on {wanted.host} with the new daemon.json. The previous one was put back, "
            f"and the engine answers again. The file that it refused is {seen.refused_file}."
        )
    else:
        said = (
            f"Docker Engine does not answer on {wanted.host}: {seen.rolled_back.problem}. Containers that ran still "
            "run if live-restore was on. Earlier versions of daemon.json are kept beside it, with a time stamp in "
            "their names."
        )
    hints = address_pools.hints(wanted, seen.journal, seen.before.routes)
    remedy = (
        "The engine's last words are below; the cause is in the first of them that complains. Correct the variables "
        "(docker_daemon_settings, docker_log_options, docker_address_pools and the others of daemon.json) and run "
        "again."
    )
    journal = seen.journal or "(no journal on this host: see /var/log/docker.log)"
    return "\n\n".join([" ".join([said, *hints, remedy]), journal])


# --- Uninstalling


def _uninstall(wanted: Wanted, seen: Seen, daemon: DaemonSettings) -> Uninstall:
    variables, before = wanted.variables, seen.before
    containers = before.containers
    data_root = before.engine.data_root or variables.data_root or "/var/lib/docker"
    other = wanted.sources[wanted.other_source].engine
    refused = []
    if other in before.packages and wanted.source.engine not in before.packages:
        refused.append(
            f"{wanted.host} has {other}, and docker_source is {variables.source}. To remove that engine, set "
            f"docker_source to {wanted.other_source}."
        )
    if containers.kept + containers.volumes > 0 and not variables.uninstall_force:
        named = ",".join(f" {name}" for name in containers.names)
        refused.append(
            f"{wanted.host} still has {containers.kept} container(s), {containers.running} of them running{named}, and "
            f"{containers.volumes} volume(s). Remove them, or set docker_uninstall_force to true: that stops the "
            f"running ones, and what is in {data_root} stays unless docker_uninstall_data is true too."
        )
    elif containers.running > len(containers.names):
        refused.append(
            f"{containers.running} container(s) run on {wanted.host} although the engine is down "
            f"({before.engine.problem}). Start it, so that they can be stopped, then run this again."
        )
    if refused:
        return Uninstall(refused=refused)
    # Of the wanted source only: the other's packages are none of this role's.
    packages = [name for name in dict.fromkeys(wanted.packages) if name in before.packages]
    names = ("proxy_drop_in", "containerd_drop_in", "prune_timer", "prune_service")
    files = [wanted.paths[name] for name in names] + [os.path.dirname(wanted.paths["record"])]
    # `Remv containerd [1.7.24~ds1-6]`
    orphans = [line for line in seen.orphans_now if line.startswith("Remv ") and line not in seen.orphans_before]
    return Uninstall(
        packages=packages,
        held=any(before.packages[name].held for name in packages),
        key_paths=leaves(daemon.settings),
        files=files + [f"/etc/docker/certs.d/{registry}" for registry in variables.registry_certificates],
        orphans=[line.split(" ")[1] for line in orphans],
        data=[data_root, variables.containerd_root or "/var/lib/containerd"] if variables.uninstall_data else [],
    )
