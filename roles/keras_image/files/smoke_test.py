# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a new image work? Trains, saves and loads a tiny model; starts the server, which must answer and not warn.

Run in the image as any UID, with a read-only root and no network. The last line on stdout is JSON: versions.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np


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


def status(token: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", 8888, timeout=10)
    try:
        connection.request("GET", "/api/status", headers={"Authorization": f"token {token}"})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def server_starts_without_a_warning() -> None:
    healthcheck = Path(__file__).with_name("healthcheck.py")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        token = Path(folder) / "token"
        token.write_text("smoke-test\n")
        with log.open("w") as sink:
            server = subprocess.Popen(
                ["jupyter", "lab", f"--ServerApp.root_dir={folder}"],
                env={**os.environ, "JUPYTER_RUNTIME_DIR": folder, "JUPYTER_TOKEN_FILE": str(token)},
                stdout=sink,
                stderr=sink,
            )
        try:
            for _attempt in range(60):
                health = subprocess.run(
                    [sys.executable, str(healthcheck)],
                    env={**os.environ, "JUPYTER_RUNTIME_DIR": folder},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if health.returncode == 0 or server.poll() is not None:
                    break
                time.sleep(1)
            text = log.read_text()
            answers = [status("smoke-test"), status("another")]
        finally:
            server.terminate()
            server.wait(timeout=20)
    if health.returncode:
        sys.exit(f"The server does not answer: {health.stderr.strip()}\n{text}")
    if answers != [200, 403]:
        sys.exit(
            f"The server answers {answers[0]} to the token of its file (200 is right), {answers[1]} to another (403)."
        )
    warnings = [line for line in text.splitlines() if line.startswith(("[W", "[E", "[C"))]
    if warnings:
        sys.exit("The server starts with warnings:\n" + "\n".join(warnings))


model_survives_a_round_trip()
server_starts_without_a_warning()
print(json.dumps({"keras": keras.__version__, "backend": keras.backend.backend(), "python": sys.version.split()[0]}))
