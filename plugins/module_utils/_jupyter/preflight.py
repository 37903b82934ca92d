# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What would keep notebooks from starting on this machine."""

from __future__ import annotations

import contextlib
import errno
import functools
import grp
import ipaddress
import os
import pwd
import re
import shutil
import socket
import typing as t
from pathlib import Path

from .._gpu_visibility.parsers import smi_list
from .._gpu_visibility.system import System
from .._untrusted import files, shape
from . import gpus, layout
from .backup_status import timers
from .certificate import certificate_problems
from .container import labels, published
from .directories import check_executable, check_reachable, check_room, check_usable
from .engine import Engine, unit_properties
from .errors import EngineError, OperatorError
from .files import in_time, run_as
from .gpu_assignment import Device, assign, conflicts, devices_of, wants_gpus
from .settings import Account, Settings, configured, find_account, in_bytes, load_settings, total_memory
from .status import status
from .values import environment_problems, range_problems, type_problems

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
ENGINE_SOCKET = Path("/run/docker.sock")
# Seconds for nvidia-smi, which takes long on a machine with many GPUs and without persistence mode.
SMI_TIMEOUT = 30.0
# Bytes of a table of sockets, at 150 each, at most.
SOCKETS = 64 * 2**20
# What a server and one kernel that has imported Keras take; with less, they do not get that far.
LEAST_MEMORY = 256 * 2**20


