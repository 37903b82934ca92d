# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where apt gets packages from, and which of its archives lack a component."""

from __future__ import annotations

import typing as t

# One line per index. What is not set comes out as it was asked for.
_FIELDS = ("REPO_URI", "RELEASE", "COMPONENT", "ORIGIN", "SIGNED_BY")
FORMAT = "|".join(f"$({field})" for field in _FIELDS)


class Archive(t.NamedTuple):
    uri: str
    suite: str
    signed_by: str  # a file, fingerprints, or empty
    components: tuple[str, ...]

    @property
    def key_is_inside(self) -> bool:
        """Whether the key itself stands in the sources, which another entry would have to repeat."""
        return "BEGIN PGP" in self.signed_by


def parse(text: str, origin: str = "Debian") -> list[Archive]:
    """`apt-get indextargets` in this format: the archives of a distribution, as its own sources name them."""
    components: dict[tuple[str, str, str], set[str]] = {}
    for line in text.splitlines():
        values = line.split("|")
        if len(values) != len(_FIELDS) or values[3] != origin:
            continue
        uri, suite, component, _origin, signed_by = values
        signed_by = "" if signed_by == "$(SIGNED_BY)" else signed_by.strip()
        components.setdefault((uri, suite, signed_by), set()).add(component)
    return [Archive(*key, tuple(sorted(found))) for key, found in components.items()]


def missing(archives: t.Iterable[Archive], wanted: t.Sequence[str]) -> list[Archive]:
    """The archives that lack some of these components, and which. Two entries may share one archive's components."""
    found: dict[tuple[str, str], tuple[str, set[str]]] = {}
    for archive in archives:
        _key, components = found.setdefault((archive.uri, archive.suite), (archive.signed_by, set()))
        components.update(archive.components)
    return [
        Archive(uri, suite, signed_by, tuple(name for name in wanted if name not in components))
        for (uri, suite), (signed_by, components) in found.items()
        if "main" in components and not set(wanted) <= components
    ]
