# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What settings become when others are merged into them."""

from __future__ import annotations

import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.document import (
    Settings,
    refuse_duplicates,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.errors import DesktopSettingsError

KeyPath = t.List[str]
Generation = str

# No schema is published. These are the names seen in files of both generations, in the order (store, legacy); one that
# is not here is written as the operator wrote it.
_SPELLINGS: t.Mapping[str, tuple[str, str]] = {
    store.casefold(): (store, legacy)
    for store, legacy in (
        ("AnalyticsEnabled", "analyticsEnabled"),
        ("AutoStart", "autoStart"),
        ("Cpus", "cpus"),
        ("DataFolder", "dataFolder"),
        ("DiskSizeMiB", "diskSizeMiB"),
        ("DisableUpdate", "disableUpdate"),
        ("EnableIntegrationWithDefaultWslDistro", "enableIntegrationWithDefaultWslDistro"),
        ("ExposeDockerAPIOnTCP2375", "exposeDockerAPIOnTCP2375"),
        ("FilesharingDirectories", "filesharingDirectories"),
        ("IntegratedWslDistros", "integratedWslDistros"),
        ("KubernetesEnabled", "kubernetesEnabled"),
        ("LicenseTermsVersion", "licenseTermsVersion"),
        ("MemoryMiB", "memoryMiB"),
        ("OverrideProxyExclude", "overrideProxyExclude"),
        ("OverrideProxyHTTP", "overrideProxyHttp"),
        ("OverrideProxyHTTPS", "overrideProxyHttps"),
        ("ProxyHTTPMode", "proxyHttpMode"),
        ("SettingsVersion", "settingsVersion"),
        ("SwapMiB", "swapMiB"),
        ("SynchronizedDirectories", "synchronizedDirectories"),
        ("UseWindowsContainers", "useWindowsContainers"),
        ("WslEngineEnabled", "wslEngineEnabled"),
    )
}
GENERATIONS: t.Sequence[Generation] = ("store", "legacy")


def spelling(key: str, generation: Generation) -> str:
    """The name of a key that the file does not have yet."""
    return _SPELLINGS.get(key.casefold(), (key, key))[GENERATIONS.index(generation)]


def same(left: t.Any, right: t.Any) -> bool:
    """Equality of JSON: true is not 1, but 2 is 2.0."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right))
    return isinstance(left, bool) == isinstance(right, bool) and left == right


class Merge:
    """Objects are merged key by key, all else is replaced; keys keep place and spelling, new ones follow."""

    def __init__(self, path: str, generation: Generation) -> None:
        self.path = path
        self.generation = generation
        self.changed_keys: list[KeyPath] = []

    def settings(self, current: Settings, wanted: Settings) -> Settings:
        return self._object(current, wanted, [])

    def include(self, current: Settings, wanted: t.Mapping[str, t.Sequence[t.Any]]) -> Settings:
        """Add to lists what they do not have; what they have stays."""
        result = dict(current)
        for key, items in wanted.items():
            name = self._name(result, key, top=True)
            found = result.get(name)
            if found is not None and not isinstance(found, list):
                raise DesktopSettingsError(f"{self.path}: {name} is no list, so nothing can be added to it.")
            known = {_comparable(item) for item in found or []}
            missing = list({_comparable(item): item for item in items if _comparable(item) not in known}.values())
            if missing or found is None:
                result[name] = [*(found or []), *missing]
                self._note([name])
        return result

    def _object(self, current: Settings, wanted: Settings, above: KeyPath) -> Settings:
        refuse_duplicates(wanted, "the settings to merge")
        result = dict(current)
        for key, value in wanted.items():
            name = self._name(current, key, top=not above)
            here = [*above, name]
            found = current.get(name)
            if isinstance(found, dict) and isinstance(value, dict):
                result[name] = self._object(found, value, here)
            elif found is not None and isinstance(found, dict) != isinstance(value, dict):
                raise DesktopSettingsError(
                    f"{self.path}: {'.'.join(here)} is {_kind(found)} there, and {_kind(value)} in the settings to "
                    "merge. Nothing was changed. Compare the two."
                )
            elif name not in current or not same(found, value):
                result[name] = value
                self._note(here)
        return result

    def _name(self, current: Settings, key: str, *, top: bool) -> str:
        found = next((name for name in current if name.casefold() == key.casefold()), None)
        if found is not None:
            return found
        return spelling(key, self.generation) if top else key

    def _note(self, path: KeyPath) -> None:
        if path not in self.changed_keys:
            self.changed_keys.append(path)


def _comparable(item: t.Any) -> str:
    """The lists are lists of paths: c:/users is C:\\Users."""
    text = str(item).replace("/", "\\").casefold()
    return text if text.endswith(":\\") else text.rstrip("\\")


def _kind(value: t.Any) -> str:
    return "an object" if isinstance(value, dict) else f"the value {value!r}"
