# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import backup, in_container, layout
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.backup_setup import prepare_all
from ansible_collections.gpulab.workstation.plugins.modules import jupyter_info
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    TOKEN,
    Docker,
    MakeSettings,
    Restic,
    Server,
)

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(**given: t.Any) -> dict[str, t.Any]:
        with patch_module_args(given), pytest.raises(SystemExit):
            jupyter_info.main()
        return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out.splitlines()[-1]))

    return run


@pytest.fixture
def keras(docker: Docker, server: Server, make_settings: MakeSettings) -> None:
    """An instance that answers."""
    settings = make_settings(port=server.port)
    settings.token_file.write_text(TOKEN)
    docker.put_container(settings)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"probe": "gpu"}, "value of probe must be one of: api, kernel"),
        ({"probe": "kernel", "devices": "all"}, "value of devices must be one of: list_physical_devices, device_lib"),
        ({"timeout": "soon"}, "timeout"),
    ],
)
def test_wrong_arguments(given: dict[str, t.Any], expected: str, run: Run) -> None:
    result = run(**given)
    assert result["failed"]
    assert expected in result["msg"]


def test_host_without_notebooks(run: Run) -> None:
    result = run()
    # Newer versions of ansible-core leave it to the controller.
    result.pop("invocation", None)
    assert result == {"changed": False, "instances": []}


@pytest.mark.parametrize("check", [True, False])
def test_looks_at_all_by_default(check: bool, run: Run, keras: None, make_settings: MakeSettings) -> None:
    make_settings(name="ada", port=1)
    result = run(_ansible_check_mode=check)
    assert not result["changed"]
    assert [instance["name"] for instance in result["instances"]] == ["ada", "keras"]
    assert result["instances"][1]["health"] == "healthy"
    assert "kernel" not in result["instances"][1]
    assert result["instances"][1]["backup"] == {}


def test_instance_that_is_named_by_mistake(run: Run, keras: None) -> None:
    result = run(names=["grace"])
    assert result["failed"]
    assert "add an instance grace to jupyter_instances" in result["msg"]
    assert run(names=[])["instances"] == []


def test_broken_settings_are_reported(run: Run, keras: None) -> None:
    (layout.CONFIG / "keras" / "settings.json").write_text("{")
    (instance,) = run()["instances"]
    assert "Run the role jupyter again" in instance["health"]
    assert "cannot be asked" in instance["busy"][0]
    assert instance["differs"] == []


def test_kernel(run: Run, keras: None, docker: Docker) -> None:
    seen = {"keras": "3.15.1", "backend": "jax", "framework": "0.8.0", "devices": ["cuda:0"], "seconds": 5.2}
    docker.let_exec(in_container.MARK + json.dumps({"health": "healthy", **seen}))
    (instance,) = run(probe="kernel", devices="device_lib", timeout=7)["instances"]
    assert instance["kernel"] == {"health": "healthy", **seen}
    assert docker.calls[-1][-2:] == ["7", "device_lib"]


def test_broken_notebook_does_not_fail_the_task(run: Run, keras: None, docker: Docker) -> None:
    docker.down.touch()
    result = run(probe="kernel")
    assert "failed" not in result
    assert "Cannot connect to the Docker daemon" in result["instances"][0]["health"]
    assert "Cannot connect to the Docker daemon" in result["instances"][0]["kernel"]["health"]


def test_engine_that_hangs(run: Run, keras: None, docker: Docker) -> None:
    (docker.directory / "docker").write_text("#!/bin/sh\nexec sleep 20\n")
    (instance,) = run(timeout=0.2)["instances"]
    assert instance["health"] == "docker container did not answer within 0.2 seconds"


def test_backup(run: Run, keras: None, restic: Restic, instance: dict[str, t.Any], machine: Path) -> None:
    prepare_all([instance], check=False)
    (machine / "units" / "jupyter-backup-keras.timer").touch()
    assert run()["instances"][0]["backup"] == {
        "repository": str(machine / "repositories" / "keras"),
        "schedule": "*-*-* 02:00:00",
        "snapshot": {},
        "problem": "",
    }
    (Path(instance["workdir"]) / "a.ipynb").write_text("{}")
    backup.back_up("keras")
    assert run()["instances"][0]["backup"]["snapshot"]["id"] == "00010000"
