# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The look as a whole: order, layers, what is asked and what is not."""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.gpu import files, programs
from ansible_collections.gpulab.workstation.molecule.resources.gpu import machine as texts
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Gpu, Machine, Slice, t4
from ansible_collections.gpulab.workstation.molecule.resources.gpu.programs import Reply, docker_replies
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.detect import program
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.look import Options, look
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.seen import LAYERS
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.system import System
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._gpu_visibility.plays import (
    HEALTHY_INSIDE,
    framework,
    service_failed,
)

Build = t.Callable[[Machine], Path]
Look = t.Callable[..., dict[str, t.Any]]
TENSORFLOW = framework(
    "tensorflow",
    devices=[
        {
            "id": f"/device:GPU:{gpu.index}",
            "text": f"name: NVIDIA T4, pci bus id: {gpu.bus_id}, compute capability: 7.5",
        }
        for gpu in t4(4)
    ],
)


def statuses(result: dict[str, t.Any]) -> dict[str, str]:
    return {layer["name"]: layer["status"] for layer in result["layers"]}


def logged(root: Path, *names: str) -> Path:
    """Put a stand-in before each program that notes its arguments."""
    log = root / "calls"
    for name in names:
        real = root / "usr/bin" / name
        real.rename(real.with_suffix(".real"))
        programs.write_program(real, ["#!/bin/sh", f'echo "{name} $*" >> {log}', f'exec {real}.real "$@"'])
    return log


def test_healthy(build: Build, look_at: Look) -> None:
    root = build(Machine())
    files.docker(root, docker_replies(more=[Reply("run * /bin/sh *", HEALTHY_INSIDE), TENSORFLOW]))
    result = look_at(root, image="keras:gpu", frameworks=["tensorflow"], expected_gpus=4)
    assert result["findings"] == []
    assert set(statuses(result).values()) == {"ok"}
    assert result["status"] == "ok"
    assert result["summary"] == "4 of 4 GPUs visible in tensorflow"
    assert result["first_broken_layer"] is None
    assert result["counts"] == {
        **dict.fromkeys(LAYERS[:4], 4),
        "cdi": 4,
        "container": 4,
        "frameworks": {"tensorflow": 4},
    }
    assert result["container"]["method"] == "cdi"
    assert result["docker"]["gpu_methods"] == {"cdi": True, "gpus": True, "runtime": True}
    assert result["cdi"]["spec_files"][0]["stale"] is False
    assert result["driver"]["nvml_rc"] == 0
    gpu = result["gpus"][3]
    assert (gpu["uuid"], gpu["pci_bus_id"], gpu["index"], gpu["minor_number"]) == (Gpu(3).uuid, "0000:44:00.0", 3, 3)
    assert gpu["visible_in"] == {
        **dict.fromkeys(("pci", "device_nodes", "nvml", "cdi", "container"), True),
        "frameworks": {"tensorflow": True},
    }


def test_few_processes(build: Build, look_at: Look) -> None:
    root = build(Machine())
    log = logged(root, "nvidia-smi")
    look_at(root)
    assert log.read_text().splitlines() == ["nvidia-smi -L", "nvidia-smi -q -x"]


def test_each_gpu_by_itself_where_one_is_bad(build: Build, look_at: Look) -> None:
    root = build(Machine())
    programs.replayer(root / "usr/bin/nvidia-smi", programs.smi_replies(Machine(), lost={1}))
    log = logged(root, "nvidia-smi")
    result = look_at(root)
    asked = [line.partition("-i ")[2] for line in log.read_text().splitlines() if "-i" in line]
    assert asked == [Gpu(number).uuid for number in (0, 2, 3)]
    assert [gpu["memory_total_bytes"] for gpu in result["gpus"]] == [15360 * 2**20, None, 15360 * 2**20, 15360 * 2**20]
    assert [gpu["visible_in"]["nvml"] for gpu in result["gpus"]] == [True, False, True, True]
    assert result["summary"] == "3 of 4 GPUs visible in nvml: a GPU has fallen off the bus"


