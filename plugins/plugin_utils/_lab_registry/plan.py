# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All decisions of the role lab_registry, in the order in which its tasks need them.

The role makes a plan after each look at the host. A plan that refuses something wants nothing else.
"""

from __future__ import annotations

import re
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry import certificates
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.seen import Answer, File, Seen
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.wanted import Wanted

# As references of images have it, in which a port and a path follow.
HOST = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
OCTET = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
HOUR, DAY = 3600, 86400


@dataclass
class LookFor:
    """Arguments of lab_registry_info."""

    files: list[str] = field(default_factory=list)
    # Whether the ports can be asked: not before authority and passwords are there.
    ask: bool = False


@dataclass
class Authority:
    """What is to be made on the controller."""

    missing: list[str] = field(default_factory=list)
    prepares: bool = False
    new: bool = False
    renews: bool = False
    # Keys of the authorities that the host has, or had when an earlier run was broken off, and is to have no longer.
    replaces: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)
    would_make: list[str] = field(default_factory=list)


@dataclass
class Accounts:
    create: list[str] = field(default_factory=list)
    set: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Process:
    """One of the two that serve images."""

    unit: str = ""
    # It still has earlier files, also where an earlier run was broken off or had to wait.
    is_old: bool = False
    clients: int = 0
    # Until when clients keep it from being restarted, in seconds since 1970.
    patience: float = 0.0
    waits: bool = False
    # `started` or `restarted`; empty where nothing is to be done.
    state: str = ""


@dataclass
class Client:
    """What an engine needs to use the registry."""

    refused: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    directories: list[dict[str, str]] = field(default_factory=list)
    # `content` is `ca` or `config`.
    files: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Plan:
    refused: list[str] = field(default_factory=list)
    look_for: LookFor = field(default_factory=LookFor)
    authority: Authority = field(default_factory=Authority)
    packages: list[str] = field(default_factory=list)
    # Whether the package's user is there: in check mode on a fresh host it is not.
    writes: bool = False
    directories: list[dict[str, str]] = field(default_factory=list)
    files: list[dict[str, str]] = field(default_factory=list)
    accounts: Accounts = field(default_factory=Accounts)
    remove_timer: bool = False
    cleans: bool = False
    start_timer: bool = False
    reload_units: bool = False
    pull: Process = field(default_factory=Process)
    push: Process = field(default_factory=Process)
    processes: list[dict[str, str]] = field(default_factory=list)
    complete: bool = True
    pending: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # Why the registry does not do what it should.
    failure: str = ""
    client: Client = field(default_factory=Client)


def plan(wanted: Wanted, problems: list[str], seen: Seen) -> Plan:
    look_for = _look_for(wanted, seen)
    authority = _authority(wanted, seen)
    refused = problems or [*_refused_unseen(wanted, seen, authority), *_refused(wanted, seen)]
    client = _client(wanted, seen, problems)
    if refused or not seen.looked:
        # Before the first look nothing is decided but what has to be looked for.
        return Plan(refused=refused, look_for=look_for, client=client)
    look = seen.look
    is_cleaning = look.unit(wanted.units["clean"]).active
    pull, push = _process(wanted, seen, "pull"), _process(wanted, seen, "push")
    bad = _bad(wanted, seen, pull.waits, push.waits or is_cleaning)
    writes = "docker-registry" in look.packages or not wanted.check_mode
    timer = look.unit(wanted.units["timer"])
    return Plan(
        look_for=look_for,
        authority=authority,
        packages=[name for name in wanted.packages if name not in look.packages],
        writes=writes,
        directories=[one for one in wanted.directories if look.file(one["path"]).mode != one["mode"]],
        files=_files(wanted, seen),
        accounts=_accounts(wanted, seen),
        remove_timer=not wanted.cleans and look.file(wanted.paths["timer"]).exists,
        cleans=wanted.cleans,
        start_timer=wanted.cleans and not (timer.active and timer.enabled),
        reload_units=any(unit.needs_reload for unit in look.units.values()),
        pull=pull,
        push=push,
        processes=[
            {"unit": one.unit, "state": one.state}
            for one, is_closed in ((pull, False), (push, is_cleaning))
            if one.state and writes and not is_closed
        ],
        complete=not bad,
        pending=_pending(wanted, pull, push, is_cleaning),
        notes=_notes(wanted, seen),
        failure=_failure(wanted, seen, bad),
        client=client,
    )


def _look_for(wanted: Wanted, seen: Seen) -> LookFor:
    paths = [file.path for file in wanted.files + wanted.clean_files]
    return LookFor(
        files=paths + [one["path"] for one in wanted.directories] + [wanted.paths["unpacked"]],
        ask=not _missing(wanted, seen),
    )


# --- What cannot work


def _refused_unseen(wanted: Wanted, seen: Seen, authority: Authority) -> t.Iterator[str]:
    yield from _refused_platform(wanted)
    yield from _refused_values(wanted)
    yield from _refused_state(wanted, seen, authority)


def _refused_platform(wanted: Wanted) -> t.Iterator[str]:
    if wanted.platform not in wanted.platforms or wanted.service_mgr != "systemd":
        supported = ", ".join(name.replace("-", " ") for name in wanted.platforms)
        yield (
            f"{wanted.machine} runs {wanted.platform.replace('-', ' ')} under {wanted.service_mgr}. The role "
            f"lab_registry supports {supported} under systemd; put another machine into the group registry."
        )
    if len(wanted.registries) > 1:
        yield (
            f"The group registry has {', '.join(wanted.registries)}, and a lab has one registry, which all clients "
            "are told of. Leave one."
        )


def _refused_values(wanted: Wanted) -> t.Iterator[str]:
    variables = wanted.variables
    if not re.fullmatch(HOST, variables.host):
        yield (
            f"lab_registry_host is {variables.host or '(empty)'}; write a name or an IPv4 address alone, without "
            "https://, port or path, and of letters, digits, hyphens and dots."
        )
    for name, port in (("port", variables.port), ("push_port", variables.push_port)):
        if not 1 <= port <= 65535:
            yield f"lab_registry_{name} is {port}, which is no port; write one from 1 to 65535."
    if variables.port == variables.push_port:
        yield (
            f"lab_registry_port and lab_registry_push_port are both {variables.port}, and each is served by a process "
            "of its own; change one."
        )
    if variables.bind_address and not re.fullmatch(rf"({OCTET}[.]){{3}}{OCTET}", variables.bind_address):
        yield (
            f"lab_registry_bind_address is {variables.bind_address}, which is no IPv4 address; write one that "
            f"{wanted.machine} has, or leave it empty, for every one."
        )
    if not variables.storage.startswith("/"):
        yield (f"lab_registry_storage is {variables.storage or '(empty)'}, which is no absolute path; begin it with /.")
    if variables.keep < 1:
        yield f"lab_registry_keep is {variables.keep}, which would remove every image; write 1 or more."
    if variables.restart_hours < 0:
        yield f"lab_registry_restart_hours is {variables.restart_hours}; write 0, for no wait, or more."
    if re.fullmatch(r"localhost|127\.[0-9.]+", variables.host) and wanted.others:
        yield (
            f"lab_registry_host is {variables.host}, which is {wanted.others[0]} itself on {wanted.others[0]}. Set "
            f"lab_registry_host to the name or address at which the others reach {wanted.machine}."
        )
    if variables.renew_days >= min(variables.certificate_days, variables.ca_days):
        yield (
            f"Certificates are made for {variables.certificate_days} days and renewed in the last "
            f"{variables.renew_days}, which is always. Set lab_registry_renew_days to less than "
            "lab_registry_certificate_days and lab_registry_ca_days."
        )


def _refused_state(wanted: Wanted, seen: Seen, authority: Authority) -> t.Iterator[str]:
    path = f"{wanted.variables.state}/ca.pem"
    if "ca.pem" not in seen.controller.there:
        return
    if seen.controller.ca is None:
        yield (
            f"{path} on this controller is no certificate in PEM. Put the lab's authority back there, or move the "
            "file away, and a new authority is made, which each client gets the next time it pulls."
        )
    elif authority.renews and not seen.controller.has_ca_key:
        yield (
            f"{wanted.machine} needs a new certificate, and {path} on this controller has no ca.key beside it. Copy "
            "the key from the controller that made the authority, and run again; or move ca.pem away, and a new "
            "authority is made, which each client gets the next time it pulls."
        )


def _refused(wanted: Wanted, seen: Seen) -> t.Iterator[str]:
    if seen.look.served and seen.look.served.authority_key not in _own_authorities(seen):
        state, served = wanted.variables.state, wanted.paths["certificate"]
        yield (
            f"{wanted.machine} serves its registry by an authority that this controller does not have in {state}. "
            "Copy that directory (lab_registry_state) from the controller that set the registry up, and run again. "
            f"Where it is lost, remove {served} on {wanted.machine}: the next run then gives the registry an "
            "authority of this controller, and each client gets it the next time it pulls."
        )
    taken = []
    for name, port in (("pull", wanted.variables.port), ("push", wanted.variables.push_port)):
        if not seen.look.unit(wanted.units[name]).active and seen.look.port(port).listening:
            taken.append(str(port))
    if taken and any(name not in seen.look.packages for name in wanted.packages):
        yield (
            f"Something else listens on port {' and '.join(taken)} of {wanted.machine}: `ss -ltnp` says what. End it, "
            "or set lab_registry_port and lab_registry_push_port to free ports."
        )


def _own_authorities(seen: Seen) -> list[str]:
    controller = seen.controller
    found = [controller.ca.subject_key] if controller.ca else []
    # Also after the authority was changed here on purpose.
    found += [controller.certificate.authority_key] if controller.certificate else []
    return found + controller.replaced


# --- On the controller


def _missing(wanted: Wanted, seen: Seen) -> list[str]:
    return [name for name in wanted.state_files if name not in seen.controller.there]


def _names(wanted: Wanted) -> list[str]:
    variables = wanted.variables
    asked = [variables.host, wanted.machine, "localhost", "127.0.0.1", *variables.names]
    names = list(dict.fromkeys(certificates.name(one) for one in asked))
    return [name for name in names if name.startswith("DNS:")] + [name for name in names if name.startswith("IP:")]


def _renewal(wanted: Wanted) -> float:
    return wanted.now + DAY * wanted.variables.renew_days


def _authority(wanted: Wanted, seen: Seen) -> Authority:
    controller = seen.controller
    missing, names = _missing(wanted, seen), _names(wanted)
    certificate, authority = controller.certificate, controller.ca
    renews = (
        certificate is None
        or authority is None
        or "server.key" in missing
        or certificate.not_after < _renewal(wanted)
        or certificate.names != frozenset(names)
        or not _is_signed(certificate, authority)
    )
    served = seen.look.served
    return Authority(
        missing=missing,
        prepares=bool(missing) or renews,
        new="ca.pem" in missing,
        renews=renews,
        replaces=[served.authority_key] if served and not (authority and _is_signed(served, authority)) else [],
        names=names,
        passwords=[name for name in missing if name.endswith(".password")],
        would_make=missing or ["server.pem"],
    )


def _is_signed(certificate: certificates.Certificate, authority: certificates.Certificate) -> bool:
    return certificate.authority_key == authority.subject_key


# --- On the host


def _files(wanted: Wanted, seen: Seen) -> list[dict[str, str]]:
    look = seen.look
    return [
        {"path": file.path, "group": file.group, "mode": file.mode}
        for file in wanted.all_files
        if _described(look.file(file.path)) != (seen.contents.get(file.path), file.mode, file.group)
    ]


def _described(file: File) -> tuple[str, str, str]:
    return file.sha256, file.mode, file.group


def _accounts(wanted: Wanted, seen: Seen) -> Accounts:
    found = seen.look.passwords
    return Accounts(
        create=[path for path in wanted.password_files if not found.get(path)],
        set=[
            {"path": path, "account": account}
            for path, names in wanted.password_files.items()
            for account in names
            if account not in found.get(path, [])
        ],
    )


def _process(wanted: Wanted, seen: Seen, name: str) -> Process:
    look = seen.look
    unit = look.unit(wanted.units[name])
    port = wanted.variables.port if name == "pull" else wanted.variables.push_port
    paths = [file.path for file in wanted.files if name in file.read_by]
    # The package restarts its own unit, and does not know the other.
    paths += [wanted.paths["unpacked"]] if name == "push" else []
    newest = max(look.file(path).written for path in paths)
    found = Process(unit=wanted.units[name], is_old=unit.active and newest > unit.started)
    found.clients = look.port(port).clients
    found.patience = newest + HOUR * wanted.variables.restart_hours
    found.waits = found.is_old and found.clients > 0 and look.now < found.patience
    if found.is_old:
        found.state = "" if found.waits else "restarted"
    elif not (unit.active and unit.enabled):
        found.state = "started"
    return found


def _bad(wanted: Wanted, seen: Seen, pull_waits: bool, push_waits: bool) -> list[Answer]:
    """An old process may answer by an old certificate or configuration, and is in the pending sentences."""
    waiting = [wanted.variables.port] if pull_waits else []
    waiting += [wanted.variables.push_port] if push_waits else []
    return [answer for answer in seen.look.answers if answer.port not in waiting and not answer.good]


# --- Sentences


def _until(process: Process) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(process.patience))


def _pending(wanted: Wanted, pull: Process, push: Process, is_cleaning: bool) -> list[str]:
    variables, found = wanted.variables, []
    for process, port, does, has in (
        (pull, variables.port, "pull from", "configuration and certificate"),
        (push, variables.push_port, "push to", "program, configuration and certificate"),
    ):
        if process.waits:
            found.append(
                f"{process.clients} client(s) {does} the registry {variables.host}:{port} now, so it was not "
                f"restarted and still has its earlier {has}. The next run looks again, and restarts it after "
                f"{_until(process)} in any case (lab_registry_restart_hours: {variables.restart_hours})."
            )
    if is_cleaning:
        found.append(
            f"The registry on {wanted.machine} is being cleaned (lab_registry_clean_schedule), and refuses pushes "
            f"until that is done; `journalctl -fu {wanted.units['clean']}` shows how far it is."
        )
    return found


def _notes(wanted: Wanted, seen: Seen) -> list[str]:
    look, variables, found = seen.look, wanted.variables, []
    clean = wanted.units["clean"]
    if look.percent > variables.disk_limit:
        found.append(
            f"{look.percent} % of the file system of {variables.storage} on {wanted.machine} are in use, more than "
            f"lab_registry_disk_limit ({variables.disk_limit}); {look.free / 1e9:.1f} GB are free. Lower "
            f"lab_registry_keep ({variables.keep}) and `systemctl start {clean}`, or move lab_registry_storage."
        )
    if look.unit(clean).result not in ("", "success"):
        found.append(f"The last cleaning of the registry on {wanted.machine} failed; `journalctl -u {clean}` says why.")
    return found + _ends_soon(wanted, seen)


def _ends_soon(wanted: Wanted, seen: Seen) -> list[str]:
    authority = seen.controller.ca
    if authority is None or authority.not_after >= _renewal(wanted):
        return []
    return [
        f"The lab's authority {wanted.variables.state}/ca.pem ends on {authority.last_day} (year, month, day), and "
        "every certificate with it. Move ca.pem and ca.key away on a day without classes, and run the whole site: a "
        "new authority is made, and each host gets it the next time it pulls."
    ]


def _failure(wanted: Wanted, seen: Seen, bad: list[Answer]) -> str:
    if not bad:
        return ""
    lines = [f"The registry on {wanted.machine} does not do what it should:"]
    for answer in bad:
        account = f"with the account {answer.account}" if answer.account else "without a password"
        lines.append(
            f"- {answer.method} on port {answer.port} {account}: {answer.problem or f'status {answer.status}'}, "
            f"instead of status {answer.expected}."
        )
    units = wanted.units
    lines.append(f"`journalctl -u {units['pull']} -u {units['push']} -n 30` has its own words.")
    return "\n".join(lines + _ends_soon(wanted, seen))


# --- On clients


def _client(wanted: Wanted, seen: Seen, problems: list[str]) -> Client:
    variables, refused = wanted.variables, list(problems)
    needed = ("ca.pem", f"{variables.account}.password")
    missing = [name for name in needed if name not in seen.controller.there]
    if missing:
        refused.append(
            f"{variables.state} on this controller has no {' and no '.join(missing)}, so {wanted.machine} cannot use "
            f"the registry {variables.host}:{variables.port}. Run playbooks/lab.yml, which makes them; where the "
            "registry was set up from another controller, copy that directory from there (lab_registry_state) instead."
        )
    ports = [variables.port] + ([variables.push_port] if variables.account == "push" else [])
    addresses = [f"{variables.host}:{port}" for port in ports]
    trust = [f"/etc/docker/certs.d/{address}" for address in addresses]
    account = f"/etc/gpulab/registry/{variables.account}"
    return Client(
        refused=refused,
        addresses=addresses,
        directories=[
            {"path": "/etc/gpulab", "mode": "0755"},
            {"path": "/etc/gpulab/registry", "mode": "0700"},
            {"path": account, "mode": "0700"},
            *({"path": path, "mode": "0755"} for path in trust),
        ],
        files=[
            *({"path": f"{path}/ca.crt", "mode": "0644", "content": "ca"} for path in trust),
            {"path": f"{account}/config.json", "mode": "0600", "content": "config"},
        ],
    )
