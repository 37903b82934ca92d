# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left of an instance that nobody wants any more: the user's files, and nothing else."""

from __future__ import annotations

import contextlib

from . import layout, network
from .container import labels
from .control import is_left_alone, systemctl
from .engine import Engine
from .errors import OperatorError
from .journal import say


def remove(name: str, force: bool) -> None:
    """Takes away unit, container, network, token and settings, unless somebody is at work."""
    if is_left_alone(name, force):
        return
    unit = layout.UNITS / f"jupyter-{name}.service"
    if unit.exists():
        systemctl("disable", "--now", unit.name)
    engine, container_name = Engine(), f"jupyter-{name}"
    container = engine.inspect("container", container_name)
    if container and labels(container).get(layout.LABEL_INSTANCE) == name:
        if container["State"]["Running"]:
            raise OperatorError(f"Instance {name} runs: stop it first, with `systemctl stop {container_name}`.")
        engine.call("rm", container_name)
    own = engine.inspect("network", container_name)
    if own and (own.get("Labels") or {}).get(layout.LABEL_INSTANCE) == name:
        engine.call("network", "rm", container_name)
    network.take_down(container_name)
    # Named, because what else lies there is the user's: the home, and what keeps a backup readable.
    certificates = [f"{tls}_{file}.pem" for tls in ("files", "generated") for file in ("certificate", "private_key")]
    records = [f"{record}.json" for record in ("healthy", "previous", "failed", "proven")]
    ours = {
        layout.STATE / name: ("passwd", "group", *records, layout.SERVER_CONFIG),
        # The settings last: by them, a removal that was broken off is found again.
        layout.CONFIG / name: ("token", *certificates, "settings.json"),
    }
    unit.unlink(missing_ok=True)
    for directory, files in ours.items():
        for file in files:
            (directory / file).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            directory.rmdir()
    say(f"Instance {name} was removed. The files of its user are where they were.")