def test_csv_where_the_xml_is_not_understood(build: Build, look_at: Look) -> None:
    root = build(Machine())
    query = Reply(f"--query-gpu={texts.SAFE_FIELDS} --format=csv", texts.smi_csv(Machine(), t4(4)))
    replies = [Reply("-L", texts.smi_list(t4(4))), Reply("-q -x*", "<xml of=2040>"), query]
    programs.replayer(root / "usr/bin/nvidia-smi", replies)
    result = look_at(root)
    assert result["status"] == "ok"
    assert [gpu["memory_total_bytes"] for gpu in result["gpus"]] == [15360 * 2**20] * 4


def test_files_before_nvidia_smi(build: Build, look_at: Look) -> None:
    """nvidia-smi as root makes nodes: what was missing has to be seen all the same."""
    root = build(Machine())
    (root / "dev/nvidia0").unlink()
    smi = root / "usr/bin/nvidia-smi"
    smi.rename(smi.with_suffix(".real"))
    making = ["#!/bin/sh", f"echo 'c 195:0' > {root}/dev/nvidia0", f'exec {smi}.real "$@"']
    programs.write_program(smi, making)
    assert look_at(root)["first_broken_layer"] == "device_nodes"


def test_no_gpu(build: Build, look_at: Look) -> None:
    root = build(Machine(gpus=(), driver=None, library=None, toolkit=None, cdi=False))
    result = look_at(root)
    assert (result["status"], result["summary"]) == ("no_gpu", "no GPU of NVIDIA")
    assert set(statuses(result).values()) == {"skipped"}
    assert result["gpus"] == []


@pytest.mark.parametrize(("text", "rc"), [(texts.NO_LIBRARY, 12), (texts.NO_DRIVER, 9)])
def test_driver_packages_without_a_gpu(build: Build, look_at: Look, text: str, rc: int) -> None:
    root = build(Machine(gpus=(), driver=None, toolkit=None, cdi=False))
    programs.replayer(root / "usr/bin/nvidia-smi", programs.broken_smi(text, rc))
    assert look_at(root)["status"] == "no_gpu"
    expected = look_at(root, expected_gpus=1)
    assert (expected["status"], expected["first_broken_layer"]) == ("broken", "pci")


def test_blocked(build: Build, look_at: Look) -> None:
    root = build(Machine(driver=None, cdi=False))
    programs.replayer(root / "usr/bin/nvidia-smi", programs.broken_smi(texts.NO_DRIVER, 9))
    files.docker(root, docker_replies())
    result = look_at(root, image="keras:gpu", frameworks=["tensorflow"])
    by_name = {layer["name"]: (layer["status"], layer["blocked_by"]) for layer in result["layers"]}
    assert by_name["kernel_driver"] == ("broken", None)
    assert by_name["nvml"] == ("unknown", "kernel_driver")
    assert by_name["docker"] == ("ok", None)
    assert by_name["container"] == ("unknown", "kernel_driver")
    assert result["counts"]["container"] is None
    assert result["layers"][-1]["reason"] == "no GPU works on the host"


def test_without_a_list_of_modules(build: Build, look_at: Look) -> None:
    """As in a container; the number that nvidia_uvm has registered shows that it is loaded."""
    root = build(Machine())
    (root / "proc/modules").unlink()
    assert "uvm_missing" not in {finding["id"] for finding in look_at(root)["findings"]}


def test_without_docker(build: Build, look_at: Look) -> None:
    result = look_at(build(Machine()), image="keras:gpu", frameworks=["tensorflow"])
    assert result["status"] == "unknown"
    assert {layer["reason"] for layer in result["layers"][-2:]} == {"Docker is not installed"}


def test_layers(build: Build, look_at: Look) -> None:
    root = build(Machine(toolkit=None))
    log = logged(root, "nvidia-smi", "dmesg")
    result = look_at(root, layers=["pci", "device_nodes"])
    assert not log.exists()
    assert statuses(result) == {
        **dict.fromkeys(LAYERS, "skipped"),
        "pci": "ok",
        "device_nodes": "ok",
    }


def test_nothing_is_pulled(build: Build, look_at: Look) -> None:
    root = build(Machine())
    missing = Reply("image inspect *", "", 1, "Error: No such image: keras:gpu\n")
    files.docker(root, [docker_replies()[0], missing])
    log = logged(root, "docker")
    result = look_at(root, image="keras:gpu", frameworks=["torch"])
    assert "run" not in log.read_text()
    assert (result["status"], statuses(result)["container"]) == ("unknown", "unknown")
    assert [layer["reason"] for layer in result["layers"][-2:]] == ["the image keras:gpu is not on this host"] * 2


