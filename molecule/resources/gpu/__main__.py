# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a simulated GPU machine: run in the parent of this directory as `python3 -m gpu COMMAND ROOT`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import typing as t
from pathlib import Path

from . import files
from .machine import Gpu, Machine, cdi_spec


def machine_of(settings: dict[str, t.Any]) -> Machine:
    """The machine with these fields changed; `gpus` is a number, or a list of fields for each."""
    gpus = settings.pop("gpus", 2)
    each = [{} for _gpu in range(gpus)] if isinstance(gpus, int) else gpus
    made = tuple(Gpu(**{"index": index, **fields}) for index, fields in enumerate(each))
    return dataclasses.replace(Machine(gpus=made), **settings)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="gpu", description=__doc__)
    parser.add_argument("command", choices=["build", "seams", "provide", "cdi"])
    parser.add_argument("root", type=Path)
    parser.add_argument("--machine", type=json.loads, default={}, help='as JSON: {"gpus": 2, "driver": "550.163.01"}')
    parser.add_argument("--seams", type=Path, default=Path("/opt/gpulab/seams"), help="where `seams` was made")
    chosen = parser.parse_args(arguments)
    machine = machine_of(chosen.machine)
    if chosen.command == "build":
        files.build(chosen.root, machine, nodes=True)
    elif chosen.command == "seams":
        files.seams(chosen.root, machine)
    elif chosen.command == "provide":
        files.provide(machine, chosen.root, chosen.seams)
    else:
        files.write(chosen.root / "var/run/cdi/nvidia.yaml", cdi_spec(machine))


if __name__ == "__main__":
    main(sys.argv[1:])
