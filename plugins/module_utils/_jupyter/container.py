# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a container is made of."""

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import Path

from . import layout
from .server import Endpoint
from .settings import Account, Settings, host_and_port, url_of


def bind_mount(source: str | Path, target: str, read_only: bool = False) -> list[str]:
    # --mount refuses a source that is missing, where --volume makes a directory of root's. Its fields are CSV.
    quoted = str(source).replace('"', '""')
    return ["--mount", f'type=bind,"source={quoted}",target={target}' + (",readonly" if read_only else "")]


def container_options(
    settings: Settings, account: Account, memory: str, opened: dict[str, str] | None = None
) -> list[str]:
    """The options of `docker run` that follow from the settings. opened: where its directories are mounted."""
    directories = opened or settings.directories(account)
    options = [
        *("--name", settings.container, "--hostname", settings.container),
        *("--user", f"{account.uid}:{account.gid}"),
        *("--network", settings.container),
        *("--publish", f"{host_and_port(settings.bind_address, settings.port)}:{layout.PORT_INSIDE}"),
        *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--memory", memory, "--shm-size", settings.shm_size, "--pids-limit", str(settings.pids_limit)),
        # Without exec, compiled extensions that are built or unpacked there do not load.
        *("--tmpfs", "/tmp:exec,mode=1777"),  # noqa: S108 (in the container)
        *("--env", f"HOME={layout.HOME_INSIDE}", "--env", f"JUPYTER_TOKEN_FILE={layout.TOKEN_INSIDE}"),
        *bind_mount(directories["workdir"], "/src"),
        *bind_mount(directories["home"], layout.HOME_INSIDE),
        *bind_mount(settings.token_file, layout.TOKEN_INSIDE, read_only=True),
        *bind_mount(settings.state / "passwd", "/etc/passwd", read_only=True),
        *bind_mount(settings.state / "group", "/etc/group", read_only=True),
        # The engine logs on behalf of the unit: with journald's field for that, `journalctl -u` shows these lines.
        *("--label", f"OBJECT_SYSTEMD_UNIT={settings.unit}", "--log-opt", "labels=OBJECT_SYSTEMD_UNIT"),
        *("--log-driver", "journald", "--log-opt", f"tag={settings.container}"),
    ]
    if settings.cpus:
        options += ["--cpus", f"{settings.cpus:g}"]
    if server_config(settings):
        inside = f"{layout.SERVER_CONFIG_INSIDE}/{layout.SERVER_CONFIG}"
        options += ["--env", f"JUPYTER_CONFIG_PATH={layout.SERVER_CONFIG_INSIDE}"]
        options += bind_mount(settings.state / layout.SERVER_CONFIG, inside, read_only=True)
    if settings.tls != "none":
        options += bind_mount(settings.certificate_file, layout.CERTIFICATE_INSIDE, read_only=True)
        options += bind_mount(settings.private_key_file, layout.PRIVATE_KEY_INSIDE, read_only=True)
    return options


def share_options(memory: str) -> list[str]:
    """How a notebook ends before the machine does. They are not among the settings: nothing is restarted for them."""
    # The kernel looks there first. With swap on top, a notebook has double, and thrashes before it meets its limit.
    return ["--oom-score-adj", "500", *(() if memory == "0" else ("--memory-swap", memory))]


def server_config(settings: Settings) -> dict[str, dict[str, t.Any]]:
    """What the server is told by a file, which works with any image and shows in no command line."""
    config: dict[str, dict[str, t.Any]] = {}
    if settings.tls != "none":
        config["ServerApp"] = {"certfile": layout.CERTIFICATE_INSIDE, "keyfile": layout.PRIVATE_KEY_INSIDE}
    if settings.cull_idle_minutes:
        seconds = 60 * settings.cull_idle_minutes
        config["MappingKernelManager"] = {
            "cull_idle_timeout": seconds,
            "cull_interval": 60,
            "cull_connected": False,
            "cull_busy": False,
        }
        config["TerminalManager"] = {"cull_inactive_timeout": seconds, "cull_interval": 60}
    return config


def settings_hash(settings: Settings, account: Account) -> str:
    """Names what a container is started with. A share of the memory stays one: MemTotal differs between kernels."""
    parts: list[t.Any] = [
        settings.image,
        container_options(settings, account, settings.memory),
        sorted(settings.environment.items()),
    ]
    config = server_config(settings)
    if config:
        parts.append(config)
    # How the engine hands them over is found out at each start.
    if settings.gpus:
        parts.append([settings.gpus, settings.gpu_method])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def passwd_and_group(account: Account) -> tuple[str, str]:
    """The image knows no user of this machine; programs inside ask for the name of theirs."""
    passwd = (
        "root:x:0:0:root:/root:/bin/bash\n"
        f"{account.name}:x:{account.uid}:{account.gid}::{layout.HOME_INSIDE}:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    )
    return passwd, f"root:x:0:\n{account.name}:x:{account.gid}:\nnogroup:x:65534:\n"


def labels(container: dict[str, t.Any]) -> dict[str, str]:
    return container["Config"].get("Labels") or {}


def published(container: dict[str, t.Any]) -> tuple[str, int]:
    """The address and port of this machine, which may differ from what is configured by now."""
    binding = container["HostConfig"]["PortBindings"][f"{layout.PORT_INSIDE}/tcp"][0]
    return binding["HostIp"], int(binding["HostPort"])


def endpoint(container: dict[str, t.Any]) -> Endpoint:
    """How a container's server is reached, as it was started."""
    fingerprint = labels(container).get(layout.LABEL_CERTIFICATE, "")
    return Endpoint(url_of("https" if fingerprint else "http", *published(container)), fingerprint)