def test_probe_is_removed_when_it_hangs(build: Build, look_at: Look) -> None:
    root = build(Machine())
    files.docker(root, docker_replies(more=[Reply("rm --force *"), Reply("run *", hang=60)]))
    log = logged(root, "docker")
    result = look_at(root, timeout=1, image="keras:gpu")
    calls = log.read_text()
    name = next(part for part in calls.split() if part.startswith("gpulab-probe-"))
    assert calls.splitlines()[-1] == f"docker rm --force {name}"
    assert "--pull never" in calls
    assert result["status"] == "broken"


@pytest.mark.parametrize(
    ("settings", "hook", "method"),
    [
        ({}, True, "cdi"),
        ({"cdi": False}, True, "gpus"),
        ({"cdi": False}, False, "runtime"),
        ({"cdi": None, "runtimes": ["runc"]}, False, "gpus"),
    ],
)
def test_method(build: Build, look_at: Look, settings: dict[str, t.Any], hook: bool, method: str) -> None:
    root = build(Machine())
    if not hook:
        (root / "usr/bin/nvidia-container-runtime-hook").unlink()
    files.docker(root, docker_replies(more=[Reply("run *", HEALTHY_INSIDE)], **settings))
    assert look_at(root, image="keras:gpu")["container"]["method"] == method


def test_running_container_with_some_gpus(build: Build, look_at: Look) -> None:
    """A notebook that was given one GPU of four is as it should be."""
    root = build(Machine())
    some = framework("tensorflow", devices=[{"id": "/device:GPU:0", "text": f"pci bus id: {Gpu(2).bus_id}"}])
    inside = f"{texts.smi_list([Gpu(2)])}gpulab:rc=0\ngpulab:node=/dev/nvidia2\n"
    files.docker(root, docker_replies(more=[Reply("exec * /bin/sh *", inside), some]))
    result = look_at(root, running_container="jupyter-keras", frameworks=["tensorflow"])
    assert result["status"] == "ok"
    assert [finding["severity"] for finding in result["findings"]] == ["info"]
    assert result["frameworks"][0]["container"] == "jupyter-keras"
    assert [gpu["visible_in"]["frameworks"]["tensorflow"] for gpu in result["gpus"]] == [False, False, True, False]


def notebook(name: str, *gpus: str) -> str:
    """What `docker inspect` says of one that got these by CDI."""
    requests = [{"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={gpu}"]} for gpu in gpus] or None
    return json.dumps([f"/jupyter-{name}", requests, "runc", ["HOME=/home/keras"]]) + "\n"


def inside_of(*numbers: int) -> str:
    nodes = "".join(f"gpulab:node=/dev/nvidia{number}\n" for number in numbers)
    return f"{texts.smi_list([Gpu(number) for number in numbers])}gpulab:rc=0\n{nodes}"


def notebooks(**seen_in: Reply) -> list[Reply]:
    """Those of people with GPUs, each with what a look into it finds, and one with none, which nobody looks into."""
    names = [f"jupyter-{name}" for name in (*seen_in, "linus")]
    listed = "\n".join(names) + "\n"
    inspected = "".join(notebook(name, "0") for name in seen_in) + notebook("linus")
    looks = [dataclasses.replace(reply, pattern=f"exec jupyter-{name} /bin/sh *") for name, reply in seen_in.items()]
    return [
        Reply("ps --filter label=gpulab.workstation.jupyter --filter status=running *", listed),
        Reply("inspect *", inspected),
        *looks,
    ]


def test_notebooks_that_share_the_gpus(build: Build, look_at: Look) -> None:
    root = build(Machine(gpus=t4(3)))
    more = notebooks(ada=Reply("", inside_of(0)), grace=Reply("", inside_of(2)))
    files.docker(root, docker_replies(more=more))
    result = look_at(root, notebooks=True)
    assert (result["status"], statuses(result)["container"]) == ("ok", "ok")
    assert result["summary"] == "3 of 3 GPUs visible in cdi, 2 of them in jupyter-ada, jupyter-grace"
    assert [gpu["visible_in"]["container"] for gpu in result["gpus"]] == [True, False, True]
    files.docker(root, docker_replies(more=notebooks(ada=Reply("", inside_of(0, 1, 2)))))
    assert look_at(root, notebooks=True)["summary"] == "3 of 3 GPUs visible in container"


