# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a new image keep its promises? Trains, saves and loads a model, runs and converts a notebook, starts the server.

Run in the image as a UID without a name, with a read-only root and no network. The last line on stdout is JSON.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

# Another one than the server's own, which the health check has to find out.
PORT = 8899


def model_survives_a_round_trip() -> None:
    inputs = np.random.default_rng(0).normal(size=(32, 4))
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    losses = model.fit(inputs, inputs.sum(axis=1), epochs=5, verbose=0).history["loss"]
    if not losses[-1] < losses[0]:
        sys.exit(f"Training does not learn: the losses are {losses}.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.models.load_model(path)
    np.testing.assert_allclose(model.predict(inputs, verbose=0), loaded.predict(inputs, verbose=0), rtol=1e-5)


def container_is_as_promised() -> None:
    if (first := Path("/proc/1/comm").read_text().strip()) != "tini":
        sys.exit(f"The first process is {first} and not tini, so nobody collects what dies.")
    if missing := [name for name in ("apt", "git", "dot", "pip", "ps", "wget") if not shutil.which(name)]:
        sys.exit(f"These commands are missing: {' '.join(missing)}.")
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        sys.exit(f"The user ID {os.getuid()} has no name; git and others fail without one.")


def first_plot_finds_its_fonts() -> None:
    import matplotlib as mpl

    cache = Path(mpl.get_cachedir())
    if not list(cache.glob("fontlist-*.json")):
        sys.exit(f"There is no list of fonts in {cache}: the first plot of every container would make one.")


def tensorflow_finds_cuda() -> None:
    """On a machine without a GPU, too: its own look at the libraries, without all of which it registers no GPU."""
    import tensorflow as tf

    if not tf.test.is_built_with_cuda():
        return
    library = ctypes.CDLL(str(Path(tf.__file__).parent / "libtensorflow_framework.so.2"))
    look = library["_ZN3tsl8internal9DsoLoader22TryDlopenCUDALibrariesEv"]
    look.restype = None
    # The first argument of this calling convention is where to put a result of this size, an absl::Status: 1 is OK.
    result = (ctypes.c_uint64 * 2)()
    look(result)
    if result[0] != 1:
        sys.exit("TensorFlow does not find all the CUDA libraries that it insists on, so it would register no GPU.")


def notebook_runs_and_converts() -> None:
    # Not before TensorFlow was imported: both bring protobuf along.
    import nbformat
    from nbconvert import HTMLExporter, MarkdownExporter
    from nbconvert.preprocessors import ExecutePreprocessor

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(6 * 7)")])
    ExecutePreprocessor(kernel_name="python3", timeout=60).preprocess(notebook)
    for exporter in (HTMLExporter(), MarkdownExporter()):
        if "42" not in exporter.from_notebook_node(notebook)[0]:
            sys.exit(f"A notebook's output is not in what {type(exporter).__name__} made of it.")


def status(address: str, token: str) -> int:
    connection = http.client.HTTPConnection(address, PORT, timeout=10)
    try:
        connection.request("GET", "/api/status", headers={"Authorization": f"token {token}"})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def addresses() -> list[str]:
    """Those of loopback; an engine may be without IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


def server_starts_without_a_warning() -> None:
    healthcheck = Path(__file__).with_name("healthcheck.py")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        token = Path(folder) / "token"
        token.write_text("smoke-test\n")
        environment = {**os.environ, "JUPYTER_RUNTIME_DIR": folder}
        with log.open("w") as sink:
            server = subprocess.Popen(
                ["jupyter", "lab", f"--ServerApp.root_dir={folder}", f"--ServerApp.port={PORT}"],
                env={**environment, "JUPYTER_TOKEN_FILE": str(token)},
                stdout=sink,
                stderr=sink,
            )
        try:
            for _attempt in range(60):
                # As in a container with a proxy, which must not be asked for the server beside it.
                health = subprocess.run(
                    [sys.executable, str(healthcheck)],
                    env={**environment, "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if health.returncode == 0 or server.poll() is not None:
                    break
                time.sleep(0.5)
            text = log.read_text()
            answers = {address: [status(address, "smoke-test"), status(address, "another")] for address in addresses()}
        finally:
            server.terminate()
            server.wait(timeout=20)
    if health.returncode:
        sys.exit(f"The server does not answer: {health.stderr.strip()}\n{text}")
    for address, (right, wrong) in answers.items():
        if (right, wrong) != (200, 403):
            sys.exit(f"On {address} the server answers {right} to its token (200 is right), {wrong} to another (403).")
    warnings = [line for line in text.splitlines() if line.startswith(("[W", "[E", "[C"))]
    if warnings:
        sys.exit("The server starts with warnings:\n" + "\n".join(warnings))


container_is_as_promised()
first_plot_finds_its_fonts()
model_survives_a_round_trip()
tensorflow_finds_cuda()
notebook_runs_and_converts()
server_starts_without_a_warning()
print(json.dumps({"keras": keras.__version__, "backend": keras.backend.backend(), "python": sys.version.split()[0]}))
