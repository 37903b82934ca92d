# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What TensorFlow, JAX and PyTorch say of their devices.

They exit 0 whatever is wrong: only the list of devices and the messages on stderr tell. So the program that asks them
prints one line of JSON, and stderr is searched for the errors of CUDA.
"""

from __future__ import annotations

import json
import re
import typing as t

from . import pci

NAMES = ("tensorflow", "jax", "torch")
MARK = "gpulab-framework:"

# Each prints MARK and JSON: version, cuda_build, devices. `device_lib` is what the readme of kerasvideo asked for.
_TENSORFLOW = """
import tensorflow
from tensorflow.python.client import device_lib
found.update(
    version=tensorflow.__version__,
    cuda_build=bool(tensorflow.test.is_built_with_cuda()),
    devices=[
        {"id": one.name, "text": one.physical_device_desc}
        for one in device_lib.list_local_devices()
        if one.device_type == "GPU"
    ],
)
"""
_JAX = """
import jax
found["version"] = jax.__version__
try:
    devices = jax.devices("gpu")
except RuntimeError as error:
    devices = []
    print(error, file=sys.stderr)
import importlib.util
plugins = ["jax_cuda%d_plugin" % number for number in range(11, 20)]
found["cuda_build"] = any(importlib.util.find_spec(name) for name in plugins)
found["devices"] = [{"id": str(one), "text": "name: %s" % one.device_kind} for one in devices]
"""
_TORCH = """
import torch
found.update(version=torch.__version__, cuda_build=torch.version.cuda is not None, devices=[])
if found["cuda_build"]:
    torch.cuda.init()
    for number in range(torch.cuda.device_count()):
        one = torch.cuda.get_device_properties(number)
        text = "name: %s, compute capability: %d.%d" % (one.name, one.major, one.minor)
        uuid = getattr(one, "uuid", None)
        found["devices"].append({"id": "cuda:%d" % number, "text": text, "uuid": uuid and "GPU-%s" % uuid})
"""
# The alarm ends it in a container, too, where nobody else would when the client of `docker exec` is killed.
_FRAME = """
import json, os, signal, sys
signal.alarm(%d)
found = {"framework": %r, "environment": {name: os.environ[name] for name in %r if name in os.environ}}
try:%s
except ImportError as error:
    found["missing"] = error.name or "?"
    print(error, file=sys.stderr)
except Exception as error:
    print("%%s: %%s" %% (type(error).__name__, error), file=sys.stderr)
