# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a real GPU proves: that the driver, the toolkit and the frameworks are as the simulation plays them.

Changes nothing on the machine but an image of some megabytes, containers that are removed again, and the CDI
specification, which is taken away and written again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.workstation.tests.gpu.conftest import Look, run

pytestmark = pytest.mark.gpu

# The same on CPU and GPU: a product of matrices, and a fit of some steps with the same weights, data and order.
COMPUTE = """
import json, os, time
os.environ["KERAS_BACKEND"] = "tensorflow"
import numpy, tensorflow as tf
for gpu in tf.config.list_physical_devices("GPU"):
    tf.config.experimental.set_memory_growth(gpu, True)
tf.config.experimental.enable_tensor_float_32_execution(False)
chance = numpy.random.default_rng(1)
left, right = (chance.standard_normal((2048, 2048), dtype=numpy.float32) for _side in "ab")
inputs = chance.standard_normal((512, 32), dtype=numpy.float32)
wanted = (inputs @ chance.standard_normal((32, 1), dtype=numpy.float32)).astype(numpy.float32)
found, weights = {}, None
for place in ("/CPU:0", "/GPU:0"):
    with tf.device(place):
        tf.linalg.matmul(left, right).numpy()
        begun = time.monotonic()
        product = tf.linalg.matmul(left, right)
        where, product = product.device, product.numpy()
        multiplied = time.monotonic() - begun
        layers = [tf.keras.layers.Dense(32, "relu"), tf.keras.layers.Dense(1)]
        model = tf.keras.Sequential([tf.keras.Input((32,)), *layers])
        if weights:
            model.set_weights(weights)
        else:
            weights = model.get_weights()
        model.compile(tf.keras.optimizers.SGD(0.01), "mse")
        begun = time.monotonic()
        losses = model.fit(inputs, wanted, batch_size=64, epochs=5, shuffle=False, verbose=0).history["loss"]
        fitted = time.monotonic() - begun
    found[place] = {"device": where, "product": product, "losses": losses, "matmul_s": multiplied, "fit_s": fitted}
cpu, gpu = found["/CPU:0"], found["/GPU:0"]
scale = float(numpy.abs(cpu["product"]).max())
def took(one):
    return {"matmul": one["matmul_s"], "fit": one["fit_s"]}
print("gpulab:" + json.dumps({
    "device": gpu["device"],
    "difference": float(numpy.abs(cpu["product"] - gpu["product"]).max()) / scale,
    "losses": {"cpu": cpu["losses"], "gpu": gpu["losses"]},
    "seconds": {"cpu": took(cpu), "gpu": took(gpu)},
}))
"""
SPECIFICATION = Path("/var/run/cdi/nvidia.yaml")
HOST_LAYERS = ("pci", "kernel_driver", "device_nodes", "nvml")
ARGUMENTS = {
    "cdi": ["--device", "nvidia.com/gpu=all"],
    "gpus": ["--gpus", "all"],
    "runtime": ["--runtime", "nvidia", "--env", "NVIDIA_VISIBLE_DEVICES=all"],
}


def test_report_says_what_nvidia_smi_says(report: dict[str, Any], smi: list[str]) -> None:
    assert [gpu["uuid"] for gpu in report["gpus"] if gpu["visible_in"]["nvml"]] == smi, report["summary"]
    assert report["counts"]["nvml"] == len(smi)


def test_no_layer_of_a_working_driver_is_called_broken(report: dict[str, Any], smi: list[str]) -> None:
    status = {layer["name"]: layer["status"] for layer in report["layers"] if layer["name"] in HOST_LAYERS}
    # In a container or WSL the PCI bus may be hidden.
    assert set(status.values()) <= {"ok", "skipped"}, (status, report["findings"])


