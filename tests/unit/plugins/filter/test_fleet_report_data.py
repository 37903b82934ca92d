# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib
import json
import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.workstation.plugins.filter.fleet_report import fleet_report
from ansible_collections.gpulab.workstation.plugins.filter.fleet_report_data import fleet_report_data
from ansible_collections.gpulab.workstation.plugins.plugin_utils._fleet_report.build import needs_somebody
from ansible_collections.gpulab.workstation.tests.e2e import lab
from hypothesis import given, settings
from hypothesis import strategies as some

MODULES = "ansible_collections.gpulab.workstation.plugins.modules"
GIB = 2**30


def sample(module: str) -> dict[str, t.Any]:
    """What the module's own documentation says that it returns."""
    documented = yaml.safe_load(importlib.import_module(f"{MODULES}.{module}").RETURN)
    return {name: value["sample"] for name, value in documented.items() if "sample" in value}


def well(**other: t.Any) -> dict[str, t.Any]:
    """A host that is fine, but for what is given."""
    gpus = lab._gpus(1, "NVIDIA T4", 2)
    image = {"Id": "sha256:1", "RepoTags": ["keras:gpu", "keras:gpu-0123456789ab"], "RepoDigests": []}
    return {
        "reach": {"ping": "pong"},
        "gpus": gpus,
        "expected_gpus": 2,
        "engine": lab._engine(1),
        "configuration": {"requires": "none", "pending": []},
        "image": {"stdout_lines": [json.dumps(image)]},
        "image_name": "keras:gpu",
        "image_wanted": "keras:gpu-0123456789ab",
        "notebooks": {"instances": []},
        "disks": {"stdout_lines": ["1B-blocks Avail Mounted on", f"{100 * GIB} {50 * GIB} /"]},
        **other,
    }


def judge(answer: t.Any, drift: t.Any = None, asked: tuple[str, ...] = ("lab01",)) -> dict[str, t.Any]:
    report = fleet_report_data({"lab01": answer}, asked=asked, made_at=0, drift=drift)
    return t.cast("dict[str, t.Any]", report["hosts"][0])


def drift(**seen: t.Any) -> dict[str, t.Any]:
    host = {"changes": [], "failed": [], "unreachable": False, **seen}
    return {"status": "completed", "problem": "", "seconds": 1, "hosts": {"lab01": host}}


def notebook(**other: t.Any) -> dict[str, t.Any]:
    return {"instances": [{**sample("jupyter_info")["instances"][0], "pending": "", **other}]}


def image(*images: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"stdout_lines": [json.dumps({"RepoDigests": None, **one}) for one in images]}


CASES: dict[str, tuple[t.Any, t.Any, str, str]] = {
    "well": (well(), None, "fine", "Nothing to do."),
    "never seen": (None, None, "unreachable", "lost while"),
    "off": ({"reach": {"unreachable": True, "msg": "no route"}}, None, "unreachable", "no route"),
    "not to be asked": ({"reach": {"failed": True, "msg": "sudo: a password"}}, None, "attention", "sudo: a password"),
    "a probe that failed": (
        well(gpus={"failed": True, "msg": "timed out"}),
        None,
        "attention",
        "GPUs failed: timed out",
    ),
    "lost between two probes": (
        well(disks={"unreachable": True, "msg": "gone"}),
        None,
        "attention",
        "disks failed: gone",
    ),
    "a broken GPU": (well(gpus=lab._gpus(14, "T4", 2)), None, "attention", "GPUs broken: 0 of 2"),
    "a GPU less": (well(gpus=lab._gpus(31, "T4", 4)), None, "attention", "GPUs degraded: 3 of 4"),
    "a warning": (well(gpus=lab._gpus(45, "T4", 2)), None, "pending", "will lose their GPUs"),
    "no GPU": (well(gpus=lab._no_gpus(), expected_gpus=None), None, "fine", "Nothing"),
    "no engine": (
        well(engine={**lab._engine(50), "packages": {}}, image={}, notebooks={}, configuration={"skipped": True}),
        None,
        "attention",
        "no Docker Engine. site.yml installs it",
    ),
    "an engine that is down": (well(engine=lab._engine(50)), None, "attention", "dockerd is not running. `journalctl"),
    "an upgraded engine": (well(engine=lab._engine(21)), None, "pending", "still the old one"),
    "a reboot": (well(engine=lab._engine(3)), None, "pending", "restarted"),
    "a configuration": (
        well(configuration={"requires": "restart", "pending": [{"key": ["features", "cdi"], "requires": "restart"}]}),
        None,
        "pending",
        "takes features.cdi with a restart",
    ),
    "no image": (well(image=image()), None, "pending", "no image keras:gpu"),
    "another image": (
        well(image=image({"Id": "1", "RepoTags": ["keras:gpu"]}, {"Id": "2", "RepoTags": ["keras:gpu-0123456789ab"]})),
        None,
        "pending",
        "keras:gpu is not keras:gpu-0123456789ab, which is there.",
    ),
    "a healthy notebook": (well(notebooks=notebook()), None, "fine", "Nothing"),
    "a sick notebook": (well(notebooks=notebook(health="no answer")), None, "attention", "Notebook keras: no answer"),
    "a certificate that ends": (well(notebooks=notebook(certificate="Renew it.")), None, "pending", "Renew it."),
    "a notebook that hangs": (
        well(notebooks=notebook(health="no answer", advice="Restart it.")),
        None,
        "attention",
        "Notebook keras: no answer. Restart it.",
    ),
    "a notebook that was switched off": (well(notebooks=notebook(health="off")), None, "fine", "Nothing"),
    "a notebook given up": (well(notebooks=notebook(failed="it did not start")), None, "attention", "did not start"),
    "a notebook that waits": (well(notebooks=notebook(pending="It waits.")), None, "pending", "It waits."),
    "no backup": (
        well(notebooks=notebook(backup={"problem": "9 days old"})),
        None,
        "attention",
        "Backup of notebook keras: 9 days old",
    ),
    "a full disk": (
        well(disks={"stdout_lines": ["head", f"{9 * GIB} {GIB} /srv/the data"]}),
        None,
        "attention",
        "/srv/the data has 1.0 GiB free.",
    ),
    "a registry": (well(registry={"status": 401}), None, "fine", "Nothing"),
    "an open registry": (well(registry={"status": 200}), None, "attention", "asks for no password"),
    "a dead registry": (well(registry={"failed": True, "status": -1, "msg": "refused"}), None, "attention", "refused"),
    "no drift": (well(), drift(), "fine", "Nothing"),
    "drift": (well(), drift(changes=[{"task": "a", "note": ""}]), "pending", "A run would change 1 thing."),
    "a check that fails": (well(), drift(failed=[{"task": "a", "note": "b"}]), "attention", "check mode fails. a: b"),
    "a check that loses it": (well(), drift(unreachable=True), "attention", "not reached any more"),
    "nonsense": (well(notebooks={"instances": "x"}), None, "attention", "its notebooks is not understood"),
}


