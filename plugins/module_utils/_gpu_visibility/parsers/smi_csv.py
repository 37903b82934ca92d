# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`nvidia-smi --query-gpu=FIELDS --format=csv`: the way out where the XML of a driver cannot be read.

It exits 0 even where a GPU is lost, and says so inside the cells. The fields asked for here were never renamed.
"""

from __future__ import annotations

import csv
import re
import typing as t

from . import pci, smi_text

FIELDS = "index,name,uuid,pci.bus_id,driver_version,memory.total,mig.mode.current"
_UNIT = re.compile(r"\s*\[[^\]]*\]$")


class CsvGpu(t.NamedTuple):
    number: int | None
    name: str | None
    uuid: str | None
    bus_id: str | None
    driver_version: str | None
    memory: int | None
    mig_mode: str
    faults: list[str]
    cells: t.Sequence[tuple[str, str]] = ()


def rows(text: str) -> list[dict[str, str]]:
    """Each GPU's cells by the name of the field, without its unit."""
    try:
        table = list(csv.reader(text.splitlines(), skipinitialspace=True))
    except csv.Error:
        return []
    if not table:
        return []
    names = [_UNIT.sub("", name).strip() for name in table[0]]
    return [dict(zip(names, row)) for row in table[1:] if len(row) == len(names)]


def parse(text: str) -> list[CsvGpu]:
    found = []
    for row in rows(text):
        if "uuid" not in row or "index" not in row:
            continue
        mode = smi_text.clean(row.get("mig.mode.current"))
        found.append(
            CsvGpu(
                number=smi_text.number(row["index"]),
                name=smi_text.clean(row.get("name")),
                uuid=smi_text.clean(row["uuid"]),
                bus_id=pci.normalise(row.get("pci.bus_id")),
                driver_version=smi_text.clean(row.get("driver_version")),
                memory=smi_text.mebibytes(row.get("memory.total")),
                mig_mode={"Enabled": "enabled", "Disabled": "disabled"}.get(mode or "", "unsupported"),
                faults=sorted({name for name in map(smi_text.fault, row.values()) if name}),
                cells=[(field, fault) for field, fault in zip(row, map(smi_text.fault, row.values())) if fault],
            )
        )
    return found