print(%r + json.dumps(found))
"""
# Variables that take GPUs away from a framework, or let it load other libraries.
_ENVIRONMENT = ["CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS", "JAX_PLATFORM_NAME", "LD_LIBRARY_PATH"]
_BODIES = {"tensorflow": _TENSORFLOW, "jax": _JAX, "torch": _TORCH}

_DESCRIBED = re.compile(r"(name|pci bus id|compute capability): ([^,\"]{1,100})")
_CU_INIT = re.compile(r"failed call to cuInit: (.{1,200})|cuInit\S*\D{1,40}?error:? (\d{1,4})", re.I)
_CODES = {
    "CUDA_ERROR_STUB_LIBRARY": 34,
    "CUDA_ERROR_NO_DEVICE": 100,
    "no CUDA-capable device is detected": 100,
    "UNKNOWN ERROR (303)": 303,
    "CUDA_ERROR_OPERATING_SYSTEM": 304,
    "CUDA_ERROR_SYSTEM_NOT_READY": 802,
    "system not yet initialized": 802,
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": 803,
    "system has unsupported display driver / cuda driver combination": 803,
    "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE": 804,
    "forward compatibility was attempted on non supported HW": 804,
    "CUDA driver version is insufficient for CUDA runtime version": 35,
    "cudaErrorInsufficientDriver": 35,
    "CUDA-capable device(s) is/are busy or unavailable": 46,
    "all CUDA-capable devices are busy or unavailable": 46,
    "cudaErrorDevicesUnavailable": 46,
    "CUDA_ERROR_UNKNOWN": 999,
    "CUDA unknown error": 999,
}
_PLAIN = (
    ("no_cuda_driver", re.compile(r"Could not find cuda drivers on your machine", re.I)),
    ("no_cuda_driver", re.compile(r"Found no NVIDIA driver on your system", re.I)),
    ("library_missing", re.compile(r"Cannot dlopen some GPU libraries|Could not load dynamic library", re.I)),
    ("cuda_not_loaded", re.compile(r"Unable to load CUDA|Error loading CUDA libraries", re.I)),
    ("cpu_only", re.compile(r"CUDA-enabled jaxlib is not installed|not compiled with CUDA enabled", re.I)),
    ("no_kernels", re.compile(r"no kernel image is available|CUDA_ERROR_INVALID_PTX|CUDA_ERROR_NO_BINARY", re.I)),
    ("no_kernels", re.compile(r"not compatible with the current PyTorch installation", re.I)),
    ("no_kernels", re.compile(r"TensorFlow was not built with CUDA kernel binaries compatible with", re.I)),
    ("gpu_too_old", re.compile(r"no longer supports this GPU because it is too old", re.I)),
    ("gpu_too_old", re.compile(r"Ignoring visible gpu device .{1,300}The minimum required Cuda capability is", re.I)),
)
# What PyTorch says of a GPU that it has no kernels for, and the list of those that it has.
_CAPABILITY = re.compile(r"CUDA capability sm_(\d{2,3}) is not compatible", re.I)
_BUILT_FOR = re.compile(r"PyTorch install supports CUDA capabilities ((?:(?:sm|compute)_\d{2,3}a? ?)+)", re.I)
_OTHER_LIBCUDA = re.compile(r"kernel version ([\d.]*\d) does not match DSO version ([\d.]*\d)", re.I)


# The program's own sentence on a library that is older than the one it was built with.
_TOO_OLD = re.compile(
    r"(?:Found|Loaded runtime) (?P<name>[\w-]+)(?: library:?| version:?){1,2} (?P<has>[\d.]*\d),? but "
    r"(?:\w+|source) was (?:built against|compiled with):?(?: version)? (?P<wants>[\d.]*\d)"
    r"|Outdated (?P<name2>[\w-]+) installation found"
    r"(?:.{0,200}?Minimum supported: (?P<wants2>\d+))?(?:.{0,200}?Installed version: (?P<has2>\d+))?",
    re.I | re.S,
)
_DRIVER_TOO_OLD = re.compile(
    r"driver on your system is too old(?: \(found version (\d{4,6})\))?|driver version is insufficient", re.I
)
_LAST = re.compile(
    r"^(?:[\w.]*(?:Error|Exception)\b.*|[EF]\d{4} .*|.*\b(?:error|failed|cannot|too old)\b.*)$", re.I | re.M
)
_WARNING = re.compile(r"^(?:WARNING: All log messages|[IW]\d{4} |\d{4}-\d\d-\d\d \S+ [IW] )", re.M)


class Device(t.NamedTuple):
    id: str
    name: str | None
    bus_id: str | None
    uuid: str | None
    compute_capability: str | None


class Answer(t.NamedTuple):
    version: str | None
    cuda_build: bool | None
    devices: list[Device] | None  # None: it did not come so far
    missing: str | None  # the module that could not be imported
    errors: list[str]
    environment: t.Mapping[str, str] = {}  # of the variables that matter, those that are set
    said: str = ""  # its last complaint, in its own words
    too_old: tuple[str, str, str] | None = None  # a library of its own: name, version there, version wanted
    driver_too_old: str | None = None  # the CUDA of the driver that it found; empty where it does not say
    other_libcuda: tuple[str, str] | None = None  # versions of the driver and of the libcuda that it found


def program(name: str, seconds: int) -> str:
    """Python that asks a framework and ends in time; runs on whatever Python the framework is installed in."""
    body = _BODIES[name].replace("\n", "\n    ")
    return _FRAME % (seconds, name, _ENVIRONMENT, body, MARK)


def parse(stdout: str, stderr: str) -> Answer:
    line = next((line for line in reversed(stdout.splitlines()) if line.startswith(MARK)), "")
    try:
        answer = json.loads(line[len(MARK) :])
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        return _with_words(Answer(None, None, None, None, errors(stderr + stdout)), stderr + "\n" + stdout)
    devices = answer.get("devices")
    environment = answer.get("environment")
    found = Answer(
        version=_text(answer.get("version")),
        cuda_build=answer["cuda_build"] if isinstance(answer.get("cuda_build"), bool) else None,
        devices=[_device(one) for one in devices if isinstance(one, dict)] if isinstance(devices, list) else None,
        missing=_text(answer.get("missing")),
        errors=errors(stderr),
        environment=environment if isinstance(environment, dict) else {},
    )
    return _with_words(found, stderr)


def _with_words(answer: Answer, text: str) -> Answer:
    old = _TOO_OLD.search(text)
    driver = _DRIVER_TOO_OLD.search(text)
    libcuda = _OTHER_LIBCUDA.search(text)
    complaints = [line.strip() for line in _LAST.findall(text) if not _WARNING.match(line) and MARK not in line]
    return answer._replace(
        said=complaints[-1][-600:] if complaints else "",
        too_old=(
            old["name"] or old["name2"],
            old["has"] or old["has2"] or "an older one",
            old["wants"] or old["wants2"] or "a newer one",
        )
        if old
        else None,
        # 12080 is 12.8.
        driver_too_old=None
        if not driver
        else f"{int(driver[1]) // 1000}.{int(driver[1]) % 1000 // 10}"
        if driver[1]
        else "",
        other_libcuda=(libcuda[1], libcuda[2]) if libcuda else None,
    )


def errors(text: str) -> list[str]:
    """What CUDA and the frameworks complain of, each once: cuda:<code>, or a name from above."""
    found = []
    for sentence, code in _CU_INIT.findall(text):
        known = next((number for words, number in _CODES.items() if words in sentence), None)
        found.append(f"cuda:{known or code or 'unknown'}")
    found += [f"cuda:{number}" for words, number in _CODES.items() if words in text]
    found += [name for name, pattern in _PLAIN if pattern.search(text)]
    mine, theirs = _CAPABILITY.search(text), _BUILT_FOR.search(text)
    if mine and theirs and int(mine[1]) < min(map(int, re.findall(r"_(\d+)", theirs[1]))):
        found.append("gpu_too_old")
    return list(dict.fromkeys(found))


def device_lib(text: str) -> list[Device]:
    """The GPUs in what `device_lib.list_local_devices()` prints as it is."""
    found = []
    for block in text.split('name: "/device:')[1:]:
        if 'device_type: "GPU"' in block:
            description = re.search(r'physical_device_desc: "([^"]{0,500})"', block)
            name = block.partition('"')[0]
            found.append(_device({"id": f"/device:{name}", "text": description[1] if description else ""}))
    return found


def _device(one: dict[str, t.Any]) -> Device:
    described = dict(_DESCRIBED.findall(str(one.get("text") or "")))
    return Device(
        str(one.get("id")),
        _text(described.get("name")),
        pci.normalise(described.get("pci bus id")),
        _text(one.get("uuid")),
        _text(described.get("compute capability")),
    )


def _text(value: t.Any) -> str | None:
    return str(value).strip() if value not in (None, "") else None