@pytest.mark.parametrize(("others", "status"), [({"grace": Reply("", inside_of(1))}, "degraded"), ({}, "broken")])
def test_a_notebook_that_lost_its_gpus(build: Build, look_at: Look, others: dict[str, Reply], status: str) -> None:
    root = build(Machine(gpus=t4(2)))
    lost = Reply("", "Failed to initialize NVML: Unknown Error\ngpulab:rc=255\n")
    files.docker(root, docker_replies(more=notebooks(ada=lost, **others)))
    result = look_at(root, notebooks=True)
    assert (result["status"], result["first_broken_layer"]) == (status, "container")
    (found,) = [finding for finding in result["findings"] if finding["severity"] == "error"]
    assert found["id"] == "container_lost_devices"
    assert "jupyter-ada" in found["message"]
    assert result["container"]["name"] == "jupyter-ada"


def test_no_notebook_is_no_trouble(build: Build, look_at: Look) -> None:
    root = build(Machine())
    assert statuses(look_at(root, notebooks=True))["container"] == "skipped", "there is no Docker"
    files.docker(root, docker_replies(more=[Reply("ps *")]))
    result = look_at(root, notebooks=True)
    assert (result["status"], statuses(result)["container"]) == ("ok", "skipped")
    files.docker(root, docker_replies(more=[Reply("ps *", rc=1, stderr="permission denied")]))
    result = look_at(root, notebooks=True)
    (layer,) = [layer for layer in result["layers"] if layer["name"] == "container"]
    assert (layer["status"], layer["reason"]) == ("unknown", "docker does not say which notebooks run")


@pytest.mark.parametrize(
    "said",
    [
        "Error response from daemon: Container abc is paused, unpause the container before exec\n",
        "Error response from daemon: container abc is not running\n",
        "Error response from daemon: No such container: jupyter-ada\n",
    ],
)
def test_a_notebook_that_ends_meanwhile_is_no_trouble(build: Build, look_at: Look, said: str) -> None:
    root = build(Machine(gpus=t4(1)))
    files.docker(root, docker_replies(more=notebooks(ada=Reply("", stderr=said, rc=1))))
    result = look_at(root, notebooks=True)
    assert (result["status"], statuses(result)["container"]) == ("ok", "skipped")
    assert look_at(root, running_container="jupyter-ada")["status"] != "ok", "that one was to be there"


def test_framework_in_a_notebook(build: Build, look_at: Look) -> None:
    root = build(Machine(gpus=t4(1)))
    one = framework("tensorflow", devices=[{"id": "/device:GPU:0", "text": f"pci bus id: {Gpu(0).bus_id}"}])
    files.docker(root, docker_replies(more=[*notebooks(ada=Reply("", inside_of(0))), one]))
    result = look_at(root, notebooks=True, frameworks=["tensorflow"])
    assert result["status"] == "ok"
    assert result["frameworks"][0]["container"] == "jupyter-ada"


def test_mig(build: Build, look_at: Look) -> None:
    gpu = Gpu(0, name="NVIDIA H100", mig=(Slice("3g.40gb", 40192, 2), Slice("1g.10gb", 9728, 9)))
    root = build(Machine(gpus=(gpu,)))
    (seen,) = look_at(root)["gpus"]
    assert seen["mig"]["mode"] == "enabled"
    assert seen["mig"]["devices"][1] == {
        "uuid": gpu.slice_uuid(1),
        "profile": "1g.10gb",
        "gi_id": 9,
        "ci_id": 0,
        "memory_total_bytes": 9728 * 2**20,
    }


