# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the text: no parser raises, and what it returns can be sent to the controller. So it is for a whole look."""

from __future__ import annotations

import contextlib
import json
import random
import string
import typing as t
from pathlib import Path

import hypothesis
import pytest
import yaml
from ansible_collections.gpulab.workstation.molecule.resources.gpu import files, programs
from ansible_collections.gpulab.workstation.molecule.resources.gpu import machine as texts
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Gpu, Machine, Slice, t4
from ansible_collections.gpulab.workstation.molecule.resources.gpu.programs import Reply
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.bundle import cleaned
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.detect.words import reason
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.parsers import (
    build_log,
    cdi,
    container,
    docker,
    framework,
    kernel_log,
    pci,
    proc_driver,
    smi_csv,
    smi_list,
    smi_text,
    smi_xml,
    toolkit,
    yaml_subset,
)
from ansible_collections.gpulab.workstation.plugins.plugin_utils._gpu_report.screen import printable
from hypothesis import strategies as st

MACHINE = Machine(gpus=(*t4(2), Gpu(2, mig=(Slice("1g.10gb", 9728, 7),))))
DEVICES = [{"id": "/device:GPU:0", "text": "name: T4, pci bus id: 0000:3b:00.0"}]
SAMPLES = [
    texts.smi_list(MACHINE.gpus),
    "Unable to determine the device handle for GPU0000:3B:00.0: GPU is lost.",
    texts.smi_xml(MACHINE, MACHINE.gpus, 11),
    texts.smi_xml(MACHINE, MACHINE.gpus, 13),
    texts.smi_csv(MACHINE, MACHINE.gpus),
    texts.proc_version(MACHINE),
    texts.proc_information(Gpu(0)),
    "Character devices:\n195 nvidia\n",
    texts.xid(Gpu(0), 79, "GPU has fallen off the bus."),
    "NVRM: The NVIDIA GPU 0000:09:00.0 (PCI ID: 10de:1d01)\nNVRM: installed in this system is not supported by open"
    " nvidia.ko",
    texts.cdi_spec(MACHINE),
    json.dumps({"kind": "nvidia.com/gpu", "devices": [{"name": "0"}]}),
    programs.docker_replies()[0].stdout,
    "[nvidia-container-cli]\nno-cgroups = true\n",
    "cuda>=12.8 brand=tesla,driver>=535",
    f"{texts.smi_list(MACHINE.gpus)}gpulab:rc=0\ngpulab:node=/dev/nvidia0\n",
    "DKMS make.log for nvidia-530.30.02 for kernel 6.5.0-41-generic (x86_64)\nnv.c:1: error: implicit declaration\n",
    "PM: suspend exit\npci 0000:3b:00.0: BAR 1: no space for [mem]\nnvidia: Unknown symbol x (err -2)\n",
    "nvidia 0000:3b:00.0: Direct firmware load for nvidia/565.57.01/gsp.bin failed with error -2\nNVRM: BAR1 is 0M @"
    " 0x0",
    json.dumps({"host": {"cgroupVersion": "v2"}, "version": {"Version": "5.2.2"}}),
    "docker: Error response from daemon: error running hook: stdout: , stderr: nvidia-container-cli: x: unknown.",
    "RuntimeError: The NVIDIA driver on your system is too old (found version 12080).\nFound cuDNN version 8600, but"
    " JAX was"
    " built against version 8906, which is newer.",
    f"{framework.MARK}{json.dumps({'version': '2', 'devices': DEVICES})}",
    "NVIDIA GeForce GTX 1080 with CUDA capability sm_61 is not compatible with the current PyTorch installation.\nThe"
    " current PyTorch install supports CUDA capabilities sm_75 sm_80 compute_90.\nkernel version 455.32.0 does not"
    " match DSO version 460.73.1",
    "nvidia 0000:3b:00.0: firmware: failed to load nvidia/535.261.03/gsp_tu10x.bin (-2)\n",
]
PARSERS: list[t.Callable[[str], t.Any]] = [
    pci.normalise,
    smi_text.clean,
    smi_text.fault,
    smi_text.fault_in,
    smi_text.mebibytes,
    smi_text.number,
    smi_list.parse,
    smi_xml.parse,
    smi_csv.parse,
    proc_driver.version,
    proc_driver.information,
    proc_driver.character_devices,
    kernel_log.parse,
    cdi.parse,
    docker.info,
    docker.image_environment,
    docker.major,
    docker.numbers,
    lambda text: build_log.parse(text, "nvidia", "550.163.01"),
    lambda text: toolkit.is_older(text, "1.8"),
    reason,
    lambda text: cleaned(text, ["ada"], "lab07"),
    printable,
    toolkit.version,
    toolkit.settings,
    toolkit.required_cuda,
    lambda text: toolkit.is_satisfied(text, text),
    container.parse,
    lambda text: framework.parse(text, text),
    framework.device_lib,
]


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Real text with pieces cut out, doubled, swapped, or replaced by anything."""
    text = draw(st.sampled_from(SAMPLES))
    for _cut in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        piece = draw(
            st.one_of(
                st.just(""), st.text(max_size=12), st.just(text[start:end] * 3), st.sampled_from("<>[]{}:-#&*'\"\n\t\0")
            )
        )
        text = text[:start] + piece + text[end:]
    return text


ANYTHING = st.one_of(
    damaged(), st.text(max_size=400), st.text(alphabet=string.punctuation + " \n\t01aGPU", max_size=400)
)


# Half as many again as for other properties, for it is of many parsers.
@hypothesis.settings(max_examples=hypothesis.settings().max_examples * 3 // 2)
@hypothesis.given(ANYTHING)
def test_no_parser_raises(text: str) -> None:
    for parser in PARSERS:
        json.dumps(parser(text), default=list)


@hypothesis.given(ANYTHING)
def test_yaml_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(yaml_subset.NotUnderstoodError):
        yaml_subset.load(text)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.text(alphabet=string.ascii_letters + string.digits + " /.:=#'-", max_size=20),
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4),
        st.dictionaries(st.text(alphabet=string.ascii_letters, min_size=1, max_size=8), inner, min_size=1, max_size=4),
    ),
    max_leaves=20,
)


@hypothesis.given(documents, st.booleans())
def test_yaml_means_what_a_library_means(document: t.Any, flow: bool) -> None:
    """Where this reader answers at all, it answers as PyYAML does."""
    text = yaml.safe_dump(document, default_flow_style=flow, width=10**6)
    try:
        found = yaml_subset.load(text)
    except yaml_subset.NotUnderstoodError:
        return
    assert found == yaml.safe_load(text)


@pytest.mark.parametrize("seed", range(12))
def test_a_whole_look_at_garbage(
    seed: int, build: t.Callable[[Machine], Path], look_at: t.Callable[..., dict[str, t.Any]]
) -> None:
    """Every file and every program of the machine says something damaged; the report is still one."""
    chance = random.Random(seed)  # noqa: S311
    root = build(MACHINE)

    def damage(text: str) -> str:
        start = chance.randrange(len(text) + 1)
        piece = "".join(chance.choices(string.printable, k=chance.randrange(20)))
        return (text[:start] + piece + text[start + chance.randrange(60) :]).replace("\0", "")

    for path in [
        path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and "bin" not in path.parts
    ]:
        if chance.random() < 0.5:
            path.write_bytes(damage(path.read_text()).encode() + chance.randbytes(chance.randrange(8)))
    replies = [Reply("-L", damage(SAMPLES[0]), chance.choice([0, 255])), Reply("-q -x", damage(SAMPLES[3]))]
    programs.replayer(root / "usr/bin/nvidia-smi", [*replies, Reply("*", damage(SAMPLES[4]), chance.choice([0, 9]))])
    more = [
        Reply("run *", damage(SAMPLES[15])),
        Reply("exec *", damage(SAMPLES[16]), stderr=damage("CUDA_ERROR_UNKNOWN")),
    ]
    files.docker(root, [Reply("info *", damage(SAMPLES[12])), Reply("image *", damage('["A=b"]')), *more])
    result = look_at(root, image="keras:gpu", running_container="jupyter-keras", frameworks=["tensorflow", "jax"])
    assert result["status"] in ("ok", "unknown", "degraded", "broken", "no_gpu")
    assert result["summary"]
    json.dumps(result)
