# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Doubles of the modules that touch Windows itself."""

from __future__ import annotations

import time
import typing as t

from .machine import Machine, ModuleError

Params = dict[str, t.Any]
Result = dict[str, t.Any]


def setup(machine: Machine, params: Params, check: bool) -> Result:
    with machine.state() as state:
        windows = state["windows"]
        facts = {
            "ansible_distribution_version": windows["version"],
            "ansible_os_family": "Windows",
            "ansible_os_product_type": windows["product_type"],
            "ansible_memtotal_mb": windows["memory_mb"],
            "ansible_user_id": windows["connects_as"],
            "ansible_reboot_pending": state["reboot_pending"],
        }
    return {"changed": False, "ansible_facts": facts}


def win_reg_stat(machine: Machine, params: Params, check: bool) -> Result:
    if (params["path"], params["name"]) != ("HKLM:\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion", "EditionID"):
        return {"changed": False, "exists": False}
    with machine.state() as state:
        return {"changed": False, "exists": True, "type": "REG_SZ", "value": state["windows"]["edition"]}


def win_disk_facts(machine: Machine, params: Params, check: bool) -> Result:
    with machine.state() as state:
        drives = state["drives"]
    recovery = {"number": 1, "drive_letter": None, "hidden": True}
    disks = [{"number": n, "partitions": [recovery, {"number": 2, "drive_letter": d}]} for n, d in enumerate(drives)]
    return {"changed": False, "ansible_facts": {"ansible_disks": disks}}


def hang(machine: Machine, module: str) -> None:
    if machine.fault(module) == "hang":
        time.sleep(100)
        raise ModuleError(f"{module} hung for 100 seconds, and nobody ended it")


def win_listen_ports_facts(machine: Machine, params: Params, check: bool) -> Result:
    hang(machine, "win_listen_ports_facts")
    with machine.state() as state:
        ports = list(state["listeners"])
        for container in state["containers"].values():
            if container["Running"]:
                ports.append({"name": "com.docker.backend", "port": int(container["publish"].split(":")[-2])})
    listen = [{"address": "127.0.0.1", "protocol": "tcp", **port} for port in ports]
    return {"changed": False, "ansible_facts": {"tcp_listen": listen, "udp_listen": []}}


def win_optional_feature(machine: Machine, params: Params, check: bool) -> Result:
    hang(machine, "win_optional_feature")
    with machine.state() as state:
        missing = []
        for name in params["name"]:
            if name not in state["features"]:
                raise ModuleError(f"Failed to find feature '{name}'")
            if not state["features"][name].startswith("Enable"):
                missing.append(name)
        if not check:
            state["features"] |= dict.fromkeys(missing, "EnablePending")
            state["reboot_pending"] = state["reboot_pending"] or bool(missing)
    return {"changed": bool(missing), "reboot_required": bool(missing) and not check}


def win_service(machine: Machine, params: Params, check: bool) -> Result:
    with machine.state() as state:
        changed = state["services"][params["name"]] != params["start_mode"]
        if not check:
            state["services"][params["name"]] = params["start_mode"]
    return {"changed": changed}


def win_reboot(machine: Machine, params: Params, check: bool) -> Result:
    if check:
        return {"changed": True, "rebooted": True, "elapsed": 0}
    with machine.state() as state:
        state["features"] = {
            name: "Enabled" if value == "EnablePending" else value for name, value in state["features"].items()
        }
        state["reboot_pending"] = False
        state["desktop"]["runs"] = False
        state["logged_on"] = state["logged_on"] if state["logs_on_again"] else []
    machine.note("win_reboot")
    return {"changed": True, "rebooted": True, "elapsed": 42}


def win_group_membership(machine: Machine, params: Params, check: bool) -> Result:
    with machine.state() as state:
        members = state["groups"].get(params["name"])
        if members is None:
            raise ModuleError(f"Could not find local group {params['name']}")
        added = [member for member in params["members"] if member not in members]
        if not check:
            members.extend(added)
    return {"changed": bool(added), "added": added}


def win_firewall_rule(machine: Machine, params: Params, check: bool) -> Result:
    with machine.state() as state:
        before = state["firewall_rules"].get(params["name"])
        after = {key: params[key] for key in ("localport", "protocol", "remoteip", "profiles", "action")}
        wanted = after if params["state"] == "present" else None
        if not check:
            state["firewall_rules"].pop(params["name"], None)
            if wanted:
                state["firewall_rules"][params["name"]] = wanted
    return {"changed": before != wanted}


def win_scheduled_task(machine: Machine, params: Params, check: bool) -> Result:
    name = f"{params['path'].rstrip(chr(92))}\\{params['name']}"
    with machine.state() as state:
        before = state["scheduled_tasks"].get(name)
        after = {key: params[key] for key in ("actions", "triggers", "username", "logon_type", "run_level")}
        if not check:
            state["scheduled_tasks"][name] = after
    return {"changed": before != after}
