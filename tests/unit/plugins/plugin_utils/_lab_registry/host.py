# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry's host as the role lab_registry sees it, and the input of its plans."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import yaml
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.certificates import Certificate
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.plan import Plan, plan
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.seen import (
    Controller,
    File,
    Look,
    Port,
    Seen,
    Unit,
)
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.wanted import Wanted, read

ROLE = Path(__file__).resolve().parents[5] / "roles" / "lab_registry"
DEFAULTS: dict[str, t.Any] = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
TABLES: dict[str, t.Any] = yaml.safe_load((ROLE / "vars" / "main.yml").read_text().replace("{{ __lab_registry_", "{{"))
UNITS = {
    "pull": "docker-registry.service",
    "push": "docker-registry-push.service",
    "clean": "docker-registry-clean.service",
    "timer": "docker-registry-clean.timer",
}
STORAGE = "/var/lib/docker-registry"
DIRECTORIES = [
    {"path": "/usr/local/libexec/gpulab", "owner": "root", "mode": "0755"},
    {"path": STORAGE, "owner": "docker-registry", "mode": "0750"},
]
FILES = [
    {**one, "group": one["group"].replace("{{user }}", "docker-registry")} for one in TABLES["__lab_registry_files"]
]
CLEAN_FILES = TABLES["__lab_registry_clean_files"]
PATHS = TABLES["__lab_registry_paths"]
ACCOUNTS = TABLES["__lab_registry_password_files"]
STATE_FILES = TABLES["__lab_registry_state_files"]
DAY = 86400.0
NOW = 1_795_000_000.0
STARTED = NOW - 7 * DAY
NAMES = frozenset(["DNS:lab01", "DNS:localhost", "IP:127.0.0.1"])


def given(groups: dict[str, list[str]] | None = None, check_mode: bool = False, **variables: t.Any) -> dict[str, t.Any]:
    """The input of the filter: the role's variables and tables for a machine with Debian 13."""
    unknown = variables.keys() - DEFAULTS.keys()
    assert not unknown, unknown
    of_a_lab = {
        "lab_registry_host": "lab01",
        "lab_registry_port": 5000,
        "lab_registry_push_port": 5001,
        "lab_registry_state": "/lab/.gpulab/registry",
    }
    return {
        "host": "lab01",
        "check_mode": check_mode,
        "now": NOW,
        "variables": {**DEFAULTS, **of_a_lab, **variables},
        "defaults": DEFAULTS,
        "groups": {"registry": ["lab01"], "builder": [], "workstations": [], **(groups or {})},
        "distribution": "Debian",
        "distribution_version": "13.1",
        "distribution_major_version": "13",
        "service_mgr": "systemd",
        "platforms": TABLES["__lab_registry_platforms"],
        "packages": TABLES["__lab_registry_packages"],
        "units": UNITS,
        "paths": PATHS,
        "directories": DIRECTORIES,
        "files": FILES,
        "clean_files": CLEAN_FILES,
        "password_files": ACCOUNTS,
        "state_files": STATE_FILES,
    }


def wants(**variables: t.Any) -> Wanted:
    wanted, problems = read(given(**variables))
    assert problems == []
    return wanted


def authority(key: str = "aa", days: float = 3000) -> Certificate:
    return Certificate(NOW + days * DAY, "20340101", frozenset(), key, key)


def certificate(signed_by: str = "aa", days: float = 700, names: t.Iterable[str] = NAMES) -> Certificate:
    return Certificate(NOW + days * DAY, "20281028", frozenset(names), "5e", signed_by)


def controller(**more: t.Any) -> Controller:
    """One that set the registry up."""
    return dataclasses.replace(Controller(list(STATE_FILES), True, authority(), certificate()), **more)


CONTENTS = {one["path"]: f"hash of {one['path']}" for one in [*FILES, *CLEAN_FILES]}


def provisioned(**more: t.Any) -> Look:
    """A look at a registry on which nothing is to be done."""
    files = {
        one["path"]: File(True, CONTENTS[one["path"]], one["mode"], one["group"], STARTED - 1)
        for one in [*FILES, *CLEAN_FILES]
    }
    files |= {one["path"]: File(True, "", one["mode"], one["owner"]) for one in DIRECTORIES}
    files[PATHS["unpacked"]] = File(True, "x", "0644", "root", STARTED - 1)
    look = Look(
        packages=list(TABLES["__lab_registry_packages"]),
        files=files,
        units={
            UNITS["pull"]: Unit(True, True, False, STARTED, "success"),
            UNITS["push"]: Unit(True, True, False, STARTED, "success"),
            UNITS["clean"]: Unit(result="success"),
            UNITS["timer"]: Unit(True, True, False, STARTED, "success"),
        },
        passwords={path: list(names) for path, names in ACCOUNTS.items()},
        ports={5000: Port(True), 5001: Port(True)},
        percent=20,
        free=10**11,
        served=certificate(),
        now=NOW,
    )
    return dataclasses.replace(look, **more)


def newer(path: str, hours: float = 1, **more: t.Any) -> Look:
    """`path` was written so many hours ago, after both processes were started."""
    look = provisioned(**more)
    return dataclasses.replace(
        look,
        files={
            **look.files,
            path: dataclasses.replace(look.file(path), exists=True, written=NOW - hours * 3600),
        },
    )


def decide(look: Look | None = None, at: Controller | None = None, **variables: t.Any) -> Plan:
    wanted, problems = read(given(**variables))
    return plan(wanted, problems, seen(look or provisioned(), at or controller()))


def seen(look: Look, at: Controller) -> Seen:
    return Seen(controller=at, looked=True, look=look, contents=CONTENTS)
