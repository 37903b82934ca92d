# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ends a container, and looks first whether somebody is at work in it: on this machine, at the last moment."""

from __future__ import annotations

import subprocess

from .errors import OperatorError
from .journal import say
from .status import status


def is_left_alone(name: str, force: bool) -> bool:
    if force:
        return False
    try:
        busy = status(name)["busy"]
    except OperatorError as error:
        busy = [f"it cannot be asked what runs in it ({error})"]
    if busy:
        say(f"Instance {name} is left alone, because {', '.join(busy)}.")
    return bool(busy)


def systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        raise OperatorError(done.stderr.strip() or f"systemctl {arguments[0]} failed with code {done.returncode}.")


def restart(name: str, force: bool) -> None:
    """Returns when the server has answered again."""
    if not is_left_alone(name, force):
        systemctl("restart", f"jupyter-{name}.service")
        say(f"Instance {name} was restarted.")
