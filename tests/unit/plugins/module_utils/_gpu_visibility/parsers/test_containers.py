# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CDI, Docker, the toolkit, containers and frameworks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.gpulab.workstation.molecule.resources.gpu import machine as texts
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Gpu, Machine, t4
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.parsers import (
    cdi,
    container,
    docker,
    framework,
    toolkit,
    yaml_subset,
)

UNINDENTED = """\
cdiVersion: 0.7.0
kind: "nvidia.com/gpu"
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      major: 195
  name: "0"   # the first
- name: 'it''s'
  containerEdits: {deviceNodes: [{path: /dev/nvidia1, major: 195, minor: 1}], env: ["A=b # c", d:e]}
containerEdits:
  hooks:
  -
    path: /usr/bin/nvidia-cdi-hook
    args: []
  env:
  - "NVIDIA_VISIBLE_DEVICES=void"
  - -1
  nothing:
"""


class TestYaml:
    @pytest.mark.parametrize(
        "text", [UNINDENTED, texts.cdi_spec(Machine()), "", "# only\n", "a: 1\nb: ~\nc: true", "- a\n- - b\n"]
    )
    def test_same_as_a_library(self, text: str) -> None:
        assert yaml_subset.load(text) == yaml.safe_load(text)

    @pytest.mark.parametrize(
        "text",
        [
            "a: &x 1\nb: *x\n",
            "a: !!str 1\n",
            "a: |\n  text\n",
            "a: >-\n  text\n",
            "a: 1\n---\nb: 2\n",
            "a:\n\tb: 1\n",
            "a: 1\n  b: 2\n",
            "a: [1, 2\n",
            "a: {b\n",
            "a: 'b\n",
            "a: 1\na: 2\n",
            "%YAML 1.2\n---\na: 1\n",
            "a: " + "[" * 100 + "]" * 100,
            "a:\n" + "".join(" " * depth + "- \n" for depth in range(1, 80)),
        ],
    )
    def test_refused(self, text: str) -> None:
        with pytest.raises(yaml_subset.NotUnderstoodError, match="line"):
            yaml_subset.load(text)


class TestCdi:
    def test_of_the_toolkit(self) -> None:
        spec = cdi.parse(texts.cdi_spec(Machine(gpus=t4(2)), root="/run/driver"))
        assert spec.is_gpu
        assert list(spec.devices) == ["0", "1", Gpu(0).uuid, Gpu(1).uuid, "all"]
        assert spec.driver_version == "550.163.01"
        assert cdi.DeviceNode("/run/driver/dev/nvidia0", 195, 0) in spec.all_nodes()
        assert cdi.DeviceNode("/run/driver/dev/nvidia-uvm", 510, 0) in spec.all_nodes()
        assert "/run/driver/usr/bin/nvidia-smi" in spec.host_paths
        assert len(spec.all_nodes()) == 5

    def test_json(self) -> None:
        text = json.dumps(yaml.safe_load(texts.cdi_spec(Machine())))
        assert cdi.parse(text) == cdi.parse(texts.cdi_spec(Machine()))

    @pytest.mark.parametrize("text", ["", "[]", "{", "kind: 3\n", "a: &b c\n", '{"kind": null}', "\0"])
    def test_unknown(self, text: str) -> None:
        spec = cdi.parse(text)
        assert spec.problem
        assert not spec.is_gpu

    def test_wrong_types(self) -> None:
        devices = [1, {"name": "a", "containerEdits": []}]
        spec = {"kind": "nvidia.com/gpu", "devices": devices, "containerEdits": {"mounts": 7}}
        assert cdi.parse(json.dumps(spec)).devices == {"a": []}


