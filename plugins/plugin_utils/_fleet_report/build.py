# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what modules returned on each host to the structure of the report, and the one place that judges.

What hosts say is not trusted: it is taken over by name and type, without control characters, and cut where it is
endless. A host whose answers have another form is an entry that says so, and never the end of the report.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._untrusted.shape import (
    LONGEST,
    MOST,
    number,
    objects,
    text,
    texts,
)

from .structure import (
    NEEDS_SOMEBODY,
    SCHEMA_VERSION,
    SEVERITIES,
    Change,
    Check,
    Disk,
    Drift,
    Engine,
    Finding,
    Gpus,
    Host,
    Image,
    Notebook,
    Reason,
    Report,
)

Answer = t.Mapping[str, t.Any]

# What Ansible says before it says what ssh said.
_PREAMBLE = re.compile(r"^Task failed: |Data could not be sent to remote host .* reached over ssh: ", re.S)
_GIB = 2**30
_PROBES = {
    "gpus": "its GPUs",
    "engine": "its engine",
    "configuration": "the engine's configuration",
    "image": "its image",
    "notebooks": "its notebooks",
    "disks": "its disks",
}


def build(
    answers: t.Mapping[str, Answer | None],
    *,
    asked: t.Collection[str],
    groups: t.Mapping[str, t.Sequence[str]],
    drift: Answer | None,
    made_at: int,
    made_at_text: str,
    command: str,
    low_disk_gib: float,
) -> Report:
    """``answers`` are what the playbook noted by host, null for one that has noted nothing."""
    hosts = [
        _host(name, answer, name in asked, groups, drift, round(low_disk_gib * _GIB))
        for name, answer in answers.items()
    ]
    hosts.sort(key=lambda host: (SEVERITIES.index(host["severity"]), _natural(host["name"])))
    return {
        "schema_version": SCHEMA_VERSION,
        "made_at": made_at_text,
        "made_at_seconds": made_at,
        "command": text(command),
        "counts": {severity: sum(host["severity"] == severity for host in hosts) for severity in SEVERITIES},
        "check": _check(drift),
        "hosts": hosts,
    }


def needs_somebody(report: Report) -> list[str]:
    return [host["name"] for host in report["hosts"] if host["severity"] in NEEDS_SOMEBODY]


