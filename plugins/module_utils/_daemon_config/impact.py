# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the engine must do so that it holds a configuration: nothing, reload, or restart."""

from __future__ import annotations

import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.document import KeyPath
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.merge import Config, changed_paths
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.options import (
    ALWAYS,
    BY_KEY,
    RELOADABLE_FEATURES,
    WHEN_SET,
)


class Pending(t.NamedTuple):
    """A key whose value in the file the engine does not hold yet."""

    key: KeyPath
    requires: str


def pending(acknowledged: Config, current: Config) -> list[Pending]:
    """The differences that matter to the engine, to which an empty object is the same as none."""
    paths = changed_paths(_without_empty(acknowledged), _without_empty(current))
    return [Pending(path, _requires(path, current)) for path in paths]


def strongest(changes: t.Iterable[Pending]) -> str:
    needs = {change.requires for change in changes}
    return next((need for need in ("restart", "reload") if need in needs), "none")


def after_reload(acknowledged: Config, current: Config) -> Config:
    """What the engine holds once it has reloaded current: the keys a reload takes, and the rest as it was."""
    held = dict(acknowledged)
    for change in pending(acknowledged, current):
        if change.requires != "reload":
            continue
        key = change.key[0]
        if key == "features":
            held[key] = _one_key_from(held.get(key) or {}, current.get(key) or {}, change.key[1])
        else:
            held = _one_key_from(held, current, key)
    return held


def _one_key_from(held: Config, current: Config, key: str) -> Config:
    rest = {other: value for other, value in held.items() if other != key}
    return {**rest, key: current[key]} if key in current else rest


def _without_empty(config: Config) -> Config:
    return {key: value for key, value in config.items() if value != {}}


def _requires(path: KeyPath, current: Config) -> str:
    key = path[0]
    if key == "features":
        return "reload" if len(path) == 2 and path[1] in RELOADABLE_FEATURES else "restart"
    option = BY_KEY.get(key)
    if option is None:
        return "restart"
    if option.reload == ALWAYS:
        return "reload"
    # An empty string is what dockerd itself takes for "not set" in default-runtime and its like.
    if option.reload == WHEN_SET and current.get(key) not in (None, ""):
        return "reload"
    return "restart"