class TestDocker:
    def test_engine_before_cdi(self) -> None:
        info = docker.info('WARNING: no swap\n{"ServerVersion": "20.10.24+dfsg1", "Runtimes": {"runc": {}}}\n')
        assert (info.version, info.runtimes, info.cdi_directories, info.problem) == (
            "20.10.24+dfsg1",
            ["runc"],
            None,
            None,
        )

    def test_discovered(self) -> None:
        devices = [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}, {"Source": "other", "ID": "x"}]
        info = docker.info(
            json.dumps({"ServerVersion": "28.3.0", "CDISpecDirs": ["/etc/cdi"], "DiscoveredDevices": devices})
        )
        assert (info.cdi_directories, info.cdi_devices) == (["/etc/cdi"], ["nvidia.com/gpu=0"])

    @pytest.mark.parametrize("indent", [None, 2])
    def test_podman(self, indent: int | None) -> None:
        answer = {"host": {"cgroupVersion": "v2", "security": {"rootless": True}}, "version": {"Version": "5.2.2"}}
        info = docker.info("Emulate Docker CLI using podman.\n" + json.dumps(answer, indent=indent) + "\n")
        assert (info.is_podman, info.version, info.cgroup_version, info.rootless) == (True, "5.2.2", "2", True)
        assert info.problem is None

    def test_desktop(self) -> None:
        answer = {
            "ServerVersion": "28.3.2",
            "OperatingSystem": "Docker Desktop",
            "ClientInfo": {"Context": "desktop-linux"},
        }
        info = docker.info(json.dumps({**answer, "Warnings": ["CDI: Error in /etc/cdi/nvidia.yaml"]}))
        assert (info.operating_system, info.context) == ("Docker Desktop", "desktop-linux")
        assert info.warnings == ("CDI: Error in /etc/cdi/nvidia.yaml",)

    @pytest.mark.parametrize(
        ("version", "numbers"), [("26.1.5+dfsg1", (26, 1, 5)), ("v1.0.0", (1, 0, 0)), ("x", ()), (None, ())]
    )
    def test_numbers(self, version: str | None, numbers: tuple[int, ...]) -> None:
        assert docker.numbers(version) == numbers

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "Cannot connect to the Docker daemon",
            "{",
            "[]",
            '{"ServerErrors": ["Cannot connect to the Docker daemon"]}',
        ],
    )
    def test_no_engine(self, text: str) -> None:
        assert docker.info(text).problem

    def test_environment(self) -> None:
        assert docker.image_environment('["A=b=c", "D"]') == {"A": "b=c", "D": ""}
        assert docker.image_environment("null") == {}
        assert docker.image_environment("Error") is None


@pytest.mark.parametrize(
    ("requirement", "cuda", "lowest", "satisfied"),
    [
        ("cuda>=12.8", "12.4", "12.8", False),
        ("cuda>=12.8", "13.0", "12.8", True),
        ("cuda>=9", "12.4", "9.0", True),
        # A data-centre card may run it with an older branch.
        ("cuda>=12.8 brand=tesla,driver>=535,driver<536", "12.4", "12.8", None),
        ("", "12.4", None, None),
        (None, "12.4", None, None),
        ("cuda>=12.8", None, "12.8", None),
        ("cuda>=12.8", "garbage", "12.8", None),
    ],
)
def test_cuda_requirement(
    requirement: str | None, cuda: str | None, lowest: str | None, satisfied: bool | None
) -> None:
    assert toolkit.required_cuda(requirement) == lowest
    assert toolkit.is_satisfied(requirement, cuda) is satisfied


def test_toolkit_settings() -> None:
    section = "[nvidia-container-cli]\n#no-cgroups = true\nno-cgroups = false # why\nenvironment = []\n"
    text = f'a = true\n{section}[x.y]\nmode = "cdi"\n'
    assert toolkit.settings(text) == {"a": "true", "nvidia-container-cli.no-cgroups": "false", "x.y.mode": "cdi"}
    assert toolkit.version("NVIDIA Container Toolkit CLI version 1.20.0-rc.1\ncommit: x\n") == "1.20.0-rc.1"
    assert toolkit.version("") is None