def port_problem(address: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        # As the engine does: connections that linger after a restart do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                holders = " and ".join(listeners(port)) or "a process that cannot be seen"
                return f"port {port} of {address} is taken by {holders}"
            return f"port {port} of {address} cannot be used: {error.strerror}"
    return ""


def listeners(port: int) -> list[str]:
    """Who listens there: `nginx (process 812)`, or the container for which Docker does."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in files.read(layout.PROC / "net" / table, SOCKETS).splitlines()[1:]:
                fields = line.split()
                # Columns of proc_net_tcp(5): local address, state (0A is LISTEN), inode.
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    found = set()
    for link in layout.PROC.glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(link) in inodes:
                process = link.parent.parent
                found.add(f"{shape.line(files.read(process / 'comm', 64).strip())} (process {process.name})")
    if any(name.startswith("docker-proxy") for name in found):
        with contextlib.suppress(EngineError):
            published = Engine().call("ps", "--filter", f"publish={port}", "--format", "{{.Names}}").split()
            found = {f"the container {name}" for name in published} or found
    return sorted(found)


def list_problems(instances: list[Settings], allow_plain_http: bool) -> list[str]:
    """What is wrong with the list itself, on any machine."""
    problems = [
        f"`{instance.name}` cannot name an instance, because a unit and a container are named after it: use up to 40 "
        f"lower-case letters, digits and hyphens, a letter or digit first."
        for instance in instances
        if not NAME.fullmatch(instance.name)
    ]
    problems += [
        f"`{instance.name}` cannot name an instance, because {instance.unit} is what backs up another; choose a name "
        f"that does not begin with backup-."
        for instance in instances
        if instance.name.startswith("backup-")
    ]
    enabled = [instance for instance in instances if instance.enabled]
    for key, among in (("name", instances), ("port", enabled)):
        values = [str(getattr(instance, key)) for instance in among]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            problems.append(f"Every instance needs a `{key}` of its own, and several have {', '.join(twice)}.")
    users: dict[str, set[str]] = {}
    homes = set()
    for instance in enabled:
        # That of a user is a different one for each.
        for path in {plain(path) for path in (instance.home, instance.workdir) if path.startswith("/")}:
            users.setdefault(path, set()).add(instance.user)
        homes.add(plain(instance.home) if instance.home.startswith("/") else "")
    problems += [
        f"{' and '.join(sorted(users[home]))} have the `home` {home} together, so that what one of them puts there, "
        f"such as ~/.ipython/profile_default/startup, runs with the rights and the token of the other. Give each a "
        f"`home` of their own, or leave it out."
        for home in users
        if home in homes and len(users[home]) > 1
    ]
    for instance in enabled:
        if not 1 <= instance.port <= 65535:
            problems.append(f"Instance {instance.name}: its `port` {instance.port} is none; write one from 1 to 65535.")
        # Before anybody knows the home, whose user may be still to be created.
        for key, path in (("workdir", instance.workdir), ("home", instance.home)):
            if not path.startswith(("/", "~/")) and path != "~" and (path or key == "workdir"):
                problems.append(
                    f"Instance {instance.name}: its `{key}` {path or '(empty)'} is not an absolute path; begin it with "
                    f"/, or with ~/ for the home of its user."
                )
        try:
            loopback = ipaddress.ip_address(instance.bind_address).is_loopback
        except ValueError:
            problems.append(f"Instance {instance.name}: its `bind_address` {instance.bind_address} is no IP address.")
            continue
        if not loopback and instance.tls == "none" and not allow_plain_http:
            problems.append(
                f"Instance {instance.name}: on its `bind_address` {instance.bind_address}, others in the network can "
                f"read the token and every cell, because its `tls` is none. Set it to generated, or to files with a "
                f"certificate of your own; or use 127.0.0.1 and a tunnel by SSH. In a network that you trust, "
                f"jupyter_allow_plain_http allows plain HTTP."
            )
    return problems


def plain(path: str) -> str:
    """A path has several spellings: //srv/h/ is /srv/h."""
    return os.path.normpath(f"/{path.lstrip('/')}")


def share_advice(instances: list[Settings]) -> list[str]:
    """What each may have is no promise where all of it together is more than there is."""
    total = total_memory()
    shares = {}
    for one in instances:
        # One that is no size is refused beside this.
        with contextlib.suppress(OperatorError):
            # 0 is no limit.
            shares[one.name] = min(in_bytes(one.memory, total) or total, total)
    together = sum(shares.values())
    if len(shares) < 2 or together <= total:
        return []
    return [
        f"The notebooks {', '.join(sorted(shares))} may take {round(100 * together / total)}% of the machine's memory "
        f"together. When they do, kernels are killed before they reach their own limit. Give each a smaller `memory` "
        f"(jupyter_memory); {100 // len(shares)}% would fit."
    ]


def instance_problems(instance: Settings, free_ports: t.Container[int | None]) -> list[str]:
    """What keeps one instance from starting here. Ports that its own container has, or will have left, are free."""
    problems = [*environment_problems(instance.environment)]
    problems += range_problems(instance)
    problems += share_problems(instance)
    gpu_problem = gpus.problem(instance.gpus)
    if gpu_problem:
        problems.append(f"its `gpus`: {gpu_problem}")
    problems += certificate_problems(instance)
    # On whichever address: the container that is there makes room for the one that takes its place.
    if instance.port not in free_ports:
        problem = port_problem(instance.bind_address, instance.port)
        if problem:
            problems.append(f"{problem}; give it another `port`, or stop that")
    # A user who is missing is reported beside these, and may be created.
    with contextlib.suppress(OperatorError):
        problems += directory_problems(instance, find_account(instance.user))
    return problems


def share_problems(instance: Settings) -> list[str]:
    """What is wrong with its share of the machine."""
    problems = []
    sizes = {}
    for key in ("memory", "shm_size"):
        try:
            sizes[key] = in_bytes(getattr(instance, key), total_memory())
        except OperatorError as error:
            problems.append(f"its `{key}`: {error}")
    # One in gigabytes may be more than a machine has: a lab says it for all of its machines.
    if instance.memory.endswith("%") and sizes.get("memory", 0) > total_memory():
        problems.append(f"its `memory` {instance.memory} is more than the machine has; write 100% at most")
    # 0 is no limit.
    elif sizes.get("memory", LEAST_MEMORY) < LEAST_MEMORY and instance.memory != "0":
        problems.append(
            f"its `memory` {instance.memory} is less than {LEAST_MEMORY // 2**20}m, in which no notebook works; write "
            f"16g or 75%"
        )
    if instance.shm_size.endswith("%") and "shm_size" in sizes:
        problems.append(f"its `shm_size` {instance.shm_size} is a share, which Docker does not take; write 1g or 512m")
    # The engine refuses more than it has, and the kernel less than a hundredth.
    most = os.cpu_count() or 1
    if instance.cpus and not 0.01 <= instance.cpus <= most:
        problems.append(f"its `cpus` {instance.cpus:g} is not from 0.01 to {most}, which this machine has; 0 is all")
    return problems


def directory_problems(instance: Settings, account: Account) -> list[str]:
    if account.uid == 0:
        return ["its `user` is root, with whose rights no notebook runs; name another"]
    problems = []
    for key, directory in instance.directories(account).items():
        # A home of its own is made by root, in a directory of root's.
        is_ours = key == "home" and not instance.home and not os.path.lexists(directory)
        checks = [check_room] if is_ours else [check_usable, check_room]
        if key == "home":
            checks.append(check_executable)
        try:
            for check in checks:
                run_as(account, functools.partial(check, directory))
            in_time(functools.partial(check_reachable, directory))
        except OperatorError as error:
            problems.append(f"{account.name} cannot use its `{key}` {directory}: {error}, or choose another `{key}`")
    return problems


def engine_users(socket_file: Path) -> set[str]:
    """Who may use the engine, besides root. Its socket says which group that is."""
    try:
        group = grp.getgrgid(socket_file.stat().st_gid)
    except (OSError, KeyError):
        return set()
    primary = {entry.pw_name for entry in pwd.getpwall() if entry.pw_gid == group.gr_gid}
    return (primary | set(group.gr_mem)) - {"root"}


def neighbour_problems(instances: list[Settings], allowed: set[str]) -> list[str]:
    """Whom no file of another user is safe from: the engine mounts any file into a container of theirs."""
    users = {instance.user for instance in instances}
    if len(users) < 2:
        return []
    return [
        f"{user} may use Docker Engine, which equals being root, and so could read the token and the files of "
        f"everybody else who has a notebook on this machine. Take {user} out of docker_users and of the group "
        f"that owns {ENGINE_SOCKET} (`gpasswd --delete {user} docker`), or accept it with jupyter_allow_docker_users."
        for user in sorted(users & allowed)
    ]


def neighbour_advice(instances: list[Settings], allowed: set[str]) -> list[str]:
    """Who could do the same without a notebook. They may be the operator's own people."""
    users = {instance.user for instance in instances}
    others = sorted(allowed - users)
    if len(users) < 2 or not others:
        return []
    return [
        f"{', '.join(others)} may use Docker Engine, which equals being root, and so can read the token and the files "
        f"of everybody who has a notebook on this machine. If that is not meant, take them out of docker_users and of "
        f"the group that owns {ENGINE_SOCKET}; jupyter_allow_docker_users accepts it."
    ]


def home_advice(instance: Settings, account: Account) -> list[str]:
    """A login's own settings run outside of the container, with all of the account's rights."""
    home = plain(account.home)
    open_to_it = [
        f"`{key}` {directory}"
        for key, directory in instance.directories(account).items()
        if os.path.commonpath((plain(directory), home)) == plain(directory)
    ]
    if not open_to_it:
        return []
    return [
        f"Instance {instance.name}: its {' and its '.join(open_to_it)} holds the home of {account.name}, so code in "
        f"the notebook can write ~/.ssh/authorized_keys and ~/.bashrc, and so act outside of it. With a `workdir` like "
        f"~/notebooks and without `home`, it cannot."
    ]


def list_devices() -> list[Device]:
    """The GPUs of this machine, in the driver's order; none where it does not answer."""
    return devices_of(smi_list.parse(System(timeout=SMI_TIMEOUT).run("nvidia-smi", "-L").stdout).gpus)


def recorded_gpus(name: str) -> tuple[str, ...]:
    try:
        return load_settings(name).gpus
    except OperatorError:
        return ()


def others_gpus(listed: set[str]) -> list[tuple[str, ...]]:
    """What the instances have that are on this machine and not in the list."""
    found = []
    for name in unlisted(listed):
        # Of one that cannot be read, nothing is known.
        with contextlib.suppress(OperatorError):
            settings = load_settings(name)
            if settings.enabled:
                found.append(settings.gpus)
    return found


def known_names(instances: list[Settings], engine: Engine) -> frozenset[str]:
    """Of the single GPUs that are given in turn. Empty: NVIDIA's own runtime knows them all."""
    methods = {instance.gpu_method for instance in instances if instance.gpus == gpus.AUTO}
    by_cdi = "cdi" in methods or ("auto" in methods and gpus.find_method(engine) == "cdi")
    return gpus.cdi_names(engine) if by_cdi else frozenset()


def settle_gpus(
    wanted: list[Settings],
    images: dict[str, dict[str, t.Any] | None],
    engine: Engine,
    allow_shared: bool,
    others: t.Iterable[tuple[str, ...]] = (),
) -> tuple[list[Settings], list[str]]:
    """The instances with their GPUs, and what is wrong with what they ask for.

    others: what instances have that stay on this machine beside these.
    """
    can = functools.lru_cache(maxsize=None)(lambda: bool(gpus.find_method(engine)))
    open_to_gpus = [
        instance
        for instance in wanted
        if instance.gpus not in ((), gpus.AUTO)
        or (instance.gpus == gpus.AUTO and wants_gpus(images[instance.image]) and can())
    ]
    named = [instance for instance in open_to_gpus if instance.gpus != gpus.AUTO]
    if not open_to_gpus or (len(named) == len(open_to_gpus) == 1):
        given = {instance.name: instance.gpus for instance in named}
        problems = []
    else:
        devices = list_devices()
        problems = [] if allow_shared else conflicts(named, devices)
        recorded = {instance.name: recorded_gpus(instance.name) for instance in open_to_gpus}
        given = assign(open_to_gpus, devices, recorded, known_names(open_to_gpus, engine), others)
    return [instance._replace(gpus=given.get(instance.name, ())) for instance in wanted], problems


def port_of(name: str, engine: Engine) -> int | None:
    """At which the container of an instance is published, while it runs."""
    container = engine.inspect("container", f"jupyter-{name}")
    if container and container["State"]["Running"] and layout.LABEL_INSTANCE in labels(container):
        return published(container)[1]
    return None


def leaving(units: dict[str, list[str]], remove_unlisted: bool, force: bool) -> list[str]:
    """Instances that the run stops before it starts others. One that is at work is removed by force only."""
    removed = units["unlisted"] if remove_unlisted else []
    return units["to_stop"] + [name for name in removed if force or not is_at_work(name)]


def is_at_work(name: str) -> bool:
    try:
        return bool(status(name)["busy"])
    except OperatorError:
        return True


def unit_states(instances: list[Settings]) -> dict[str, list[str]]:
    """The names of instances by what is to be done about their units."""
    names = ("active", "failed", "settled", "starting", "to_start", "to_stop")
    states: dict[str, list[str]] = {name: [] for name in names}
    for instance in instances:
        unit = unit_properties(instance.unit)
        if not instance.enabled:
            if unit["LoadState"] == "loaded" and (unit["ActiveState"], unit["UnitFileState"]) != (
                "inactive",
                "disabled",
            ):
                states["to_stop"].append(instance.name)
            continue
        state = {"activating": "starting"}.get(unit["ActiveState"], unit["ActiveState"])
        if state in ("active", "failed", "starting"):
            states[state].append(instance.name)
        is_settled = (unit["ActiveState"], unit["UnitFileState"]) == ("active", "enabled")
        states["settled" if is_settled else "to_start"].append(instance.name)
    return {**states, "unlisted": unlisted({instance.name for instance in instances})}


def unlisted(listed: set[str]) -> list[str]:
    """The names of instances that an earlier run made, and that are not in the list."""
    return sorted(set(configured()) - listed)


def preflight(
    instances: list[dict[str, t.Any]],
    allow_plain_http: bool,
    allow_docker_users: bool = False,
    share_gpus: bool = False,
    remove_unlisted: bool = False,
    force: bool = False,
    check_mode: bool = False,
) -> dict[str, t.Any]:
    problems = [problem for instance in instances for problem in type_problems(instance)]
    if problems:
        return {"problems": problems}
    listed = [Settings.parse(instance) for instance in instances]
    problems = list_problems(listed, allow_plain_http)
    if not Path("/run/systemd/system").is_dir():
        problems.append("systemd is not the first process of this machine, and notebooks run as its units.")
    if problems:
        return {"problems": problems}

    engine, engine_error = Engine(), ""
    own_ports: dict[str, int | None] = {}
    left_ports: set[int | None] = set()
    units = unit_states(listed)
    missing_images: list[str] = []
    wanted = [instance for instance in listed if instance.enabled]
    may_use_engine = engine_users(ENGINE_SOCKET)
    if not allow_docker_users:
        problems += neighbour_problems(wanted, may_use_engine)
    try:
        engine.version()
        gone = leaving(units, remove_unlisted, force)
        left_ports = {port_of(name, engine) for name in gone}
        images = {name: engine.inspect("image", name) for name in sorted({instance.image for instance in wanted})}
        missing_images = [name for name, image in images.items() if image is None]
        others = others_gpus({instance.name for instance in listed}.union(gone))
        wanted, found = settle_gpus(wanted, images, engine, share_gpus, others)
        problems += found
        for instance in wanted:
            own_ports[instance.name] = port_of(instance.name, engine)
            if gpus.problem(instance.gpus):
                # Told below: whether the engine can give them is another matter.
                continue
            try:
                gpus.choose(instance.gpus, instance.gpu_method, engine)
            except EngineError:
                raise
            except OperatorError as error:
                # In check mode, the toolkit that this run installs is not there yet.
                if not check_mode:
                    problems.append(f"Instance {instance.name}: {error}")
    except EngineError as error:
        engine_error = str(error)

    advice = share_advice(wanted)
    if not allow_docker_users:
        advice += neighbour_advice(wanted, may_use_engine)
    missing_users = set()
    for instance in wanted:
        found = instance_problems(instance, left_ports | {own_ports.get(instance.name)})
        problems += [f"Instance {instance.name}: {problem}." for problem in found]
        try:
            advice += home_advice(instance, find_account(instance.user))
        except OperatorError:
            missing_users.add(instance.user)
    directories = [layout.CONFIG / instance.name for instance in wanted]
    return {
        "problems": problems,
        "advice": advice,
        "engine_error": engine_error,
        "missing_images": missing_images,
        "missing_users": sorted(missing_users),
        "gpus": {instance.name: list(instance.gpus) for instance in wanted},
        "missing_directories": [str(directory) for directory in directories if not directory.is_dir()],
        "units": units,
        "nft": shutil.which("nft") or "",
        "backups": {"timers": timers(), "restic": shutil.which("restic") or ""},
    }
