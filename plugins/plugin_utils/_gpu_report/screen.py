# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A page for a host: it fits a screen, and its last line is what a person can do next.

Standard library only, so that `make doctor` needs nothing but Python.
"""

from __future__ import annotations

import re
import textwrap
import typing as t

_STYLES = {
    "ok": "32",
    "no_gpu": "32",
    "degraded": "33",
    "warning": "33",
    "broken": "31",
    "error": "31",
    "unknown": "35",
    "unreachable": "31",
    "failed": "31",
    "info": "36",
    "skipped": "2",
    "title": "1",
}
_WIDTH = 110
_MOST_GPUS = 8
_MOST_FINDINGS = 6  # the first with its remedy, the others in a line each
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Result = t.Mapping[str, t.Any]
Paint = t.Callable[[str, str], str]


def printable(value: t.Any) -> t.Any:
    """Names and messages come from programs of the host, which must not steer the terminal of the operator."""
    if isinstance(value, str):
        return _CONTROL.sub("?", value)
    if isinstance(value, t.Mapping):
        return {key: printable(one) for key, one in value.items()}
    return [printable(one) for one in value] if isinstance(value, list) else value


def page(host: str, result: Result | None, colours: bool = False, evidence: bool = False) -> str:
    def paint(text: str, style: str) -> str:
        return f"\x1b[{_STYLES.get(style, '0')}m{text}\x1b[0m" if colours else text

    if result is None:
        return f"{paint(host, 'title')}  {paint('unreachable', 'unreachable')}"
    seen = _evidence(result, paint) if evidence and result["status"] != "failed" else []
    result = printable(result)
    head = f"{paint(host, 'title')}  {paint(result['status'], result['status'])}  "
    if result["status"] == "failed":
        return head + result["summary"]
    # Whole in the finding below, where it is a long one.
    lines = [head + textwrap.shorten(result["summary"], _WIDTH, placeholder=" ...")]
    about = _about(result)
    if about:
        lines.append(f"  {about}")
    if result["status"] != "no_gpu":
        lines += ["", *(f"  {line}" for line in _layers(result, paint))]
        lines += ["", *(f"  {line}" for line in _gpus(result))] if result["gpus"] else []
    findings = by_weight(result)
    for number, finding in enumerate(findings[:_MOST_FINDINGS]):
        whole = number == 0 and finding["severity"] != "info"
        lines += ["", *_finding(finding, paint)] if whole else _finding(finding, paint)[:1]
    if len(findings) > _MOST_FINDINGS:
        lines.append(f"  and {len(findings) - _MOST_FINDINGS} more")
    return "\n".join([*lines, *seen, "", paint(next_step(result), "title")])


def next_step(result: Result) -> str:
    """One line that a person can act on."""
    findings = [one for one in by_weight(result) if one["severity"] != "info"]
    if findings:
        remedy = findings[0]["remedy"]
        # The first sentence is the act, the others are what to know of it.
        act = re.split(r"(?<=[.;:]) ", remedy["text"], maxsplit=1)[0].rstrip(".;:")
        sure = {"certain": "", "likely": "probably: ", "possible": "perhaps: "}[findings[0]["confidence"]]
        command = next((one for one in remedy["commands"] if one != "reboot"), "")
        line = f"Next: {sure}{act}" + (f"  $ {command}" if command else "")
        return line if len(line) <= _WIDTH + 20 else f"Next: {sure}{act}"
    reason = next((one["reason"] for one in result["layers"] if one["reason"]), None)
    if result["status"] == "unknown":
        return f"Next: {reason or 'look with -v at what was seen'}"
    return "Next: nothing to do"


def by_weight(result: Result) -> list[Result]:
    """What breaks the first layer comes first: what is above it may be its consequence."""
    weights = ("error", "warning", "info")
    names = [layer["name"] for layer in result["layers"]]

    def key(finding: Result) -> tuple[int, int]:
        layer = finding["layer"]
        return weights.index(finding["severity"]), names.index(layer) if layer in names else len(names)

    return sorted(result["findings"], key=key)


def _about(result: Result) -> str:
    driver = result["driver"]
    flavor = ", ".join(
        filter(None, (driver["module_flavor"], driver["cuda_version"] and f"CUDA {driver['cuda_version']}"))
    )
    version = driver["loaded_version"] or driver["library_version"]
    parts = [result["platform"].replace("_", " ")]
    if version:
        parts.append(f"driver {version}" + (f" ({flavor})" if flavor else ""))
    if driver["secure_boot"]:
        parts.append("Secure Boot")
    return ", ".join(parts)


def _layers(result: Result, paint: Paint) -> t.Iterator[str]:
    counts = {
        **result["counts"],
        **{f"framework:{name}": count for name, count in result["counts"]["frameworks"].items()},
    }
    docker = result["docker"] or {}
    notes = {
        "toolkit": result["toolkit"]["version"],
        "docker": docker.get("version"),
        "container": (result["container"] or {}).get("name") or (result["container"] or {}).get("image"),
    }
    for layer in result["layers"]:
        name, status = layer["name"], layer["status"]
        count = counts.get(name)
        shown = "" if count is None or status == "skipped" else f"{count} GPU{'' if count == 1 else 's'}"
        blocked = f"because of {layer['blocked_by']}" if layer["blocked_by"] else layer["reason"]
        note = ", ".join(filter(None, (shown, notes.get(name) if status != "skipped" else None, blocked)))
        # Padded outside of the colours, so that nothing trails where they are taken out.
        yield f"{name:<22}{paint(status, status)}{' ' * (10 - len(status))}{note}".rstrip()


def _gpus(result: Result) -> t.Iterator[str]:
    gpus = result["gpus"]
    for gpu in gpus[:_MOST_GPUS]:
        index = "-" if gpu["index"] is None else gpu["index"]
        name = gpu["name"] or gpu["pci_device_id"] or "?"
        memory = "" if gpu["memory_total_bytes"] is None else f"{gpu['memory_total_bytes'] / 2**30:.0f} GiB"
        seen = {**gpu["visible_in"], **gpu["visible_in"]["frameworks"]}
        absent = [layer for layer, visible in seen.items() if visible is False]
        notes = [f"not in {', '.join(absent)}"] if absent else []
        if gpu["last_xid"]:
            notes.append(f"Xid {gpu['last_xid']['code']}")
        if gpu["mig"]["devices"]:
            notes.append(f"{len(gpu['mig']['devices'])} MIG devices")
        place = f"{index:>2}  {gpu['pci_bus_id'] or '':<13} {name:<28} {memory:>8}"
        line = f"{place}  {gpu['uuid'] or 'no UUID'}  {', '.join(notes)}"
        yield line.rstrip()
    if len(gpus) > _MOST_GPUS:
        yield f"and {len(gpus) - _MOST_GPUS} more"


def _finding(finding: Result, paint: Paint) -> list[str]:
    sure = "" if finding["confidence"] == "certain" else f" ({finding['confidence']})"
    severity = paint(f"{finding['severity']:<8}", finding["severity"])
    # Wrapped after the whole of it, so that nothing of a reason is lost.
    first, *others = textwrap.wrap(f"{finding['message']}{sure} [{finding['id']}]", _WIDTH - 10) or [""]
    message = "\n".join([f"  {severity}{first}", *(f"          {line}" for line in others)])
    lines = [message]
    if finding["gpus"]:
        more = f" and {len(finding['gpus']) - 4} more" if len(finding["gpus"]) > 4 else ""
        lines += _field("which", ", ".join(finding["gpus"][:4]) + more)
    remedy = finding["remedy"]
    lines += [*_field("why", finding["cause"]), *_field("remedy", remedy["text"])]
    lines += [f"                  $ {command}" for command in remedy["commands"]]
    if remedy["docs_url"]:
        lines.append(f"                  {remedy['docs_url']}")
    return lines


def _field(name: str, text: str) -> list[str]:
    first, *others = textwrap.wrap(text, _WIDTH - 18, break_long_words=False) or [""]
    return [f"          {name:<8}{first}", *(f"                  {line}" for line in others)]


def _evidence(result: Result, paint: Paint) -> list[str]:
    """What was seen, as it was, of the layers that are not well; of all, where all are."""
    layers = [one for one in result["layers"] if one["status"] not in ("ok", "skipped")] or result["layers"]
    lines = []
    for layer in layers:
        for one in layer["evidence"]:
            code = "" if one["rc"] is None else f" (exit {one['rc']})"
            lines += ["", f"  {layer['name']}: {paint(printable(one['ref']), 'title')}{code}"]
            lines += [f"    {printable(line.expandtabs())}" for line in one["text"].splitlines()]
    return lines
