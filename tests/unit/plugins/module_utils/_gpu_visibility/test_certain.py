# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certain means proven: on no machine do two certain findings exclude each other, or one of them the same result.

Two plays at a time on one machine make states that nobody thought of. What contradicts what is written here once more,
by the result alone, so that a mistake in the catalogue's own rules shows.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.gpu import files
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Machine
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.catalogue import ENTRIES, confidence
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.detect import Hit
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.facts import FACTS
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.seen import Seen
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._gpu_visibility.plays import PLAYS, Play
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._gpu_visibility.reports import (
    CASES,
    FOUND,
    LATER,
)

Result = dict[str, t.Any]
ALL = [play for play in (*PLAYS, *CASES, *FOUND, *LATER) if play.finding not in ("nvidia_smi_hangs",)]


def _devices(result: Result) -> bool:
    return any(file["devices"] for file in result["cdi"]["spec_files"])


def _answers(result: Result) -> bool:
    return bool(result["docker"] and result["docker"]["version"])


def _rootless(result: Result) -> bool:
    return bool(result["docker"] and result["docker"]["rootless"])


def _listed(result: Result) -> bool:
    return bool(result["counts"]["nvml"])


def _loaded(result: Result) -> bool:
    return result["driver"]["loaded_version"] is not None


def _works(result: Result) -> bool:
    container = result["container"]
    return bool(container and container["rc"] == 0 and result["counts"]["container"])


# What a certain finding says cannot be where this holds in the same result.
REFUTES: dict[str, t.Callable[[Result], bool]] = {
    "cdi_spec_missing": _devices,
    "cdi_vendor_unknown": _devices,
    "cdi_spec_elsewhere": _devices,
    "docker_not_running": _answers,
    "docker_ignores_gpus": lambda result: result["docker"]["engine"] in ("desktop", "podman", "elsewhere"),
    "toolkit_missing": lambda result: result["toolkit"]["version"] is not None,
    "runtime_not_registered": lambda result: "nvidia" in (result["docker"]["runtimes"] or []),
    "docker_cdi_disabled": lambda result: result["cdi"]["enabled"] is True,
    "driver_not_communicating": lambda result: _loaded(result) or _listed(result),
    "module_not_built": lambda result: _loaded(result) or _listed(result),
    "module_signature_rejected": lambda result: _loaded(result) or result["driver"]["secure_boot"] is not True,
    "module_blacklisted": lambda result: _loaded(result) or _listed(result),
    "module_of_another_kernel": lambda result: _loaded(result) or _listed(result),
    "module_symbols_missing": lambda result: _loaded(result) or _listed(result),
    "no_devices_found": lambda result: _listed(result) or not _loaded(result),
    "driver_library_missing": _listed,
    "nvml_driver_library_mismatch": _listed,
    "wsl_gpu_kept_by_windows": _listed,
    "toolkit_no_cgroups": lambda result: result["toolkit"]["no_cgroups"] is not True or _rootless(result),
    "rootless_cgroups_denied": lambda result: not _rootless(result) or result["toolkit"]["no_cgroups"] is True,
    "toolkit_without_cgroup_v2": lambda result: result["docker"]["cgroup_version"] == "1",
    "driver_starts_for_each_container": lambda result: result["driver"]["persistence"] is True,
    "toolkit_cannot_load_library": lambda result: not _listed(result),
    "driver_library_other_inside": lambda result: not _listed(result) or _works(result),
    "engine_without_gpu": lambda result: result["docker"]["engine"] not in ("desktop", "elsewhere"),
    "container_lost_devices": lambda result: result["toolkit"]["no_cgroups"] is True,
    "gpu_unavailable": lambda result: bool(result["gpus"]) and all(gpu["memory_total_bytes"] for gpu in result["gpus"]),
    "framework_without_cuda": lambda result: all(one["devices"] for one in result["frameworks"]),
}
# Of each group, one certain finding at most.
EXCLUSIVE = (
    {"module_not_built", "module_signature_rejected", "module_of_another_kernel"},
    {"cdi_spec_missing", "cdi_device_unknown", "cdi_spec_too_new"},
    {"container_lost_devices", "toolkit_no_cgroups"},
    {"nvml_driver_library_mismatch", "module_older_than_library"},
    {"docker_not_running", "engine_without_gpu"},
    {"toolkit_missing", "hook_refuses_mode"},
    {"driver_library_missing", "no_devices_found"},
    {"framework_without_cuda", "driver_capability_missing"},
)


def check(result: Result) -> None:
    certain = {finding["id"] for finding in result["findings"] if finding["confidence"] == "certain"}
    for name in certain & set(REFUTES):
        assert not REFUTES[name](result), f"{name} is certain against the same result: {result['summary']}"
    for group in EXCLUSIVE:
        assert len(certain & group) <= 1, f"{certain & group} are certain together"


def together(first: Play, second: Play) -> Machine:
    """One machine that has what sets each of them apart; of what both set, the second's."""
    changed = {
        field.name: getattr(one.machine, field.name)
        for one in (first, second)
        for field in dataclasses.fields(Machine)
        if getattr(one.machine, field.name) != getattr(Machine(), field.name)
    }
    changed["kernel_log"] = first.machine.kernel_log + second.machine.kernel_log
    return dataclasses.replace(Machine(), **changed)


def pairs(seed: int, count: int) -> list[tuple[Play, Play]]:
    every = list(itertools.permutations(ALL, 2))
    return random.Random(seed).sample(every, count)  # noqa: S311


@pytest.mark.parametrize("play", ALL, ids=lambda play: play.id)
def test_alone(play: Play, build: t.Callable[[Machine], Path], look_at: t.Callable[..., Result]) -> None:
    root = build(play.machine)
    play.arrange(root)
    check(look_at(root, **play.options))


@pytest.mark.parametrize("seed", range(12))
def test_together(seed: int, tmp_path: Path, nodes_as_files: None, look_at: t.Callable[..., Result]) -> None:
    for number, (first, second) in enumerate(pairs(seed, 12)):
        root = files.build(tmp_path / str(number), together(first, second))
        for play in (first, second):
            try:
                play.arrange(root)
            except FileNotFoundError:
                continue  # the other took away what this one was to remove
        result = look_at(root, **{**first.options, **second.options})
        try:
            check(result)
        except AssertionError as error:
            raise AssertionError(f"{first.id} and {second.id}: {error}") from None


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_every_row_names_what_proves_it(entry: t.Any) -> None:
    names = [name.removeprefix("not ") for name in entry.needs]
    assert names, "what has to be seen for it to be certain?"
    assert set(names) | set(entry.excludes) <= set(FACTS)
    assert not set(entry.needs) & set(entry.excludes)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_no_row_is_certain_without_evidence(entry: t.Any) -> None:
    """Whatever its detection claims: of a host of which nothing was seen, nothing is certain."""
    assert confidence(Seen(), entry, Hit(confidence="certain")) != "certain"


@pytest.mark.parametrize("entry", [one for one in ENTRIES if one.excludes], ids=lambda entry: entry.id)
def test_no_row_is_more_than_possible_against_evidence(entry: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FACTS:
        monkeypatch.setitem(FACTS, name, lambda seen: True)
    assert confidence(Seen(), entry, Hit(confidence="certain")) == "possible"
