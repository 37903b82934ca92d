# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does TensorFlow find every CUDA library that it looks for? Runs in the GPU image, and needs no GPU.

What it looks for, TensorFlow says: its own loaders are called, which know the names, the versions and the search path,
and their list is the library's list of symbols. Then `ldd` follows what those libraries need, and cuDNN, which opens
its parts only when they are used, is asked for the version of each. The last line on stdout is JSON.
"""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import tensorflow as tf

# NVIDIA's driver brings these, and the toolkit mounts them into the container.
DRIVER = {"libcuda.so.1", "libnvidia-ml.so.1"}
# The code for them is in every TensorFlow; whether it was built to use them, build_info says.
OTHERS = {
    "is_rocm_build": re.compile(r"lib(amdhip64|hip\w+|MIOpen|roc\w+)\.so"),
    "is_tensorrt_build": re.compile(r"libnvinfer\w*\.so"),
}
SITE = Path(tf.__file__).parents[1]
FRAMEWORK = SITE / "tensorflow" / "libtensorflow_framework.so.2"


def message(status: int) -> str:
    """Of an absl::Status that is an error: behind its reference count, code and payloads is a std::string."""
    text, size = (ctypes.c_uint64 * 2).from_address(status + 8)
    return ctypes.string_at(text, size).decode()


def call(library: ctypes.CDLL, symbol: str) -> str:
    """What a C++ function without arguments, which returns an absl::Status or StatusOr, complains of; nothing if OK."""
    result = (ctypes.c_uint64 * 2)()
    function = library[symbol]
    function.restype = None
    function(result)  # where to put a result of this size is the first argument of the calling convention
    return "" if result[0] == 1 else message(result[0])


def loaded() -> set[str]:
    """The shared objects of this process."""
    return {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line}


def opened_by_tensorflow() -> dict[str, str]:
    """Of each loader: the error, or nothing."""
    library = ctypes.CDLL(str(FRAMEWORK))
    symbols = re.findall(rb"_ZN3tsl8internal9DsoLoader\d+Get(\w+?)DsoHandleEv(?=\0)", FRAMEWORK.read_bytes())
    found = {}
    for name in sorted({symbol.decode() for symbol in symbols}):
        method = f"Get{name}DsoHandle"
        found[name] = call(library, f"_ZN3tsl8internal9DsoLoader{len(method)}{method}Ev")
    # The one that decides whether TensorFlow registers a GPU.
    found["all that it insists on"] = call(library, "_ZN3tsl8internal9DsoLoader22TryDlopenCUDALibrariesEv")
    return found


def is_expected(error: str) -> bool:
    match = re.match(r"Could not load dynamic library '([^']+)'", error)
    if match is None:
        return False
    name = match[1]
    build = tf.sysconfig.get_build_info()
    return (
        name in DRIVER
        or any(not build[key] and names.match(name) for key, names in OTHERS.items())
        # Only for models spread over several machines; `tensorflow[and-cuda]` leaves it out.
        or (name.startswith("libnvshmem") and not any("nvshmem" in package for package in requires("tensorflow") or ()))
    )


def unresolved(path: Path) -> list[str]:
    """What this library needs and the dynamic loader does not find, with the library's own search path."""
    done = subprocess.run(["ldd", path], capture_output=True, text=True, check=True)
    missing = re.findall(r"(\S+) => not found", done.stdout)
    return [f"{path.relative_to(SITE)} needs {name}" for name in missing if name not in DRIVER]


def cudnn_parts() -> list[str]:
    """cuDNN opens its parts by itself; each answers for its version, 0 if all is well."""
    [path] = (SITE / "nvidia" / "cudnn" / "lib").glob("libcudnn.so.*")
    library = ctypes.CDLL(str(path))
    names = sorted({name.decode() for name in re.findall(rb"cudnn[A-Z]\w*VersionCheck(?=\0)", path.read_bytes())})
    if not names:
        sys.exit(f"{path} has no function that checks a version: how to ask its parts has changed.")
    return [f"{name} of cuDNN returns {code}" for name in names if (code := library[name]())]


def compiler() -> list[str]:
    """XLA compiles for the GPU with these two, in the directory where TensorFlow looks beside itself."""
    toolkit = SITE / "nvidia" / "cuda_nvcc"
    subprocess.run([toolkit / "bin" / "ptxas", "--version"], stdout=subprocess.DEVNULL, check=True)
    bitcode = toolkit / "nvvm" / "libdevice" / "libdevice.10.bc"
    return [] if bitcode.stat().st_size else [f"{bitcode} is empty"]


def main() -> None:
    before = loaded()
    results = opened_by_tensorflow()
    errors = [f"{name}: {error}" for name, error in results.items() if error and not is_expected(error)]
    libraries = sorted(path for path in SITE.glob("nvidia/*/lib/*.so*") if path.is_file())
    objects = [*libraries, *sorted((SITE / "tensorflow").rglob("*.so*"))]
    errors += [line for path in objects for line in unresolved(path)]
    errors += cudnn_parts() + compiler()
    if errors:
        sys.exit("\n".join(["TensorFlow would not find in this image:", *errors]))
    opened = sorted(Path(path).name for path in loaded() - before if path.startswith(str(SITE / "nvidia")))
    summary = {
        "tensorflow": tf.__version__,
        "cuda": tf.sysconfig.get_build_info()["cuda_version"],
        "not_in_the_image": sorted(error.split("'")[1] for error in results.values() if error),
        "opened": opened,
        "resolved": len(objects),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