class TestContainer:
    def test_script(self, tmp_path: Path) -> None:
        """On a real shell, with no nvidia-smi in its PATH."""
        done = subprocess.run(
            ["/bin/sh", "-c", container.SCRIPT],
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        inside = container.parse(done.stdout)
        assert (inside.smi_rc, inside.visible, inside.capabilities) == (127, "unset", "unset")
        assert "not found" in inside.smi_text

    def test_parse(self) -> None:
        inside = container.parse(
            f"{texts.smi_list([Gpu(0)])}gpulab:rc=0\ngpulab:node=/dev/nvidia0\ngpulab:node=/dev/nvidiactl\ngpulab:visible=void\n"
        )
        assert [gpu.uuid for gpu in inside.listing.gpus] == [Gpu(0).uuid]
        assert (inside.smi_rc, inside.gpu_nodes, inside.visible) == (0, ["/dev/nvidia0"], "void")

    def test_broken_off(self) -> None:
        assert container.parse("").smi_rc is None


TENSORFLOW = """\
__version__ = "2.21.0"
class test:
    is_built_with_cuda = staticmethod(lambda: True)
"""
DEVICE_LIB = """\
class Device:
    def __init__(self, number, kind):
        self.name, self.device_type = "/device:%s:%d" % (kind, number), kind
        self.physical_device_desc = "device: 0, name: NVIDIA T4, pci bus id: 0000:3b:00.0, compute capability: 7.5"
def list_local_devices():
    return [Device(0, "CPU"), Device(0, "GPU")]
"""
JAX = """\
__version__ = "0.10.2"
def devices(kind):
    raise RuntimeError("Unknown backend: 'gpu' requested, but no platforms that are instances of gpu are present.")
"""
TORCH = """\
__version__ = "2.9.0"
class version:
    cuda = "13.0"
class Properties:
    name, major, minor, uuid = "NVIDIA H100", 9, 0, "00000000-1ab0-4000-8000-0123456789ab"
class cuda:
    init = staticmethod(lambda: None)
    device_count = staticmethod(lambda: 1)
    get_device_properties = staticmethod(lambda number: Properties)
"""


class TestFramework:
    @pytest.fixture(autouse=True)
    def _stand_ins(self, tmp_path: Path) -> None:
        for path, text in {
            "tensorflow/__init__.py": TENSORFLOW,
            "tensorflow/python/__init__.py": "",
            "tensorflow/python/client/__init__.py": "",
            "tensorflow/python/client/device_lib.py": DEVICE_LIB,
            "jax.py": JAX,
            "torch.py": TORCH,
        }.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)

    def ask(self, name: str, path: Path) -> framework.Answer:
        done = subprocess.run(
            [sys.executable, "-c", framework.program(name, 60)],
            env={"PYTHONPATH": str(path)},
            capture_output=True,
            text=True,
            check=False,
        )
        return framework.parse(done.stdout, done.stderr)

    def test_tensorflow(self, tmp_path: Path) -> None:
        answer = self.ask("tensorflow", tmp_path)
        device = framework.Device("/device:GPU:0", "NVIDIA T4", "0000:3b:00.0", None, "7.5")
        assert answer == framework.Answer("2.21.0", True, [device], None, [])

    def test_jax(self, tmp_path: Path) -> None:
        assert self.ask("jax", tmp_path) == framework.Answer("0.10.2", False, [], None, [])

    def test_torch(self, tmp_path: Path) -> None:
        device = framework.Device("cuda:0", "NVIDIA H100", None, Gpu(0).uuid, "9.0")
        assert self.ask("torch", tmp_path) == framework.Answer("2.9.0", True, [device], None, [])

    @pytest.mark.parametrize("name", framework.NAMES)
    def test_not_installed(self, name: str, tmp_path: Path) -> None:
        answer = self.ask(name, tmp_path / "nowhere")
        assert answer.missing == name
        assert answer.devices is None

    def test_died(self) -> None:
        assert framework.parse("", "Segmentation fault") == framework.Answer(None, None, None, None, [])

    @pytest.mark.parametrize(
        ("text", "errors"),
        [
            ("failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)", ["cuda:303"]),
            ("failed call to cuInit: CUDA_ERROR_SYSTEM_NOT_READY: system not yet initialized", ["cuda:802"]),
            ("RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment", ["cuda:999"]),
            ("Could not find cuda drivers on your machine, GPU will not be used.", ["no_cuda_driver"]),
            ("Cannot dlopen some GPU libraries. Please make sure", ["library_missing"]),
            ("CUDA error: no kernel image is available for execution on the device", ["no_kernels"]),
            ("failed call to cuInit: something new", ["cuda:unknown"]),
            ("all is well", []),
        ],
    )
    def test_errors(self, text: str, errors: list[str]) -> None:
        assert framework.errors(text) == errors

    def test_device_lib_as_it_prints(self) -> None:
        text = (
            '[name: "/device:CPU:0"\ndevice_type: "CPU"\n, name: "/device:GPU:0"\ndevice_type: "GPU"\n'
            'physical_device_desc: "device: 0, name: NVIDIA T4, pci bus id: 0000:3b:00.0, compute capability: 7.5"\n]\n'
        )
        assert framework.device_lib(text) == [
            framework.Device("/device:GPU:0", "NVIDIA T4", "0000:3b:00.0", None, "7.5")
        ]