def test_mig_by_cdi(build: Build, look_at: Look) -> None:
    """The toolkit names the slices of a GPU that is cut up, and not the GPU; a framework sees one of them."""
    gpus = tuple(Gpu(number, mig=(Slice("3g.40gb", 40192, 2), Slice("1g.10gb", 9728, 9))) for number in (0, 1))
    root = build(Machine(gpus=gpus))
    slices = [(gpu, number) for gpu in gpus for number in (0, 1)]
    names = [name for gpu, number in slices for name in (f"{gpu.index}:{number}", gpu.slice_uuid(number))]
    spec = {"kind": "nvidia.com/gpu", "devices": [{"name": name} for name in (*names, "all")]}
    files.write(root / "var/run/cdi/nvidia.yaml", json.dumps(spec))
    inside = f"{texts.smi_list(gpus)}gpulab:rc=0\n"
    one = framework("torch", devices=[{"id": "cuda:0", "text": "name: NVIDIA H100 MIG 3g.40gb"}])
    files.docker(root, docker_replies(more=[Reply("run * /bin/sh *", inside), one]))
    result = look_at(root, image="keras:gpu", frameworks=["torch"])
    assert (result["status"], result["counts"]["cdi"]) == ("ok", 2)
    assert [gpu["visible_in"]["cdi"] for gpu in result["gpus"]] == [True, True]


def test_virtual_functions_are_no_gpus(build: Build, look_at: Look) -> None:
    root = build(Machine(gpus=(Gpu(0), Gpu(1, driver=None))))
    files.link(root / "sys/bus/pci/devices" / Gpu(1).bus_id / "physfn", f"../{Gpu(0).bus_id}")
    result = look_at(root)
    assert (result["status"], result["counts"]["pci"]) == ("ok", 1)


def test_wsl(build: Build, look_at: Look) -> None:
    root = build(Machine(gpus=(), driver=None, kernel="6.6.87.2-microsoft-standard-WSL2", cdi=False, toolkit=None))
    files.node(root / "dev/dxg", 10, 125, real=False)
    only = Machine(gpus=t4(1), driver="595.71")
    replies = [Reply("-L", texts.smi_list(t4(1))), Reply("-q -x", texts.smi_xml(only, t4(1), 13))]
    programs.replayer(root / "usr/bin/nvidia-smi", replies)
    result = look_at(root)
    assert (result["platform"], result["status"]) == ("wsl", "ok")
    assert result["counts"]["pci"] is None
    assert result["driver"]["loaded_version"] == "595.71"


def specification(*names: str, nodes: t.Sequence[str]) -> str:
    """In which each device has one of the nodes, and the last one has all."""
    edits = [[{"path": node} for node in nodes[number : number + 1]] for number in range(len(names) - 1)]
    edits.append([{"path": node} for node in nodes])
    devices = [{"name": name, "containerEdits": {"deviceNodes": one}} for name, one in zip(names, edits, strict=True)]
    return json.dumps({"cdiVersion": "0.3.0", "kind": "nvidia.com/gpu", "devices": devices})


def test_wsl_whose_specification_has_one_device_for_all(build: Build, look_at: Look) -> None:
    """Nothing tells how many there are but nvidia-smi: zero and false would be lies."""
    root = build(Machine(gpus=(), driver=None, library=None, kernel="6.6.87.2-microsoft-standard-WSL2", cdi=False))
    files.node(root / "dev/dxg", 10, 258, real=False)
    replies = [Reply("-L", texts.smi_list(t4(1))), Reply("-q -x", texts.smi_xml(Machine(driver="595.71"), t4(1), 13))]
    programs.replayer(root / "usr/bin/nvidia-smi", replies)
    files.write(root / "var/run/cdi/nvidia.yaml", specification("all", nodes=["/dev/dxg"]))
    inside = f"{texts.smi_list(t4(1))}gpulab:rc=0\ngpulab:node=/dev/dxg\ngpulab:visible=void\n"
    files.docker(root, docker_replies(more=[Reply("run *", inside)]))
    result = look_at(root, image="keras:gpu")
    assert (result["status"], result["findings"]) == ("ok", [])
    assert (result["counts"]["cdi"], result["counts"]["device_nodes"]) == (1, None)
    assert result["gpus"][0]["visible_in"] == {
        "pci": None,
        "device_nodes": None,
        "nvml": True,
        "cdi": True,
        "container": True,
        "frameworks": {},
    }