@pytest.mark.parametrize("name", CASES)
def test_severity(name: str) -> None:
    answer, checked, severity, words = CASES[name]
    host = judge(answer, checked)
    assert host["severity"] == severity, host["reasons"]
    assert words in host["summary"]


def test_not_asked() -> None:
    host = judge(None, asked=())
    assert (host["severity"], host["reachable"]) == ("not_asked", None)


def test_what_modules_document_is_understood() -> None:
    """The samples of the modules' documentation are true ones; so what they return fits."""
    gpus = sample("gpu_visibility_info")
    host = judge(
        well(
            gpus=gpus,
            engine={**sample("docker_engine_info"), "files": {"/run/reboot-required": {"exists": False}}},
            configuration=sample("docker_daemon_config"),
            notebooks=sample("jupyter_info"),
        )
    )
    assert not [reason for reason in host["reasons"] if "not understood" in reason["text"]]
    assert host["gpus"]["seen"] == gpus["counts"]["nvml"]
    assert host["gpus"]["findings"][0]["commands"] == gpus["findings"][0]["remedy"]["commands"]
    assert host["engine"] == {"answers": True, "version": "26.1.5+dfsg1", "problem": ""}
    assert host["notebooks"][0]["health"] == "healthy"


def test_what_the_check_documents_is_understood() -> None:
    seen = sample("playbook_check_info")
    seen["hosts"]["lab01"] = seen["hosts"].pop("lab01.example.org")
    host = judge(well(), seen)
    assert host["drift"]["status"] == "changes"
    assert host["drift"]["changes"][0]["note"].startswith("keras:cpu-391f194084ab would be built")


def test_unfinished_check() -> None:
    host = judge(well(), {**drift(changes=[{"task": "a", "note": ""}]), "status": "timed_out"})
    assert host["drift"]["status"] == "unfinished"
    assert host["severity"] == "pending"


def test_order() -> None:
    answers = {"lab10": well(), "lab9": well(), "lab11": None, "lab2": well(registry={"status": 200})}
    report = fleet_report_data(answers, asked=answers, made_at=0)
    assert [host["name"] for host in report["hosts"]] == ["lab11", "lab2", "lab9", "lab10"]
    assert needs_somebody(report) == ["lab11", "lab2"]
    assert report["made_at"] == "1970-01-01T00:00:00Z"


def test_words_are_cleaned_and_cut() -> None:
    said = "\x1b[2J\u202etxt.exe\x00" + "x" * 9999
    summary = judge(well(registry={"status": 500, "msg": said}))["summary"]
    assert "\ufffd[2J\ufffdtxt.exe\ufffdxx" in summary
    assert len(summary) < 2200


anything = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(
            some.sampled_from(["engine", "instances", "stdout_lines", "counts", "status", "failed", "layers", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    some.sampled_from(["reach", "gpus", "engine", "configuration", "registry", "image", "notebooks", "disks"]), anything
)
def test_no_answer_ends_the_report(probe: str, answer: t.Any) -> None:
    answers = {"lab01": well(**{probe: answer}), "lab02": well()}
    report = fleet_report_data(answers, asked=answers, made_at=0)
    other = next(host for host in report["hosts"] if host["name"] == "lab02")
    assert other["severity"] == "fine"
    for form in ("html", "json", "csv", "prometheus", "screen"):
        assert fleet_report(report, form)


def test_wrong_input() -> None:
    with pytest.raises(AnsibleFilterError, match="by host, and not"):
        fleet_report_data([], asked=[], made_at=0)  # type: ignore[arg-type]