@pytest.mark.parametrize(
    ("requests", "runtime", "environment", "has"),
    [
        ([{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0"]}], "runc", [], True),
        ([{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}], "runc", None, True),
        (None, "nvidia", ["NVIDIA_VISIBLE_DEVICES=GPU-1"], True),
        # As the default runtime of an engine, it is everybody's.
        (None, "nvidia", ["PATH=/bin"], False),
        (None, "nvidia", ["NVIDIA_VISIBLE_DEVICES=void"], False),
        (None, "runc", ["NVIDIA_VISIBLE_DEVICES=all"], False),
        ([], "runc", None, False),
    ],
)
def test_containers_with_gpus(requests: object, runtime: str, environment: object, has: bool) -> None:
    line = json.dumps(["/jupyter-ada", requests, runtime, environment])
    assert docker.with_gpus(f"{line}\n") == (["jupyter-ada"] if has else [])


@pytest.mark.parametrize("text", ["", "null\n", "[1, 2]\n", "Error: No such object: jupyter-ada\n", "[" * 100_000])
def test_containers_that_docker_does_not_describe(text: str) -> None:
    assert docker.with_gpus(text) == []


@pytest.mark.parametrize(
    ("capabilities", "lacks"),
    [
        ("unset", []),
        ("", []),
        ("all", []),
        ("compute,utility", []),
        ("utility", ["compute"]),
        ("Graphics, Compute", ["utility"]),
        ("display", ["compute", "utility"]),
    ],
)
def test_capabilities(capabilities: str, lacks: list[str]) -> None:
    inside = container.parse(f"gpulab:rc=0\ngpulab:visible=all\ngpulab:capabilities={capabilities}\n")
    assert [name for name in ("compute", "utility") if inside.lacks(name)] == lacks


@pytest.mark.parametrize(
    ("stderr", "found"),
    [
        (
            "Found cuDNN version 8600, but JAX was built against version 8906, which is newer.",
            ("cuDNN", "8600", "8906"),
        ),
        (
            "Found cuBLAS version 120304, but JAX was built against version 120500, which",
            ("cuBLAS", "120304", "120500"),
        ),
        (
            "cuda_dnn.cc:417] Loaded runtime CuDNN library: 8.5.0 but source was compiled with: 8.6.0.  CuDNN library",
            ("CuDNN", "8.5.0", "8.6.0"),
        ),
        (
            "Outdated cuDNN installation found.\nVersion JAX was built against: 8907\nMinimum supported: 9100\n"
            "Installed version: 8907\n",
            ("cuDNN", "8907", "9100"),
        ),
        ("Found no NVIDIA driver on your system.", None),
    ],
)
def test_library_that_is_too_old(stderr: str, found: tuple[str, str, str] | None) -> None:
    assert framework.parse("", stderr).too_old == found
