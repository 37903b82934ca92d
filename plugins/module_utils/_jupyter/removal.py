# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left of an instance that nobody wants any more: the user's files, and nothing else."""

from __future__ import annotations

import contextlib

from . import layout
from .container import labels
from .engine import Engine
from .errors import OperatorError


def remove(name: str) -> None:
    """Takes away container, network, token and settings. The unit must be stopped before."""
    engine, container_name = Engine(), f"jupyter-{name}"
    container = engine.inspect("container", container_name)
    if container and labels(container).get(layout.LABEL_INSTANCE) == name:
        if container["State"]["Running"]:
            raise OperatorError(f"Instance {name} runs: stop it first, with `systemctl stop {container_name}`.")
        engine.call("rm", container_name)
    network = engine.inspect("network", container_name)
    if network and (network.get("Labels") or {}).get(layout.LABEL_INSTANCE) == name:
        engine.call("network", "rm", container_name)
    # Named, because what else lies there is the user's: the home, and what keeps a backup readable.
    certificates = [f"{tls}_{file}.pem" for tls in ("files", "generated") for file in ("certificate", "private_key")]
    ours = {
        layout.CONFIG / name: ("settings.json", "token", *certificates),
        layout.STATE / name: ("passwd", "group", "healthy.json", "failed.json", layout.SERVER_CONFIG),
    }
    for directory, files in ours.items():
        for file in files:
            (directory / file).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            directory.rmdir()
