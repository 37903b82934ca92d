# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: gpu_report
short_description: Render what gpu_visibility_info saw, for people or for a table
version_added: 0.2.0
author:
  - gpulab.workstation authors (@gpulab)
description:
  - Takes what M(gpulab.workstation.gpu_visibility_info) returned for each host.
positional: format
options:
  _input:
    description: The results by host; V(null), or what is registered for it, for a host that was not reached.
    type: dict
    required: true
  format:
    description:
      - V(screen) is a page of text for each host.
      - V(colours) is the same with colours, for M(gpulab.workstation.print_text).
      - V(csv) is a table with a line for each host.
      - V(json) is everything, with the hosts under C(hosts).
    type: str
    choices: [screen, colours, csv, json]
    default: screen
"""

EXAMPLES = r"""
- name: Look at the GPUs
  gpulab.workstation.gpu_visibility_info:
  register: gpus

- name: Print what was seen
  gpulab.workstation.print_text:
    text: "{{ {inventory_hostname: gpus} | gpulab.workstation.gpu_report('colours') }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

import csv
import io
import json
import re
import typing as t

from ansible.errors import AnsibleFilterError

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
_MOST_GPUS = 16
_MOST_FINDINGS = 4  # with their remedies; the others in a line each
_COUNTED = ("pci", "kernel_driver", "device_nodes", "nvml", "cdi", "container")
_COLUMNS = (
    "host",
    "status",
    "platform",
    "first_broken_layer",
    *_COUNTED,
    "frameworks",
    "driver",
    "findings",
    "summary",
)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Result = t.Mapping[str, t.Any]


def gpu_report(results: t.Mapping[str, Result | None], format: str = "screen") -> str:  # noqa: A002
    if not isinstance(results, t.Mapping):
        raise AnsibleFilterError(f"gpu_report takes what gpu_visibility_info returned, by host, and not {results!r}")
    results = {host: _known(result) for host, result in results.items()}
    if format in ("screen", "colours"):
        return "\n\n".join(_screen(host, result, format == "colours") for host, result in results.items())
    if format == "csv":
        return _csv(results)
    if format == "json":
        return json.dumps({"schema_version": 1, "hosts": results}, indent=2, sort_keys=True, default=str) + "\n"
    raise AnsibleFilterError(f"gpu_report has no format {format!r}; it has screen, colours, csv and json")


def _known(result: Result | None) -> Result | None:
    """What is registered for a host that was not reached says only that; where the look itself failed, why."""
    if not result or result.get("unreachable"):
        return None
    return result if "schema_version" in result else {"status": "failed", "summary": result.get("msg") or "no look"}


def _printable(value: t.Any) -> t.Any:
    """Names and messages come from programs of the host, which must not steer the terminal of the operator."""
    if isinstance(value, str):
        return _CONTROL.sub("?", value)
    if isinstance(value, t.Mapping):
        return {key: _printable(one) for key, one in value.items()}
    return [_printable(one) for one in value] if isinstance(value, list) else value


# A page for a host


def _screen(host: str, result: Result | None, colours: bool) -> str:
    def paint(text: str, style: str) -> str:
        return f"\x1b[{_STYLES.get(style, '0')}m{text}\x1b[0m" if colours else text

    if result is None:
        return f"{paint(host, 'title')}  {paint('unreachable', 'unreachable')}"
    result = _printable(result)
    lines = [f"{paint(host, 'title')}  {paint(result['status'], result['status'])}  {result['summary']}"]
    if result["status"] == "failed":
        return lines[0]
    about = _about(result)
    if about:
        lines.append(f"  {about}")
    if result["status"] != "no_gpu":
        lines += ["", *(f"  {line}" for line in _layers(result, paint))]
        lines += ["", *(f"  {line}" for line in _gpus(result))] if result["gpus"] else []
    for number, finding in enumerate(_by_weight(result["findings"])):
        whole = number < _MOST_FINDINGS and finding["severity"] != "info"
        lines += ["", *_finding(finding, paint)] if whole else _finding(finding, paint)[:1]
    return "\n".join(lines)


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


def _layers(result: Result, paint: t.Callable[[str, str], str]) -> t.Iterator[str]:
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


def _finding(finding: Result, paint: t.Callable[[str, str], str]) -> list[str]:
    sure = "" if finding["confidence"] == "certain" else f" ({finding['confidence']})"
    severity = paint(f"{finding['severity']:<8}", finding["severity"])
    lines = [f"  {severity}{finding['message']}{sure} [{finding['id']}]"]
    if finding["gpus"]:
        lines.append(f"          which   {', '.join(finding['gpus'])}")
    remedy = finding["remedy"]
    lines.append(f"          why     {finding['cause']}")
    lines.append(f"          remedy  {remedy['text']}")
    lines += [f"                  $ {command}" for command in remedy["commands"]]
    if remedy["docs_url"]:
        lines.append(f"                  {remedy['docs_url']}")
    return lines


def _by_weight(findings: t.Iterable[Result]) -> list[Result]:
    weights = ("error", "warning", "info")
    return sorted(findings, key=lambda finding: weights.index(finding["severity"]))


# A line for a host


def _csv(results: t.Mapping[str, Result | None]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for host, result in results.items():
        if result is None:
            row = {"host": host, "status": "unreachable"}
        elif result["status"] == "failed":
            row = {"host": host, **result}
        else:
            row = _row(host, result)
        writer.writerow(_printable(row))
    return text.getvalue()


def _row(host: str, result: Result) -> dict[str, t.Any]:
    frameworks = result["counts"]["frameworks"].items()
    return {
        "host": host,
        **{name: result[name] for name in ("status", "platform", "first_broken_layer", "summary")},
        **{name: result["counts"][name] for name in _COUNTED},
        "frameworks": " ".join(f"{name}={'?' if count is None else count}" for name, count in frameworks),
        "driver": result["driver"]["loaded_version"],
        "findings": " ".join(dict.fromkeys(finding["id"] for finding in result["findings"])),
    }


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"gpu_report": gpu_report}
