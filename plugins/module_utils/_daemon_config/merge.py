# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a configuration becomes when settings are merged into it and key paths are removed."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.document import KeyPath
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.errors import DaemonConfigError

Config = t.Dict[str, t.Any]
_MISSING = object()

# The driver of an engine whose file names none.
DEFAULT_LOG_DRIVER = "json-file"


def dotted(path: t.Iterable[str]) -> str:
    """A key path for a message; a key with dots in it is quoted."""
    return ".".join(f'"{key}"' if "." in key else key for key in path)


def same(left: t.Any, right: t.Any) -> bool:
    """Equality as dockerd sees it: true is not 1, and 3.0 is not the integer 3 it wants."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right))
    return type(left) is type(right) and left == right


def merge(base: Config, settings: Config) -> Config:
    """Dicts are merged deeply, all else replaces; the order of base stays, new keys follow in their own order."""
    merged = dict(base)
    for key, wanted in settings.items():
        current = merged.get(key)
        if isinstance(current, dict) and isinstance(wanted, dict):
            merged[key] = merge(current, wanted)
        else:
            merged[key] = copy.deepcopy(wanted)
    return merged


def merge_settings(base: Config, settings: Config) -> Config:
    """Like merge(), but options of a log driver do not outlive it: dockerd does not start with those of another one."""
    driver = base.get("log-driver", DEFAULT_LOG_DRIVER)
    if settings.get("log-driver", driver) != driver:
        base = {key: value for key, value in base.items() if key != "log-opts"}
    return merge(base, settings)


def remove(base: Config, paths: t.Iterable[KeyPath]) -> Config:
    """Remove key paths; a missing one is fine.

    A parent that becomes empty stays: dockerd's reload takes the empty object, but does not notice a key that is gone.
    """
    result = copy.deepcopy(base)
    for path in paths:
        parent: t.Any = result
        for key in path[:-1]:
            parent = parent.get(key) if isinstance(parent, dict) else None
        if isinstance(parent, dict):
            parent.pop(path[-1], None)
    return result


def changed_paths(before: t.Any, after: t.Any, _path: KeyPath = ()) -> list[KeyPath]:
    """The paths of the leaves that differ, in the order of before, then of after."""
    if isinstance(before, dict) and isinstance(after, dict):
        found: list[KeyPath] = []
        for key in [*before, *(key for key in after if key not in before)]:
            found += changed_paths(before.get(key, _MISSING), after.get(key, _MISSING), (*_path, key))
        return found
    if before is _MISSING and isinstance(after, dict) and after:
        return changed_paths({}, after, _path)
    if after is _MISSING and isinstance(before, dict) and before:
        return changed_paths(before, {}, _path)
    return [] if same(before, after) else [_path]


def check_request(settings: Config, absent: t.Sequence[t.Any]) -> list[KeyPath]:
    """Refuse what cannot be meant; return the key paths of absent."""
    paths: list[KeyPath] = []
    for entry in absent:
        # A flat list of keys would otherwise mean "remove each of these top-level keys", which nobody who wrote
        # [runtimes, nvidia] wants.
        if not isinstance(entry, list) or not entry or not all(isinstance(key, str) and key for key in entry):
            raise DaemonConfigError(
                f"absent must be a list of key paths, each a list of strings, such as [[log-opts, max-file], [debug]]; "
                f"found the entry {entry!r}."
            )
        paths.append(tuple(entry))
    for path in _null_paths(settings):
        raise DaemonConfigError(
            f"settings: {dotted(path)} is null. Give it a value, or list {list(path)!r} in absent to remove the key."
        )
    for path in paths:
        if _reaches(settings, path):
            raise DaemonConfigError(f"{dotted(path)} is in settings and in absent. Take it out of one of them.")
    return paths


def _reaches(settings: t.Any, path: KeyPath) -> bool:
    for key in path:
        if not isinstance(settings, dict) or key not in settings:
            return False
        settings = settings[key]
    return True


def _null_paths(settings: Config, _path: KeyPath = ()) -> t.Iterator[KeyPath]:
    for key, value in settings.items():
        if value is None:
            yield (*_path, key)
        elif isinstance(value, dict):
            yield from _null_paths(value, (*_path, key))
