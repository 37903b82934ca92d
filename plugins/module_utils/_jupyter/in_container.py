# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside a notebook's container, by itself: gives a cell to a new kernel and prints what came of it as JSON.

It is sent to the container's own Python on standard input, and imports nothing of this collection.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tempfile
import time
import typing as t

MARK = "gpulab.workstation.kernel "

CELL = """
import importlib, json
import keras
backend = keras.backend.backend()
framework = importlib.import_module(backend)
def list_physical_devices():
    if backend == "tensorflow":
        return [device.name.replace("/physical_device:", "") for device in framework.config.list_physical_devices()]
    if backend == "jax":
        return [str(device) for device in framework.devices()]
    if backend == "torch":
        return ["CPU", *map(framework.cuda.get_device_name, range(framework.cuda.device_count()))]
    return []
def device_lib():
    from tensorflow.python.client import device_lib
    return [device.physical_device_desc or device.name for device in device_lib.list_local_devices()]
print(%r + json.dumps({
    "keras": keras.__version__, "backend": backend, "framework": framework.__version__, "devices": %s()
}))
"""


class DeadlineError(Exception):
    """The kernel took too long."""


def interrupt(_number: int, _frame: t.Any) -> None:
    # Ending the kernel has ten seconds. After them the signal has its usual effect, and an orphaned kernel ends itself.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 10)
    raise DeadlineError


def run_cell(code: str, cwd: str) -> tuple[str, str]:
    """What it printed, and what went wrong."""
    from jupyter_client.manager import KernelManager

    printed: list[str] = []
    errors: list[str] = []

    def hook(message: dict[str, t.Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            printed.append(content["text"])
        elif message["msg_type"] == "error":
            errors.append(f"{content['ename']}: {content['evalue']}")

    manager = KernelManager(kernel_name="python3")
    try:
        # Beside somebody's work, JAX must not take most of the GPU's memory. In the work directory, a file named
        # random.py would be imported for Python's own.
        manager.start_kernel(cwd=cwd, env={**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"})
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready()
        client.execute_interactive(code, store_history=False, output_hook=hook)
    finally:
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)
    return "".join(printed), "; ".join(errors)


def observe(code: str, seconds: float) -> dict[str, t.Any]:
    start = time.monotonic()
    result: dict[str, t.Any] = {"health": ""}
    printed = ""
    try:
        with tempfile.TemporaryDirectory() as directory:
            os.environ["JUPYTER_RUNTIME_DIR"] = directory
            printed, error = run_cell(code, directory)
        result["health"] = f"the cell failed with {error}" if error else ""
    except DeadlineError:
        result["health"] = f"the kernel did not finish the cell within {seconds:g} seconds"
    except Exception as error:  # Whatever a broken image raises is what is to be reported.
        result["health"] = f"no kernel ran: {type(error).__name__}: {error}"
    found = re.search(f"^{re.escape(MARK)}(.*)$", printed, re.M)
    if found:
        result.update(json.loads(found.group(1)))
    elif not result["health"]:
        result["health"] = f"the cell printed {printed.strip()[-500:]!r}"
    result["health"] = result["health"] or "healthy"
    result["seconds"] = round(time.monotonic() - start, 1)
    return result


def main(arguments: list[str]) -> None:
    seconds, devices = float(arguments[0]), arguments[1]
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    result = observe(CELL % (MARK, devices), seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    sys.stdout.write(f"{MARK}{json.dumps(result)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
