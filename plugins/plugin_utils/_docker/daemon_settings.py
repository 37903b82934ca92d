# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of daemon.json that the variables ask for."""

from __future__ import annotations

import copy
import typing as t
from dataclasses import dataclass, field

from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.merge import merge
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker import address_pools
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.seen import KeyPath, Look
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.wanted import Wanted
from ansible_collections.gpulab.workstation.plugins.plugin_utils._plan.variables import Config

# The driver of an engine whose daemon.json names none.
_DEFAULT_DRIVER = "json-file"
# The role's default options are known to these drivers.
_ROTATING_DRIVERS = ("json-file", "local")


@dataclass
class DaemonSettings:
    settings: Config = field(default_factory=dict)
    proxies: dict[str, str] = field(default_factory=dict)
    # Whether the engine takes proxies from daemon.json.
    has_proxies: bool = True
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def secret(self) -> bool:
        """A URL with a user in it. All else stays visible, because the module's words about a mistake matter."""
        return "@" in str(self.settings)


def daemon_settings(wanted: Wanted, look: Look, installed_version: str) -> DaemonSettings:
    variables = wanted.variables
    found = DaemonSettings()
    proxies = {
        "http-proxy": variables.http_proxy,
        "https-proxy": variables.https_proxy,
        "no-proxy": variables.no_proxy,
    }
    found.proxies = {key: value for key, value in proxies.items() if value}
    found.has_proxies = _has_proxies(wanted, installed_version)
    own: Config = {"live-restore": variables.live_restore}
    own.update(_ulimits(wanted, look, found))
    own.update(_logging(wanted, look, found))
    if address_pools.KEY not in variables.daemon_settings:
        choice = address_pools.choose(wanted, look.settings.get(address_pools.KEY), look.routes)
        found.refused += choice.refused
        found.notes += choice.notes
        if choice.pools:
            own[address_pools.KEY] = choice.pools
    optional = {
        "data-root": variables.data_root,
        "registry-mirrors": variables.registry_mirrors,
        "proxies": found.proxies if found.has_proxies else {},
    }
    own.update({key: value for key, value in optional.items() if value})
    found.settings = merge(own, variables.daemon_settings)
    return found


def without(settings: Config, paths: t.Iterable[KeyPath]) -> Config:
    """An object that becomes empty goes too: merged, it would change nothing."""
    left = copy.deepcopy(settings)
    for path in paths:
        _remove(left, path)
    return left


def _remove(settings: t.Any, path: KeyPath) -> None:
    if not isinstance(settings, dict) or path[0] not in settings:
        return
    if len(path) == 1:
        del settings[path[0]]
        return
    _remove(settings[path[0]], path[1:])
    if settings[path[0]] == {}:
        del settings[path[0]]


def leaves(settings: Config) -> list[KeyPath]:
    """Keys inside an object one by one, because others write into the same objects."""
    return [
        (key, *inner)
        for key, value in settings.items()
        for inner in ([(one,) for one in value] if isinstance(value, dict) else [()])
    ]


def _has_proxies(wanted: Wanted, installed_version: str) -> bool:
    """Engines before 23.0 refuse to start with `proxies` in daemon.json."""
    version = installed_version
    if not version:
        oldest = wanted.variables.source == "distribution" and wanted.platform == "Debian-12"
        version = "20.10" if oldest else "99"
    major = version.split(".")[0]
    return not major.isdigit() or int(major) >= 23


def _ulimits(wanted: Wanted, look: Look, found: DaemonSettings) -> Config:
    variables = wanted.variables
    soft = min(variables.nofile_soft, look.highest_open_files)
    hard = min(variables.nofile_hard, look.highest_open_files)
    limit = {"Name": "nofile", "Soft": soft, "Hard": hard}
    current = (look.settings.get("default-ulimits") or {}).get("nofile")
    if current and {"nofile_soft", "nofile_hard"} <= wanted.undecided and _is_another_limit(current, limit, look):
        found.notes.append(
            f"default-ulimits.nofile in daemon.json of {wanted.host} stays {current['Soft']} to {current['Hard']}, "
            "because neither docker_nofile_soft nor docker_nofile_hard is set."
        )
        return {}
    return {"default-ulimits": {"nofile": limit}}


def _is_another_limit(current: t.Any, limit: dict[str, t.Any], look: Look) -> bool:
    """Whether an operator has set it, and the host can give it."""
    if not isinstance(current, dict) or current == limit:
        return False
    soft, hard = current.get("Soft"), current.get("Hard")
    return isinstance(soft, int) and isinstance(hard, int) and max(soft, hard) <= look.highest_open_files


def _logging(wanted: Wanted, look: Look, found: DaemonSettings) -> Config:
    variables = wanted.variables
    driver = variables.daemon_settings.get("log-driver", variables.log_driver)
    options = variables.log_options
    if not driver:
        return {}
    undecided = {"log_driver", "log_options"} <= wanted.undecided and "log-driver" not in variables.daemon_settings
    if undecided and _is_another_logging(driver, options, look):
        found.notes.append(
            f"log-driver and log-opts in daemon.json of {wanted.host} stay "
            f"{look.settings.get('log-driver', _DEFAULT_DRIVER)} with "
            f"{', '.join(look.settings.get('log-opts') or {}) or 'no options'}, because neither docker_log_driver nor "
            "docker_log_options is set."
        )
        return {}
    if "log_options" in wanted.undecided and driver not in _ROTATING_DRIVERS:
        # An engine does not start with an option that its driver does not know.
        return {"log-driver": driver}
    return {"log-driver": driver, "log-opts": options}


def _is_another_logging(driver: str, options: dict[str, str], look: Look) -> bool:
    """Whether daemon.json has a driver or options that are not the defaults of the role."""
    if "log-driver" not in look.settings and "log-opts" not in look.settings:
        return False
    current = look.settings.get("log-opts") or {}
    return look.settings.get("log-driver", _DEFAULT_DRIVER) != driver or any(
        current.get(key) != value for key, value in options.items()
    )
