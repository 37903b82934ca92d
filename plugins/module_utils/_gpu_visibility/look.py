# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One look at a host, from the bus to the framework: which probe runs when, and which is not worth running."""

from __future__ import annotations

import time
import typing as t

from .parsers.framework import NAMES
from .probes import engine, host, inside, nvml
from .report import report
from .seen import LAYERS, Seen
from .system import System


class Options(t.NamedTuple):
    layers: t.Collection[str] = LAYERS
    expected_gpus: int | None = None
    image: str | None = None
    method: str = "auto"
    running_container: str | None = None
    notebooks: bool = False
    frameworks: t.Sequence[str] = ()
    kernel_log: bool = True


def options_of(document: t.Mapping[str, t.Any]) -> Options:
    """What was asked when a bundle was made; what is not of the right kind is as it is by default."""
    kept = document.get("options")
    asked = kept if isinstance(kept, dict) else {}
    default = Options()
    lists = {name: [str(one) for one in asked[name]] for name in ("layers", "frameworks") if _is_list(asked.get(name))}
    texts = {name: asked[name] for name in ("image", "running_container") if isinstance(asked.get(name), str)}
    flags = {name: asked[name] for name in ("notebooks", "kernel_log") if isinstance(asked.get(name), bool)}
    count = asked.get("expected_gpus")
    method = str(asked.get("method"))
    return default._replace(
        layers=lists.get("layers", default.layers),
        **texts,
        **flags,
        frameworks=[name for name in lists.get("frameworks", []) if name in NAMES],
        method=method if method in ("cdi", "gpus", "runtime") else "auto",
        expected_gpus=count if isinstance(count, int) else None,
    )


def _is_list(value: t.Any) -> bool:
    return isinstance(value, (list, tuple))


def look(system: System, options: Options) -> dict[str, t.Any]:
    return report(see(system, options))


def see(system: System, options: Options) -> Seen:
    seen = Seen(expected_gpus=options.expected_gpus, asked=options.layers, wanted_frameworks=tuple(options.frameworks))
    # Files come first: nvidia-smi, as root, loads modules and makes nodes, and would hide what was missing.
    _timed(seen, "pci", host.pci, system)
    _timed(seen, "kernel_driver", host.kernel_driver, system)
    _timed(seen, "device_nodes", host.device_nodes, system)
    host.library(system, seen)
    has_smi = system.program("nvidia-smi") is not None
    if not (seen.has_device or seen.driver or has_smi or options.expected_gpus):
        return seen
    if _asks(options, "nvml", "cdi", "container") or options.frameworks:
        _timed(seen, "nvml", nvml.nvml, system)
        if seen.nvml_works and seen.pci and not seen.driver:
            _timed(seen, "kernel_driver", host.kernel_driver, system)
            _timed(seen, "device_nodes", host.device_nodes, system)
            seen.loaded_by_look = seen.driver is not None
    _timed(seen, "kernel_driver", host.module_on_disk, system)
    # ... and the log comes after it, because it makes the driver say what is wrong.
    if options.kernel_log and _asks(options, "kernel_driver", "nvml"):
        _timed(seen, "kernel_driver", host.log, system)
        if seen.log and (seen.log.of("firmware_missing") or seen.log.of("no_firmware_image")):
            host.firmware(system, seen)
    if _asks(options, "kernel_driver", "nvml") and seen.has_device:
        _timed(seen, "kernel_driver", host.services, system)
    if _asks(options, "toolkit", "cdi", "docker", "container") or _wants_container(options):
        _timed(seen, "toolkit", engine.toolkit, system)
        _timed(seen, "docker", engine.docker, system)
        _timed(seen, "cdi", engine.cdi, system)
    _inside(system, seen, options)
    return seen


def _inside(system: System, seen: Seen, options: Options) -> None:
    # Whether notebooks run is known only where the engine answers, which the layer docker is about.
    named = bool(options.image or options.running_container)
    engine_answers = seen.docker is not None and not seen.docker.problem
    reason = None
    # The first Jetsons have no nvidia-smi, and their GPU works nevertheless.
    without_smi = seen.is_tegra and (seen.smi is None or seen.smi.listing_run.rc is None) and seen.driver is not None
    if not seen.nvml_works and not without_smi:
        reason = "no GPU works on the host"
    elif named and seen.docker is None:
        reason = "Docker is not installed"
    elif named and not engine_answers:
        reason = "Docker does not answer"
    if reason:
        seen.not_looked.update({f"framework:{name}": reason for name in options.frameworks})
        if named:
            seen.not_looked["container"] = reason
        return
    begin = time.monotonic()
    running = [options.running_container] if options.running_container else []
    if options.notebooks and engine_answers:
        running += [name for name in inside.notebooks(system, seen) if name not in running]
    if options.image and "container" in options.layers:
        inside.temporary(system, seen, options.image, options.method)
    for name in running if "container" in options.layers else ():
        inside.running(system, seen, name, may_end=name != options.running_container)
    seen.durations["container"] = time.monotonic() - begin
    # A container that could not be made for nvidia-smi cannot be made for a framework either, and says so only once.
    asked = options.image and "container" in options.layers
    started = running or not asked or any(look.inside for look in seen.looks)
    for name in options.frameworks:
        if not started:
            seen.not_looked[f"framework:{name}"] = seen.not_looked.get("container", "the container did not start")
        else:
            begin = time.monotonic()
            inside.frameworks(system, seen, name, options.image, running[0] if running else None, options.method)
            seen.durations[f"framework:{name}"] = time.monotonic() - begin


def _wants_container(options: Options) -> bool:
    return bool(options.image or options.running_container or options.notebooks)


def _asks(options: Options, *names: str) -> bool:
    return any(name in options.layers for name in names)


def _timed(seen: Seen, layer: str, probe: t.Callable[[System, Seen], None], system: System) -> None:
    begin = time.monotonic()
    probe(system, seen)
    seen.durations[layer] = seen.durations.get(layer, 0.0) + time.monotonic() - begin
