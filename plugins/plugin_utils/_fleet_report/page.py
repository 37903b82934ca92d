# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For people: one page with all that it needs.

Escaping is the template's: autoescape is on, and nothing that comes from a host is ever marked as safe. Should anything
slip through nevertheless, the page's own policy runs no script but the one whose hash it names, and loads nothing.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from .structure import LABELS, NEEDS_SOMEBODY, SEVERITIES, SHORT_LABELS, Gpus, Host, Layer, Report, counted

_HERE = Path(__file__).parent
_SIGNS = {"ok": "", "degraded": "!", "broken": "\u00d7", "unknown": "?", "skipped": ""}


def render(report: Report, refresh: int = 0) -> str:
    style, script = _read("page.css"), _read("page.js")
    page = _template().render(
        report=report,
        refresh=refresh,
        labels=LABELS,
        counted=counted,
        short_labels=SHORT_LABELS,
        needs_somebody=NEEDS_SOMEBODY,
        severities=SEVERITIES,
        signs=_SIGNS,
        bars=_bars(report),
        names=_names(report),
        headline=_headline(report),
        policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; "
        "form-action 'none'",
        style=Markup(style),  # noqa: S704 - files of this package
        script=Markup(script),  # noqa: S704
    )
    # What may be in no document, and would make it one that cannot be written.
    return page.encode("utf-8", "replace").decode("utf-8") + "\n"


def _read(name: str) -> str:
    return _HERE.joinpath(name).read_text(encoding="utf-8")


@functools.lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        anchor=_anchor, depth=_depth, gib=_gib, link=_link, layers=_layers, least=_least, short=_short
    )
    return environment.from_string(_read("page.html.j2"))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _anchor(name: str) -> str:
    """One for each name, that stays the same from report to report."""
    return "host-" + re.sub(r"[^A-Za-z0-9.-]", lambda found: f"_{ord(found[0]):x}_", name)


def _gib(size: int) -> str:
    gib = size / 2**30
    return f"{gib / 1024:.1f} TiB" if gib >= 1000 else f"{gib:.1f} GiB" if gib < 10 else f"{gib:.0f} GiB"


def _link(url: str) -> str:
    """A URL that a browser may open from here; else nothing. A notebook on a machine's own loopback is elsewhere."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host or host == "localhost":
        return ""
    try:
        return "" if ipaddress.ip_address(host).is_loopback else url
    except ValueError:
        return url


def _layers(layers: list[Layer]) -> str:
    """The chain in words, for those who do not see it."""
    said = (f"{one['name']} {one['status']}" + (f" ({one['note']})" if one["note"] else "") for one in layers)
    return ", ".join(said)


def _depth(gpus: Gpus) -> str:
    """How far up the chain works: the place of the layer from which on it does not."""
    names = [layer["name"] for layer in gpus["layers"]]
    broken = gpus["first_broken_layer"]
    return str(names.index(broken) + 1) if broken in names else ""


def _least(host: Host) -> int | None:
    """Which disk has the least space left for its size, as its place in the list."""
    free = [disk["free_bytes"] / disk["size_bytes"] if disk["size_bytes"] else 1.0 for disk in host["disks"]]
    return min(range(len(free)), key=lambda place: (not host["disks"][place]["is_low"], free[place]), default=None)


def _short(digest: str) -> str:
    return digest.rpartition("sha256:")[2][:12]


def _names(report: Report) -> str:
    """How much room the hosts' names take. A class of the page, whose code is the same whatever hosts say."""
    longest = max((len(host["name"]) for host in report["hosts"]), default=0)
    return "short" if longest <= 14 else "long" if longest <= 22 else "endless"


def _headline(report: Report) -> str:
    """For the browser's tab: "All is well" only where all of it was seen."""
    counts, total = report["counts"], len(report["hosts"])
    needy = sum(counts[severity] for severity in NEEDS_SOMEBODY)
    if needy:
        return f"{needy} of {total} need attention"
    said = [
        f"{counts['pending']} pending" if counts["pending"] else "",
        f"{total - counts['not_asked']} of {total} asked" if counts["not_asked"] else "",
        "check not completed" if report["check"]["problem"] else "",
    ]
    return ", ".join(filter(None, said)) or ("All is well" if total else "No hosts")


def _bars(report: Report) -> list[tuple[str, float, float]]:
    """Each severity's part of the strip, as percentages: where it begins, and how wide it is."""
    total = max(sum(report["counts"].values()), 1)
    bars, start = [], 0.0
    for severity in SEVERITIES:
        width = 100 * report["counts"].get(severity, 0) / total
        if width:
            bars.append((severity, round(start, 2), round(width, 2)))
        start += width
    return bars
