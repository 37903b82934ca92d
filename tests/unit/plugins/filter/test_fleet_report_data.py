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
    "a warning": (well(gpus=lab._gpus(45, "T4", 2)), None, "pending", "cannot be opened by users"),
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
    "a notebook that lets everybody in": (
        well(notebooks=notebook(refuses_wrong_token=False)),
        None,
        "attention",
        "Notebook keras: lets strangers in",
    ),
    "a notebook that does not answer anybody": (
        well(notebooks=notebook(health="no answer", refuses_wrong_token=False)),
        None,
        "attention",
        "Notebook keras: no answer",
    ),
    "a certificate that ends": (well(notebooks=notebook(certificate="Renew it.")), None, "pending", "Renew it."),
    "files that neighbours read": (
        well(notebooks=notebook(exposed="Close it.")),
        None,
        "attention",
        "Close it.",
    ),
    "a network that neighbours reach": (
        well(notebooks=notebook(unguarded="Install nftables.")),
        None,
        "attention",
        "Install nftables.",
    ),
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


@pytest.mark.parametrize(
    "check",
    [
        {"failed": True, "msg": "no space"},
        {"status": "failed", "problem": "no vault", "hosts": {}},
        {"status": "completed", "problem": "", "hosts": {"lab02": drift()["hosts"]["lab01"]}},
        {**drift(), "status": "timed_out", "problem": "too long"},
    ],
)
def test_a_check_that_did_not_come_to_a_host_is_said_there(check: dict[str, t.Any]) -> None:
    answers = {"lab01": well(), "lab02": None}
    report = fleet_report_data(answers, asked=answers, made_at=0, drift=check)
    host = next(host for host in report["hosts"] if host["name"] == "lab01")
    assert host["drift"]["status"] in ("unknown", "unfinished")
    assert (host["severity"], "did not come to its end here" in host["summary"]) == ("pending", True)
    assert "drift not known" in fleet_report(report, "html")
    assert 'gpulab_drift_tasks{host="lab01"}' not in fleet_report(report, "prometheus")


@pytest.mark.parametrize(
    ("checked", "severity"), [(None, "pending"), (drift(), "fine"), ({"status": "failed", "hosts": {}}, "pending")]
)
def test_windows_is_fine_only_where_the_check_run_looked(checked: t.Any, severity: str) -> None:
    answers = {"lab01": {"reach": {"ping": "pong"}}}
    report = fleet_report_data(answers, asked=answers, groups={"windows": ["lab01"]}, drift=checked, made_at=0)
    host = report["hosts"][0]
    assert host["severity"] == severity
    words = [reason["text"] for reason in host["reasons"]]
    assert any("notebook was not looked at" in one for one in words) is (severity == "pending"), words


@pytest.mark.parametrize(
    ("counts", "seen"),
    [
        ({"pci": 2, "nvml": 2}, 2),
        ({"pci": 2, "nvml": 0}, 0),
        # The driver was removed, or hangs: nobody knows what it would show.
        ({"pci": 2, "nvml": None}, None),
        ({"pci": 0, "nvml": None}, 0),
        ({"pci": None, "nvml": None}, None),
    ],
)
def test_gpus_that_no_driver_shows_are_not_counted(counts: dict[str, t.Any], seen: int | None) -> None:
    answers = {"lab01": well(gpus={**lab._gpus(1, "T4", 2), "counts": counts})}
    report = fleet_report_data(answers, asked=answers, made_at=0)
    gpus = report["hosts"][0]["gpus"]
    assert gpus
    assert gpus["seen"] == seen
    assert ("gpulab_gpus{" in fleet_report(report, "prometheus")) is (seen is not None)
    assert ('<span class="number bad">' in fleet_report(report, "html")) is (seen != 2)


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


def test_open_notebook_is_healthy_nowhere() -> None:
    answers = {"lab01": well(notebooks=notebook(refuses_wrong_token=False))}
    report = fleet_report_data(answers, asked=answers, made_at=0)
    assert report["hosts"][0]["notebooks"][0]["health"].startswith("lets strangers in")
    assert "0 of 1 healthy" in fleet_report(report, "html")
    assert 'gpulab_notebook_healthy{host="lab01",notebook="keras"} 0' in fleet_report(report, "prometheus")


NO_ENGINE = {**lab._engine(50), "packages": {}, "engine": {"running": False, "answers": False}}


@pytest.mark.parametrize(
    ("groups", "severity"),
    [
        ({"registry": ["lab01"], "builder": ["lab02"]}, "fine"),
        # Then it builds itself.
        ({"registry": ["lab01"]}, "attention"),
        ({"registry": ["lab01"], "builder": []}, "attention"),
        ({"registry": ["lab01"], "builder": ["lab02"], "workstations": ["lab01"]}, "attention"),
        ({"registry": ["lab01"], "builder": ["lab01"]}, "attention"),
    ],
)
def test_a_registry_that_only_serves_needs_no_engine(groups: dict[str, list[str]], severity: str) -> None:
    answers = {"lab01": {"reach": {"ping": "pong"}, "registry": {"status": 401}, "engine": NO_ENGINE}}
    host = fleet_report_data(answers, asked=answers, groups=groups, made_at=0)["hosts"][0]
    assert (host["severity"], host["engine"] is None) == (severity, severity == "fine"), host["reasons"]


def test_gpus_of_a_registry_that_only_serves_are_nobodys() -> None:
    answers = {"lab01": well(gpus=lab._gpus(14, "T4", 2), engine=NO_ENGINE, image={}, registry={"status": 401})}
    groups = {"registry": ["lab01"], "builder": ["lab02"]}
    host = fleet_report_data(answers, asked=answers, groups=groups, made_at=0)["hosts"][0]
    assert (host["severity"], host["gpus"]) == ("fine", None), host["reasons"]


def test_a_deep_answer_is_one_that_is_not_understood() -> None:
    host = judge(well(image={"stdout_lines": ["[" * 200_000]}))
    assert "its image is not understood" in host["summary"]


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