def test_specification_with_names_of_its_own(build: Build, look_at: Look) -> None:
    """As `nvidia-ctk cdi generate --device-name-strategy=type-index` writes it."""
    root = build(Machine(gpus=t4(2)))
    nodes = ["/dev/nvidia0", "/dev/nvidia1"]
    files.write(root / "var/run/cdi/nvidia.yaml", specification("gpu0", "gpu1", "all", nodes=nodes))
    result = look_at(root)
    assert (result["counts"]["cdi"], [gpu["visible_in"]["cdi"] for gpu in result["gpus"]]) == (2, [True, True])
    files.write(root / "var/run/cdi/nvidia.yaml", specification("gpu1", nodes=nodes[1:]))
    assert [gpu["visible_in"]["cdi"] for gpu in look_at(root)["gpus"]] == [False, True]
    files.write(root / "var/run/cdi/nvidia.yaml", specification("all", nodes=["/dev/other"]))
    result = look_at(root)
    assert (result["counts"]["cdi"], result["gpus"][0]["visible_in"]["cdi"]) == (None, None)


def test_container_without_nvidia_smi_is_judged_by_its_nodes(build: Build, look_at: Look) -> None:
    root = build(Machine(gpus=t4(2)))
    inside = "/bin/sh: 2: nvidia-smi: not found\ngpulab:rc=127\ngpulab:node=/dev/nvidia1\n"
    files.docker(root, docker_replies(more=[Reply("run *", inside)]))
    result = look_at(root, image="keras:gpu")
    assert result["counts"]["container"] == 1
    assert [gpu["visible_in"]["container"] for gpu in result["gpus"]] == [False, True]


def test_exit_code_is_that_of_nvidia_smi(build: Build, look_at: Look) -> None:
    """Docker's own 0 says that the script came to its end."""
    root = build(Machine(cdi=False))
    said = "nvidia-smi has failed in some new way\ngpulab:rc=12\ngpulab:node=/dev/nvidia0\ngpulab:visible=all\n"
    files.docker(root, docker_replies(more=[Reply("run *", said)], cdi=False))
    result = look_at(root, image="keras:gpu")
    (found,) = [one for one in result["findings"] if one["severity"] == "error"]
    assert (found["id"], result["container"]["rc"]) == ("container_failed", 12)
    assert "(exit 12): nvidia-smi has failed in some new way" in found["message"]


def test_reason_of_a_failure_is_kept_whole(build: Build, look_at: Look) -> None:
    """The end above all, where the reason stands; and the remedy asks as the look did."""
    root = build(Machine(cdi=False))
    reason = "\n".join(f"line {number} of a long story" for number in range(80)) + "\nnvidia-container-cli: the end"
    failure = programs.docker_error(
        "failed to create task for container: OCI runtime create failed: error running hook #0: error running hook:"
        " exit"
        f" status 1, stdout: , stderr: Auto-detected mode as 'legacy'\n{reason}: unknown"
    )
    files.docker(root, docker_replies(more=[failure], cdi=False))
    result = look_at(root, image="lab/own:1", method="gpus")
    (found,) = [one for one in result["findings"] if one["id"] == "container_failed"]
    assert found["message"].endswith("nvidia-container-cli: the end")
    assert "Auto-detected mode as 'legacy'; line 0" in found["message"]
    assert found["remedy"]["commands"] == ["docker run --rm --gpus all lab/own:1 nvidia-smi -L"]


@pytest.mark.parametrize(
    ("config", "tegra", "method"),
    [
        ('[nvidia-container-runtime]\nmode = "cdi"\n', False, "runtime"),
        ('[nvidia-container-runtime]\nmode = "csv"\n', False, "runtime"),
        ('[nvidia-container-runtime]\nmode = "auto"\n', True, "runtime"),
        ('[nvidia-container-runtime]\nmode = "legacy"\n', False, "gpus"),
    ],
)
def test_method_is_one_that_the_mode_serves(build: Build, look_at: Look, config: str, tegra: bool, method: str) -> None:
    root = build(Machine(cdi=False))
    files.write(root / "etc/nvidia-container-runtime/config.toml", config)
    if tegra:
        files.write(root / "proc/device-tree/compatible", b"nvidia,tegra234\0")
    files.docker(root, docker_replies(more=[Reply("run *", HEALTHY_INSIDE)], cdi=False))
    assert look_at(root, image="keras:gpu")["container"]["method"] == method