@pytest.mark.parametrize("field", ["name", "compute_cap", "driver_version", "memory.total"])
def test_details_are_those_of_nvidia_smi(report: dict[str, Any], smi: list[str], field: str) -> None:
    done = run("nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits")
    if done.returncode != 0:
        pytest.skip(f"this nvidia-smi does not know {field}")
    said = [line.strip() for line in done.stdout.splitlines()]
    gpus = [gpu for gpu in report["gpus"] if gpu["visible_in"]["nvml"]]
    seen = {
        "name": [gpu["name"] for gpu in gpus],
        "compute_cap": [gpu["compute_capability"] for gpu in gpus],
        "driver_version": [report["driver"]["loaded_version"]] * len(gpus),
        "memory.total": [str(gpu["memory_total_bytes"] // 2**20) for gpu in gpus],
    }
    assert seen[field] == said


def test_a_look_costs_little_more_than_nvidia_smi(look: Look, smi: list[str]) -> None:
    """The whole ad-hoc command, so Ansible's own start is measured by a look at nothing, and taken off."""

    def seconds(action: Any) -> float:
        begun = time.monotonic()
        action()
        return time.monotonic() - begun

    own = seconds(lambda: (run("nvidia-smi", "-L"), run("nvidia-smi", "-q", "-x")))
    nothing = seconds(lambda: look(layers=["pci"]))
    everything = seconds(look)
    assert everything - nothing - own <= 1.5


def test_cdi_specification_is_fresh(report: dict[str, Any], methods: dict[str, bool]) -> None:
    files = (report["cdi"] or {}).get("spec_files")
    if not files:
        pytest.skip("there is no CDI specification here; nvidia-cdi-refresh.service writes it")
    stale = {file["path"]: file["stale_reasons"] for file in files if file["stale"]}
    assert not stale


@pytest.mark.parametrize("method", ARGUMENTS)
def test_containers_get_every_gpu(
    look: Look, smi: list[str], methods: dict[str, bool], image: str, method: str
) -> None:
    if not methods[method]:
        pytest.skip(f"this machine does not offer {method}")
    done = run("docker", "run", "--rm", "--pull=never", *ARGUMENTS[method], image, "nvidia-smi", "-L")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [uuid for uuid in smi if uuid in done.stdout] == smi
    seen = look(container={"image": image, "method": method})
    assert seen["counts"]["container"] == len(smi), seen["findings"]


def test_a_container_keeps_its_gpu_when_systemd_reads_its_units_again(
    smi: list[str], methods: dict[str, bool], image: str
) -> None:
    if os.geteuid() != 0 or not Path("/run/systemd/system").is_dir():
        pytest.skip("needs root, and systemd as the first process")
    if not any(Path("/dev/char").glob("195:*")):
        pytest.skip("the devices have no links in /dev/char, so this could take GPUs from running containers")
    method = next(name for name in ARGUMENTS if methods[name])
    name = f"gpulab-test-{os.getpid()}"
    started = run(
        "docker",
        "run",
        "--detach",
        "--interactive",
        "--rm",
        f"--name={name}",
        *ARGUMENTS[method],
        image,
        "/bin/sh",
        "-c",
        "read _",
    )
    assert started.returncode == 0, started.stderr
    try:
        assert run("systemctl", "daemon-reload").returncode == 0
        listed = run("docker", "exec", name, "nvidia-smi", "-L")
        assert listed.returncode == 0, listed.stdout
        assert [uuid for uuid in smi if uuid in listed.stdout] == smi
    finally:
        run("docker", "rm", "--force", name)


def test_tensorflow_sees_every_gpu(look: Look, smi: list[str], methods: dict[str, bool]) -> None:
    if run("docker", "image", "inspect", "keras:gpu").returncode != 0:
        pytest.skip("the image keras:gpu is not here: playbooks/build_image.yml with keras_image_variant: gpu makes it")
    seen = look(container={"image": "keras:gpu"}, frameworks=["tensorflow"])
    assert seen["counts"]["frameworks"]["tensorflow"] == len(smi), seen["findings"]


def test_tensorflow_computes_the_same_on_gpu_and_cpu(
    smi: list[str], methods: dict[str, bool], record_property: Callable[[str, object], None]
) -> None:
    """In the notebook's own container where one runs, else in a new one of its image; both are timed."""
    listed = run(
        "docker", "ps", "--filter", "label=gpulab.workstation.jupyter", "--format", "{{.Names}}"
    ).stdout.split()
    for name in listed:
        if run("docker", "exec", name, "nvidia-smi", "-L").returncode == 0:
            done = run("docker", "exec", name, "python3", "-c", COMPUTE)
            break
    else:
        if run("docker", "image", "inspect", "keras:gpu").returncode != 0:
            pytest.skip("no notebook with a GPU runs here, and the image keras:gpu is not here")
        method = next(name for name in ARGUMENTS if methods[name])
        fixed = ["--rm", "--pull=never", "--network=none", *ARGUMENTS[method], "--entrypoint=python3"]
        done = run("docker", "run", *fixed, "keras:gpu", "-c", COMPUTE)
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.rpartition("gpulab:")[2])
    record_property("seconds", answer["seconds"])
    print(f"TensorFlow on CPU and GPU, in seconds: {json.dumps(answer['seconds'])}")
    assert "GPU:0" in answer["device"], answer
    # Sums of 2048 products in another order: some units in the sixth place.
    assert answer["difference"] < 1e-4, answer
    assert answer["losses"]["gpu"] == pytest.approx(answer["losses"]["cpu"], rel=1e-2), answer
    assert answer["losses"]["gpu"][-1] < answer["losses"]["gpu"][0], "it has learned nothing"


def test_specification_that_is_gone_is_named_and_written_again(look: Look, methods: dict[str, bool]) -> None:
    """A break and its repair that need no reboot. Containers that run keep their GPUs all the while."""
    if os.geteuid() != 0 or not methods["cdi"]:
        pytest.skip("needs root, and GPUs by CDI")
    if run("systemctl", "cat", "nvidia-cdi-refresh.service").returncode != 0 or not SPECIFICATION.is_file():
        pytest.skip("nvidia-cdi-refresh.service does not write the specification here")
    if any(Path("/etc/cdi").glob("nvidia*")):
        pytest.skip("another specification in /etc/cdi would stand in for it")
    kept = SPECIFICATION.read_bytes()
    try:
        SPECIFICATION.unlink()
        broken = look()
        assert [one["id"] for one in broken["findings"] if one["layer"] == "cdi"] == ["cdi_spec_missing"], broken
        assert broken["counts"]["cdi"] == 0
        assert run("systemctl", "restart", "nvidia-cdi-refresh.service").returncode == 0
        mended = look()
        assert not [one["id"] for one in mended["findings"] if one["layer"] == "cdi"], mended["summary"]
        assert mended["counts"]["cdi"] == mended["counts"]["nvml"]
    finally:
        if not SPECIFICATION.is_file():
            SPECIFICATION.write_bytes(kept)
