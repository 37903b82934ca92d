# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ends a container, and looks first whether somebody is at work in it: on this machine, at the last moment."""

from __future__ import annotations

import json
import re

from .._untrusted import child, files
from . import layout, network
from .engine import Engine, unit_properties
from .errors import OperatorError
from .files import make_token, replace_file
from .journal import say
from .records import previous
from .settings import SETTINGS, find_account, load_settings
from .status import is_switched_off, status

# Of a tag that names one version, as the role keras_image makes them; another may come to stand for another image.
VERSION = re.compile(r":[a-z0-9]+-[0-9a-f]{12}$")


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
    # It returns when the server has answered, for which the supervisor has a limit of its own.
    done = child.run(["systemctl", *arguments], None)
    if done.code != 0:
        raise OperatorError(done.err.strip() or f"systemctl {arguments[0]} failed with code {done.code}.")


def restart(name: str, force: bool) -> None:
    """Returns when the server has answered again."""
    if not is_left_alone(name, force):
        systemctl("restart", f"jupyter-{name}.service")
        say(f"Instance {name} was restarted.")


def guard(name: str) -> None:
    """Has the rules of its network as they are configured, and nobody's work ended for it."""
    settings, engine = load_settings(name), Engine()
    if is_switched_off(settings):
        # Its port is for anybody again.
        network.take_down(settings.container)
        say(f"Instance {name} is out of service, and without rules for its network.")
        return
    container = engine.inspect("container", settings.container)
    if container is None or not container["State"]["Running"]:
        say(f"Instance {name} does not run. Its next start makes the rules for its network.")
        return
    say(network.of_running(settings, container, engine, network.put_up) or f"The network of instance {name} is closed.")


def new_token(name: str, force: bool) -> None:
    """For the next start, which comes at once where it runs. Who knows the old one is shut out from then on."""
    settings = load_settings(name)
    account = find_account(settings.user)
    is_running = unit_properties(settings.unit)["ActiveState"] != "inactive"
    if is_running and is_left_alone(name, force):
        return
    settings.token_file.parent.mkdir(parents=True, exist_ok=True)
    make_token(settings.token_file, account)
    if is_running:
        systemctl("restart", settings.unit)
    say(f"Instance {name} has a new token{'' if is_running else ', for when it is started'}.")


def roll_back(name: str, force: bool) -> None:
    """To the image and the settings that were healthy before those that are now. Twice leads back to where it began."""
    settings, engine = load_settings(name), Engine()
    before = previous(settings)
    if before is None:
        raise OperatorError(f"Instance {name} has had one version only: there is nothing to go back to.")
    image = engine.inspect("image", before.image)
    if image is None:
        raise OperatorError(
            f"Instance {name} ran from the image {before.image} before, and this machine does not have that any more. "
            f"keras_image_keep says how many versions stay."
        )
    if is_left_alone(name, force):
        return
    # By a name that a later build does not move to another image.
    versions = sorted((tag for tag in image.get("RepoTags") or [] if VERSION.search(tag)), key=len)
    wanted = before.settings.in_network_of(settings)._replace(image=versions[0] if versions else before.image)
    path = layout.CONFIG / name / "settings.json"
    present = files.read(path, SETTINGS)
    replace_file(path, json.dumps(wanted._asdict(), indent=4, sort_keys=True) + "\n", 0o600)
    try:
        systemctl("restart", f"jupyter-{name}.service")
        failed = status(name)["failed"]
        if failed:
            raise OperatorError(
                f"Instance {name} runs on, because the version before it did not become healthy: {failed}"
            )
    except OperatorError:
        # What the inventory asks for, and what the next start is to be.
        replace_file(path, present, 0o600)
        raise
    say(f"Instance {name} was rolled back to {wanted.image}, and to the settings that it had then.")