def test_jetson_without_nvidia_smi_is_looked_into(build: Build, look_at: Look) -> None:
    """JetPack 5 has none, inside neither: what the container was given tells."""
    root = build(Machine(gpus=(), driver="35.4.1", library=None, cdi=False))
    files.write(root / "proc/device-tree/compatible", b"nvidia,p3701-0000\0nvidia,tegra234\0")
    files.node(root / "dev/nvhost-gpu", 505, 1, real=False)
    inside = "/bin/sh: 2: nvidia-smi: not found\ngpulab:rc=127\ngpulab:node=/dev/nvhost-gpu\ngpulab:visible=all\n"
    files.docker(root, docker_replies(more=[Reply("run *", inside)], cdi=False))
    result = look_at(root, image="l4t-base:r35")
    assert (result["container"]["method"], statuses(result)["container"], result["status"]) == ("runtime", "ok", "ok")
    assert [finding["severity"] for finding in result["findings"]] == ["info"]
    assert result["counts"]["device_nodes"] is None


@pytest.mark.parametrize("sign", ["run/user/1000/docker.sock", "proc/812/comm", "mnt/wsl/docker-desktop"])
def test_engine_that_keeps_its_pid_elsewhere_is_asked(build: Build, look_at: Look, sign: str) -> None:
    root = build(Machine())
    files.docker(root, docker_replies(options=["name=rootless"] if "user" in sign else []))
    (root / "run/docker.pid").unlink()
    files.write(root / sign, "dockerd\n")
    result = look_at(root)
    assert "docker_not_running" not in {finding["id"] for finding in result["findings"]}
    assert result["docker"]["version"] == "26.1.5+dfsg1"
    assert result["docker"]["engine"] == ("rootless" if "user" in sign else "rootful")


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        ({}, "ansible-playbook site.yml --tags docker,nvidia_container_toolkit"),
        ({"options": ["name=rootless"]}, "--config=$HOME/.config/docker/daemon.json"),
    ],
)
def test_remedy_is_for_the_kind_of_engine(
    build: Build, look_at: Look, settings: dict[str, t.Any], command: str
) -> None:
    root = build(Machine())
    files.docker(root, docker_replies(runtimes=["runc"], **settings))
    (found,) = [one for one in look_at(root)["findings"] if one["id"] == "runtime_not_registered"]
    assert command in " ".join(found["remedy"]["commands"])


def test_jetson(build: Build, look_at: Look) -> None:
    root = build(Machine(gpus=(), driver="540.4.0", library=None, cdi=False, toolkit=None))
    files.write(root / "proc/device-tree/compatible", b"nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0")
    files.node(root / "dev/nvgpu", 10, 1, real=False)
    result = look_at(root)
    assert (result["platform"], result["status"]) == ("jetson", "ok")
    assert statuses(result)["nvml"] == "skipped"


def test_jetson_whose_uuid_has_no_prefix(build: Build, look_at: Look) -> None:
    root = build(Machine(gpus=(), driver="540.4.0", library=None, cdi=False, toolkit=None))
    files.write(root / "proc/device-tree/compatible", b"nvidia,tegra234\0")
    listing = "GPU 0: Orin (nvgpu) (UUID: 1833c8b5-aaf2-5b71-b8c2-1a4e21a4ac5e)\n"
    programs.replayer(root / "usr/bin/nvidia-smi", [Reply("-L", listing), Reply("*", texts.smi_xml(Machine(), []))])
    assert look_at(root)["counts"]["nvml"] == 1


def test_wsl_1_expects_no_gpu(build: Build, look_at: Look) -> None:
    result = look_at(build(Machine(gpus=(), driver=None, kernel="4.4.0-19041-Microsoft", library=None, toolkit=None)))
    assert (result["platform"], result["status"], result["first_broken_layer"]) == ("wsl", "no_gpu", None)


@pytest.mark.parametrize(
    "line", ["is not supported by the\nNVRM: NVIDIA 520.56.06 driver release.", "is not supported by open nvidia.ko"]
)
def test_what_the_log_said_before_it_was_mended(build: Build, look_at: Look, line: str) -> None:
    said = f"NVRM: The NVIDIA GPU 0000:3b:00.0 (PCI ID: 10de:1eb8)\nNVRM: installed in this system {line}\n"
    assert look_at(build(Machine(kernel_log=said)))["findings"] == []


def test_fabricmanager_on_a_machine_without_a_fabric(build: Build, look_at: Look) -> None:
    """Data-centre packages bring it everywhere, and it ends at once where there is nothing to manage."""
    root = build(Machine())
    service_failed("nvidia-fabricmanager.service", "no NVSwitch")(root)
    assert look_at(root)["findings"] == []


