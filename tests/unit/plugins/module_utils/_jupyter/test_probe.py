# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import signal
import time
import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import in_container, probe
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.probe import probe_kernel
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import Docker

SEEN = {"keras": "3.15.1", "backend": "tensorflow", "framework": "2.21.0", "devices": ["CPU:0", "GPU:0"]}
Answer = t.Callable[..., None]


@pytest.fixture(autouse=True)
def own_alarm() -> t.Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Has the kernel print this, fail with that, or take its time."""

    def answer(printed: str = "", error: str = "", raised: Exception | None = None, seconds: float = 0) -> None:
        def run_cell(_code: str, _cwd: str) -> tuple[str, str]:
            time.sleep(seconds)
            if raised:
                raise raised
            return printed, error

        monkeypatch.setattr(in_container, "run_cell", run_cell)

    return answer


def inside(capsys: pytest.CaptureFixture[str], seconds: str = "30") -> dict[str, t.Any]:
    """What the script prints, as the host reads it."""
    in_container.main([seconds, "list_physical_devices"])
    return probe.parse(capsys.readouterr().out, "", 0)


def test_cell_that_ran(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    answer(f"a warning of TensorFlow\n{in_container.MARK}{json.dumps(SEEN)}\n")
    found = inside(capsys)
    assert found == {"health": "healthy", **SEEN, "seconds": found["seconds"]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"error": "ImportError: no good"}, "the cell failed with ImportError: no good"),
        ({"raised": RuntimeError("Kernel died")}, "no kernel ran: RuntimeError: Kernel died"),
        ({"printed": "something else\n"}, "the cell printed 'something else'"),
    ],
)
def test_cell_that_did_not(
    given: dict[str, t.Any], expected: str, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(**given)
    found = inside(capsys)
    assert found["health"] == expected
    assert found["devices"] == []


def test_script_ends_by_itself(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    answer(seconds=20)
    start = time.monotonic()
    assert inside(capsys, "0.1")["health"] == "the kernel did not finish the cell within 0.1 seconds"
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("devices", ["list_physical_devices", "device_lib"])
def test_cell_is_python_and_calls_what_was_asked(devices: str) -> None:
    code = in_container.CELL % (in_container.MARK, devices)
    compile(code, "cell", "exec")
    assert f'"devices": {devices}()' in code


def test_script_goes_in_on_standard_input(docker: Docker) -> None:
    docker.let_exec(in_container.MARK + json.dumps({"health": "healthy", **SEEN, "seconds": 5.2}) + "\n")
    assert probe_kernel("jupyter-keras", "device_lib", 60) == {"health": "healthy", **SEEN, "seconds": 5.2}
    assert docker.calls[-1] == ["exec", "-i", "jupyter-keras", "python3", "-I", "-", "60", "device_lib"]
    script = (docker.directory / "stdin").read_text()
    compile(script, "script", "exec")
    assert "ansible" not in script


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"code": 1, "stderr": "Error response from daemon: No such container: jupyter-keras\n"}, "No such container"),
        ({"code": 127, "stdout": 'OCI runtime exec failed: "python3": executable file not found\n'}, "file not found"),
        ({"code": 142}, "docker exec ended with code 142"),
        ({"stdout": in_container.MARK + "{\n"}, "no kernel ran"),
        ({"stdout": in_container.MARK + '{"health": "healthy", "surprise": 1}\n'}, "no kernel ran"),
    ],
)
def test_what_docker_says(said: dict[str, t.Any], expected: str, docker: Docker) -> None:
    docker.let_exec(**said)
    found = probe_kernel("jupyter-keras", "list_physical_devices", 60)
    assert found["health"].startswith("no kernel ran: ")
    assert expected in found["health"]
    assert found["keras"] == ""


def test_docker_that_hangs_is_ended(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "GRACE", 0.2)
    docker.let_exec(seconds=20)
    start = time.monotonic()
    assert (
        probe_kernel("jupyter-keras", "list_physical_devices", 0.3)["health"]
        == "docker exec did not end within 0.5 seconds"
    )
    assert time.monotonic() - start < 5


def test_machine_without_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "cannot be run" in probe_kernel("jupyter-keras", "list_physical_devices", 60)["health"]
