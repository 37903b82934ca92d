# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps one notebook container running, and lets it run on while its engine restarts or is upgraded.

    jupyter-supervisor run NAME        the main process of jupyter-NAME.service
    jupyter-supervisor status NAME...  whether it answers, is what is configured, and is at work (prints JSON)
    jupyter-supervisor backup NAME     the process of jupyter-backup-NAME.service
    jupyter-supervisor restart NAME    restart it, unless somebody is at work in it; `restart NAME force` in any case
    jupyter-supervisor rollback NAME   go back to the image and settings before the present ones, in the same way
    jupyter-supervisor new-token NAME  restart it with a new token, in the same way
    jupyter-supervisor guard NAME      put the rules of its network in place, also while somebody is at work in it
    jupyter-supervisor remove NAME     take away what was made for it, in the same way; the user's files stay

A foreground `docker run` ends with the engine's connection, and its unit with it. So the container is started
detached, and this process waits for its end. Where the engine goes away, it waits for the engine, then looks again.
"""

from __future__ import annotations

import json
import sys

from .._untrusted.shape import text
from .backup import back_up
from .control import guard, new_token, restart, roll_back
from .errors import OperatorError
from .journal import say
from .removal import remove
from .status import status
from .supervisor import run


def main(arguments: list[str]) -> int:
    command, *rest = arguments or [""]
    try:
        if command == "run" and len(rest) == 1:
            return run(rest[0])
        if command == "status" and rest:
            say(json.dumps([status(name) for name in rest], indent=2))
            return 0
        if command == "backup" and len(rest) == 1:
            back_up(rest[0])
            return 0
        if command == "guard" and len(rest) == 1:
            guard(rest[0])
            return 0
        actions = {"restart": restart, "rollback": roll_back, "new-token": new_token, "remove": remove}
        if command in actions and rest and rest[1:] in ([], ["force"]):
            actions[command](rest[0], force=len(rest) == 2)
            return 0
    except (OperatorError, OSError) as failure:
        say(text(failure), sys.stderr)
        return 1
    say(__doc__, sys.stderr)
    return 2