def _natural(name: str) -> list[tuple[int, str]]:
    """lab2 comes before lab10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


# A host


def _host(
    name: str,
    answer: Answer | None,
    was_asked: bool,
    groups: t.Mapping[str, t.Sequence[str]],
    drift: Answer | None,
    low_disk: int,
) -> Host:
    host: Host = {
        "name": text(name),
        "groups": sorted(text(group) for group, members in groups.items() if name in members),
        "severity": "fine",
        "summary": "",
        "reachable": None,
        "reasons": [],
        "gpus": None,
        "engine": None,
        "registry": None,
        "image": None,
        "notebooks": [],
        "disks": [],
        "pending": [],
        "drift": _drift(name, drift),
    }
    if not was_asked:
        host["reasons"] = [_reason("not_asked", "This run was limited to other hosts.")]
    elif not answer or _was_lost(answer.get("reach")):
        host["reachable"] = False
        why = _PREAMBLE.sub("", text(((answer or {}).get("reach") or {}).get("msg")))
        host["reasons"] = [_reason("unreachable", why or "It was lost while it was looked at.")]
    else:
        host["reachable"] = True
        host["reasons"] = _look(host, answer, low_disk, _wants_engine(host, groups), bool(drift))
        if "windows" in host["groups"] and host["drift"]["status"] in ("not_asked", "unknown", "unfinished"):
            host["reasons"].append(_reason("pending", "Only that it answers was seen: its notebook was not looked at."))
    host["reasons"].sort(key=lambda reason: SEVERITIES.index(reason["severity"]))
    host["severity"] = host["reasons"][0]["severity"] if host["reasons"] else "fine"
    host["summary"] = host["reasons"][0]["text"] if host["reasons"] else "Nothing to do."
    return host


def _wants_engine(host: Host, groups: t.Mapping[str, t.Sequence[str]]) -> bool:
    """A registry that another machine builds for only serves files (playbooks/lab.yml)."""
    return host["groups"] != ["registry"] or not groups.get("builder")


def _look(host: Host, answer: Answer, low_disk: int, wants_engine: bool, checked: bool) -> list[Reason]:
    reach = answer.get("reach")
    if isinstance(reach, t.Mapping) and reach.get("failed"):
        return [_reason("attention", f"It was reached, and cannot be looked at: {text(reach.get('msg'))}")]
    readers: dict[str, t.Callable[[t.Any], list[Reason]]] = {
        "engine": lambda seen: _engine(host, seen, wants_engine),
        "configuration": lambda seen: _configuration(host, seen),
        "gpus": lambda seen: _gpus(host, seen, answer.get("expected_gpus")),
        "registry": lambda seen: _registry(host, seen),
        "image": lambda seen: _image(host, seen, answer),
        "notebooks": lambda seen: _notebooks(host, seen),
        "disks": lambda seen: _disks(host, seen, low_disk),
    }
    reasons: list[Reason] = []
    for probe, read in readers.items():
        seen = answer.get(probe)
        if not seen or (isinstance(seen, t.Mapping) and seen.get("skipped")):
            continue
        if probe == "gpus" and not wants_engine:
            # Nothing of the lab's uses them there.
            continue
        try:
            if probe != "registry" and (seen.get("failed") or _was_lost(seen)):
                why = text(seen.get("msg") or seen.get("stderr"))
                reasons.append(_reason("attention", f"The look at {_PROBES[probe]} failed: {why}"))
            else:
                reasons += read(seen)
        except (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            what = _PROBES.get(probe, probe)
            reasons.append(_reason("attention", f"What it says of {what} is not understood: {text(error)}"))
    reasons += [_reason("pending", sentence) for sentence in host["pending"]]
    if checked and host["drift"]["status"] == "not_asked":
        host["drift"]["status"] = "unknown"
    return reasons + _drift_reasons(host["drift"])


def _was_lost(seen: t.Any) -> bool:
    return isinstance(seen, t.Mapping) and bool(seen.get("unreachable"))


def _reason(severity: str, sentence: str) -> Reason:
    return {"severity": severity, "text": sentence.strip()}


# What each probe saw


def _gpus(host: Host, seen: Answer, expected: t.Any) -> list[Reason]:
    counts, driver = seen["counts"], seen["driver"]
    # What is on the bus says nothing of what a driver that is silent, or gone, would show. Where nothing is, it does.
    count = 0 if counts["nvml"] is None and counts["pci"] == 0 else counts["nvml"]
    gpus: Gpus = {
        "status": text(seen["status"]),
        "summary": text(seen["summary"]),
        "platform": text(seen["platform"]),
        "first_broken_layer": text(seen["first_broken_layer"]) or None,
        "seen": None if count is None else number(count),
        "expected": number(expected) if text(expected) else None,
        "models": sorted({text(gpu["name"] or gpu["pci_device_id"]) for gpu in objects(seen["gpus"])} - {""}),
        "driver": text(driver["loaded_version"] or driver["library_version"]),
        "cuda": text(driver["cuda_version"]),
        "layers": [
            {
                "name": text(layer["name"]),
                "status": text(layer["status"]),
                "note": f"because of {text(layer['blocked_by'])}" if layer["blocked_by"] else text(layer["reason"]),
            }
            for layer in objects(seen["layers"])
        ],
        "findings": [_finding(finding, objects(seen["layers"])) for finding in objects(seen["findings"])],
    }
    weights = ("error", "warning", "info")
    gpus["findings"].sort(key=lambda one: weights.index(one["severity"]))
    host["gpus"] = gpus
    if gpus["status"] in ("broken", "degraded", "unknown"):
        return [_reason("attention", f"GPUs {gpus['status']}: {gpus['summary']}")]
    # Where nothing is broken, a warning tells of what will break.
    return [_reason("pending", one["message"]) for one in gpus["findings"] if one["severity"] == "warning"]


def _finding(finding: Answer, layers: list[Answer]) -> Finding:
    remedy = finding["remedy"]
    seen = [
        one
        for layer in layers
        if layer["name"] == finding["layer"] and finding["severity"] != "info"
        for one in objects(layer.get("evidence") or [])
    ]
    return {
        "id": text(finding["id"]),
        "layer": text(finding["layer"]),
        "severity": text(finding["severity"]),
        "confidence": text(finding["confidence"]),
        "message": text(finding["message"]),
        "cause": text(finding["cause"]),
        "gpus": texts(finding["gpus"]),
        "remedy": text(remedy["text"]),
        "commands": texts(remedy["commands"]),
        "requires_reboot": bool(remedy["requires_reboot"]),
        "docs_url": text(remedy["docs_url"]),
        "evidence": [
            {
                "ref": text(one["ref"]) + ("" if one.get("rc") is None else f" (exit {text(one['rc'])})"),
                "text": text(str(one["text"])[-LONGEST:]),
            }
            for one in seen
        ],
    }


def _engine(host: Host, seen: Answer, is_wanted: bool) -> list[Reason]:
    # An engine that is down says neither its version nor whether it is outdated.
    engine = seen["engine"]
    answers = bool(engine["answers"])
    if answers or is_wanted:
        host["engine"] = Engine(
            answers=answers,
            version=text(engine.get("version")),
            problem="" if answers else text(engine.get("problem")),
        )
    if seen["files"].get("/run/reboot-required", {}).get("exists"):
        host["pending"].append("It is to be restarted: packages that were upgraded ask for it.")
    if engine.get("outdated"):
        host["pending"].append("Docker Engine was upgraded, and is still the old one until it is restarted.")
    if answers or not is_wanted:
        return []
    if not engine["running"] and not seen["packages"] and not seen["snap"] and not seen["unpackaged"]:
        return [_reason("attention", "It has no Docker Engine. site.yml installs it.")]
    why = text(engine.get("problem")).rstrip(".") or "it does not run"
    return [_reason("attention", f"Docker Engine does not answer: {why}. `journalctl -u docker` tells more.")]


def _configuration(host: Host, seen: Answer) -> list[Reason]:
    keys = ", ".join(".".join(texts(one["key"])) for one in objects(seen["pending"]))
    if seen["requires"] == "none":
        return []
    host["pending"].append(f"Docker Engine takes {keys or 'its configuration'} with a {text(seen['requires'])}.")
    return []


def _registry(host: Host, seen: Answer) -> list[Reason]:
    # 401 to a stranger is the right answer. It counts as a failure for nobody but ansible.builtin.uri.
    status = int(seen.get("status", -1))
    if status == 401:
        host["registry"] = "answers"
        return []
    if status == 200:
        host["registry"] = "answers everybody"
        return [_reason("attention", "The registry gives its images to everybody: it asks for no password.")]
    host["registry"] = "does not answer"
    return [_reason("attention", f"The registry does not answer as it should: {text(seen.get('msg'))}")]


def _image(host: Host, seen: Answer, answer: Answer) -> list[Reason]:
    name, wanted = text(answer.get("image_name")), text(answer.get("image_wanted"))
    there = {}
    for one in objects([json.loads(line) for line in seen["stdout_lines"][:MOST]]):
        for tag in one["RepoTags"] or []:
            there[text(tag)] = one
    current, right = there.get(name), there.get(wanted)
    image: Image = {
        "name": name,
        "wanted": wanted,
        "is_wanted": None if not wanted else bool(current and right and current["Id"] == right["Id"]),
        "id": text(current["Id"]) if current else "",
        "digests": texts(current["RepoDigests"] or []) if current else [],
        "note": "",
    }
    if not current:
        image["note"] = f"It has no image {name}."
    elif image["is_wanted"] is False:
        image["note"] = f"{name} is not {wanted}" + (", which is there." if right else ", which is not there.")
    host["image"] = image
    return [_reason("pending", image["note"])] if image["note"] else []


def _notebooks(host: Host, seen: Answer) -> list[Reason]:
    reasons = []
    for one in objects(seen["instances"]):
        health = text(one["health"])
        is_open = health == "healthy" and not one["refuses_wrong_token"]
        notebook: Notebook = {
            "name": text(one["name"]),
            "url": text(one["url"]),
            "health": "lets strangers in (it takes a wrong token)" if is_open else health,
            "version": text(one["version"]),
            "busy": texts(one["busy"]),
            "pending": text(one["pending"]),
        }
        host["notebooks"].append(notebook)
        if notebook["health"] not in ("healthy", "off"):
            sick = f"Notebook {notebook['name']}: {notebook['health']}"
            reasons.append(_reason("attention", f"{sick}. {text(one['advice'])}" if one["advice"] else sick))
        if one["failed"]:
            reasons.append(_reason("attention", f"Notebook {notebook['name']}: {text(one['failed'])}"))
        if one["backup"].get("problem"):
            reasons.append(
                _reason("attention", f"Backup of notebook {notebook['name']}: {text(one['backup']['problem'])}")
            )
        reasons += [_reason("attention", text(one[key])) for key in ("exposed", "unguarded") if one[key]]
        host["pending"] += [text(sentence) for sentence in (one["pending"], one["certificate"]) if sentence]
    return reasons


def _disks(host: Host, seen: Answer, low: int) -> list[Reason]:
    """Of `df --output=size,avail,target`, which shows a file system once for each path that was named."""
    disks: dict[str, Disk] = {}
    for line in seen["stdout_lines"][1:MOST]:
        size, free, path = text(line).split(None, 2)
        disks[path] = Disk(
            path=path,
            size_bytes=number(size),
            free_bytes=number(free),
            is_low=number(size) > 0 and number(free) < low,
        )
    host["disks"] = list(disks.values())
    return [
        _reason("attention", f"{disk['path']} has {disk['free_bytes'] / _GIB:.1f} GiB free.")
        for disk in host["disks"]
        if disk["is_low"]
    ]


# What a run in check mode would change


def _check(drift: Answer | None) -> Check:
    if not drift:
        return {"status": "not_asked", "problem": "", "seconds": 0.0}
    status = text(drift.get("status")) or "failed"
    return {
        "status": status,
        "problem": text(drift.get("problem") or (drift.get("msg") if status == "failed" else "")),
        "seconds": float(drift.get("seconds") or 0),
    }


def _drift(name: str, drift: Answer | None) -> Drift:
    seen = ((drift or {}).get("hosts") or {}).get(name)
    if not drift or not seen:
        return {"status": "not_asked", "changes": [], "problem": ""}
    changes = [Change(task=text(one["task"]), note=text(one["note"])) for one in objects(seen["changes"])]
    if seen["unreachable"]:
        return {"status": "failed", "changes": changes, "problem": "It was not reached any more."}
    if seen["failed"]:
        last = seen["failed"][-1]
        return {"status": "failed", "changes": changes, "problem": f"{text(last['task'])}: {text(last['note'])}"}
    if drift.get("status") != "completed":
        return {"status": "unfinished", "changes": changes, "problem": ""}
    return {"status": "changes" if changes else "none", "changes": changes, "problem": ""}


def _drift_reasons(drift: Drift) -> list[Reason]:
    if drift["status"] == "failed":
        return [_reason("attention", f"A run in check mode fails. {drift['problem']}")]
    number = len(drift["changes"])
    if not number:
        unknown = drift["status"] in ("unknown", "unfinished")
        return [_reason("pending", "The run in check mode did not come to its end here.")] if unknown else []
    return [_reason("pending", f"A run would change {number} thing{'' if number == 1 else 's'}.")]