def test_failed_gpu_is_named_by_its_place_on_the_bus(build: Build, look_at: Look) -> None:
    """Minor numbers need not be in the order of the bus, in which nvidia-smi counts."""
    root = build(Machine())
    programs.replayer(root / "usr/bin/nvidia-smi", programs.smi_replies(Machine(), lost={1, 2}))
    for number in range(4):
        path = root / f"proc/driver/nvidia/gpus/{Gpu(number).bus_id}/information"
        files.write(path, path.read_text().replace(f"Device Minor: \t {number}", f"Device Minor: \t {3 - number}"))
    (lost,) = (one for one in look_at(root)["findings"] if one["id"] == "gpu_lost")
    assert lost["gpus"] == [Gpu(1).uuid, Gpu(2).uuid]


def test_nothing_steers_the_terminal(build: Build, look_at: Look) -> None:
    root = build(Machine())
    programs.replayer(root / "usr/bin/nvidia-smi", programs.broken_smi("\x1b[2J\x07 gone\n", 3))
    assert look_at(root)["findings"][0]["message"] == "nvidia-smi exits 3: ?[2J? gone"


def test_what_runs_in_a_container_ends_by_itself(build: Build, look_at: Look) -> None:
    """The client of `docker exec` is all that can be killed from outside."""
    root = build(Machine())
    log = root / "calls"
    replies = docker_replies(more=[Reply("exec * /bin/sh *", HEALTHY_INSIDE), TENSORFLOW])
    files.docker(root, replies)
    logged(root, "docker")
    look_at(root, timeout=7, running_container="jupyter-keras", frameworks=["tensorflow"])
    calls = log.read_text()
    assert 'timeout -s KILL "$0" nvidia-smi -L' in calls
    assert 'gpulab:capabilities=${NVIDIA_DRIVER_CAPABILITIES-unset}"\n 8\n' in calls
    assert "signal.alarm(8)" in calls


def test_no_container_is_made_after_the_deadline(build: Build) -> None:
    root = build(Machine())
    files.docker(root, docker_replies(more=[Reply("rm --force *"), Reply("run *", hang=60)]))
    log = logged(root, "docker")
    system = System(str(root), 20, total=2)
    begin = time.monotonic()
    look(system, Options(image="keras:gpu", frameworks=["tensorflow", "jax"], layers=["pci", "nvml", "docker"]))
    assert time.monotonic() - begin < 10
    assert log.read_text().count("docker run") == 1


def test_unreadable_system(tmp_path: Path, look_at: Look) -> None:
    result = look_at(tmp_path / "nothing")
    assert result["status"] == "unknown"
    assert result["counts"]["pci"] is None


def test_said_once(build: Build, look_at: Look) -> None:
    """A container that cannot be made for nvidia-smi is not tried again for each framework."""
    root = build(Machine())
    files.docker(root, docker_replies(more=[programs.docker_error("could not select device driver")], cdi=False))
    log = logged(root, "docker")
    result = look_at(root, image="keras:gpu", frameworks=["tensorflow", "torch"])
    assert log.read_text().count("docker run") == 1
    assert statuses(result)["framework:torch"] == "unknown"
    assert result["layers"][-1]["blocked_by"] == "container"
    assert result["counts"]["container"] is None


def test_errors_come_first(build: Build, look_at: Look) -> None:
    root = build(Machine())
    failure = programs.docker_error('could not select device driver "cdi" with capabilities: []')
    files.docker(root, docker_replies(more=[failure], cdi=False, runtimes=["runc"]))
    result = look_at(root, image="keras:gpu", method="cdi")
    assert [finding["severity"] for finding in result["findings"]] == ["error", "warning"]
    assert result["summary"] == f"4 of 4 GPUs visible in cdi: {result['findings'][0]['message']}"


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("", 0),
        ("-1", 0),
        ("NoDevFiles", 0),
        ("0", 1),
        ("1,0", 2),
        ("0,7,1", 1),
        ("7", 0),
        ("0,0", 0),
        ("GPU-00000001", 1),
    ],
)
def test_cuda_visible_devices(value: str, count: int) -> None:
    """As CUDA reads it: up to the first name that there is not."""
    assert program.visible(value, [Gpu(0).uuid, Gpu(1).uuid]) == count
