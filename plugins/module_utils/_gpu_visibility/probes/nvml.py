# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nvidia-smi sees.

First -L, which alone survives a bad GPU; then all of them in XML; each by itself only where one of these failed.
"""

from __future__ import annotations

import sys
import typing as t

from ..parsers import smi_csv, smi_list, smi_xml
from ..seen import Seen, Smi
from ..system import System

# The exit codes that are NVML's own return code; others come out as 255.
_SAME_CODE = frozenset((0, 2, 3, 4, 6, 8, 9, 11, 12, 13, 14, 15, 17, 18, 19, 23))
_MOST_SINGLE = 16
# In a process of its own: a driver that hangs would take the caller along.
_NVML_INIT = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
library.nvmlErrorString.restype = ctypes.c_char_p
code = library.nvmlInit_v2()
print(code, library.nvmlErrorString(code).decode())
"""


def nvml(system: System, seen: Seen) -> None:
    first = system.run("nvidia-smi", "-L")
    smi = seen.smi = Smi(first, smi_list.parse(first.stdout))
    smi.failed = list(smi.listing.failed)
    seen.evidence["nvml"] = [first.evidence()]
    if first.rc is None:
        return
    # Where -L finds nothing, the XML form has the better exit code: -L exits 0.
    if smi.listing.gpus or smi.listing.none_found or first.rc == 0:
        _details(system, seen, smi)
    codes = {run.rc for run in (smi.listing_run, smi.xml_run) if run}
    if smi.rc in _SAME_CODE:
        seen.nvml_rc = smi.rc
    elif codes != {0}:
        _ask_library(system, seen)


def _details(system: System, seen: Seen, smi: Smi) -> None:
    run = smi.xml_run = system.run("nvidia-smi", "-q", "-x")
    answer = smi.xml = smi_xml.parse(run.stdout)
    smi.failed += [failed for failed in smi_list.failures(run.stdout) if not _is_known(failed, smi.failed)]
    if run.rc == 0 and answer.gpus:
        smi.gpus = answer.gpus
        seen.evidence["nvml"].append(
            {**run.evidence(), "text": f"{len(answer.gpus)} GPUs, driver {answer.driver_version}"}
        )
        return
    seen.evidence["nvml"].append(run.evidence())
    if run.rc is None:
        return
    for gpu in smi.listing.gpus[:_MOST_SINGLE]:
        single = system.run("nvidia-smi", "-q", "-x", "-i", gpu.uuid)
        if single.rc is None:
            seen.evidence["nvml"].append(single.evidence())
            break
        one = smi_xml.parse(single.stdout)
        smi.gpus += one.gpus
        if one.gpus and answer.driver_version is None:
            answer = smi.xml = one
    if smi.listing.gpus and not smi.gpus:
        _as_csv(system, seen, smi)


def _as_csv(system: System, seen: Seen, smi: Smi) -> None:
    """A driver whose XML nobody understands still has the fields that never changed."""
    run = system.run("nvidia-smi", f"--query-gpu={smi_csv.FIELDS}", "--format=csv")
    seen.evidence["nvml"].append(run.evidence())
    empty = smi_xml.parse("<nvidia_smi_log><gpu/></nvidia_smi_log>").gpus[0]
    for row in smi_csv.parse(run.stdout):
        values: dict[str, t.Any] = {
            "bus_id": row.bus_id,
            "uuid": row.uuid,
            "name": row.name,
            "memory": row.memory,
            "mig_mode": row.mig_mode,
            "faults": row.faults,
            "cells": row.cells,
            "values": len(smi_csv.FIELDS.split(",")),
        }
        smi.gpus.append(empty._replace(**values))
    if not smi.gpus:
        smi.problem = smi.xml.problem if smi.xml and smi.xml.problem else "nothing in it was understood"


def _is_known(failed: smi_list.Failed, others: list[smi_list.Failed]) -> bool:
    return any(failed.number == other.number and failed.bus_id == other.bus_id for other in others)


def _ask_library(system: System, seen: Seen) -> None:
    """The precise code, which nvidia-smi hides behind 255: one call of the library itself."""
    folders = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/lib/wsl/lib")
    path = next((name for name in (f"{one}/libnvidia-ml.so.1" for one in folders) if system.exists(name)), None)
    if path:
        run = system.run_path(sys.executable, "-c", _NVML_INIT, system.path(path), ref="nvmlInit_v2")
        seen.evidence["nvml"].append(run.evidence())
        code = run.stdout.split(" ", 1)[0]
        seen.nvml_rc = int(code) if run.rc == 0 and code.isdigit() else None
