# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One look at a host: files first, then apt, mokutil and, where a driver is loaded, nvidia-smi."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.parsers import proc_driver, smi_list
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.probes import host as probes
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.seen import PciGpu, Seen
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.system import System
from ansible_collections.gpulab.workstation.plugins.module_utils._procfs import read_text

from . import packages, secure_boot, sources, usage
from .secure_boot import Key

_UNINSTALLERS = ("/usr/bin/nvidia-uninstall", "/usr/bin/nvidia-installer")
_MODULE = re.compile(r"(?:^|/)nvidia(?:-(?:current|open|tesla|legacy|\d+))*\.ko(?:\.\w+)?:", re.MULTILINE | re.ASCII)
_MODULE_PACKAGES = re.compile(r"nvidia-(dkms-\S+|(\S+-)?kernel-dkms)|linux-modules-nvidia-\d{3}-\S+", re.ASCII)
# Which apt's lists are empty of on no Debian and no Ubuntu.
_ALWAYS = "dpkg"


@dataclasses.dataclass
class Host:
    distribution: str = ""
    version: str = ""
    architecture: str = ""
    platform: str = "bare_metal"
    kernel: str = ""
    gpus: list[PciGpu] = dataclasses.field(default_factory=list)
    loaded: proc_driver.Version | None = None
    nouveau_is_loaded: bool = False
    library_version: str | None = None
    smi_rc: int | None = None  # None: not asked, because no driver is loaded
    smi_gpus: int = 0
    smi_text: str = ""
    module_is_built: bool = False  # for the running kernel
    kernels_without_module: list[str] = dataclasses.field(default_factory=list)  # of those that could be booted
    next_kernel: str | None = None  # the newest of them, which is booted unless somebody chooses another
    has_build_folder: bool = False  # the headers of the running kernel are there
    initramfs: bool = False
    dkms: list[str] = dataclasses.field(default_factory=list)
    runfile: str | None = None
    screens: list[str] = dataclasses.field(default_factory=list)  # GPUs through which nouveau shows a desktop
    secure_boot: bool | None = None
    key: Key | None = None  # with Secure Boot
    key_enrolled: bool | None = None
    key_requested: bool = False
    key_lacks: list[str] = dataclasses.field(default_factory=list)
    installed: dict[str, packages.Package] = dataclasses.field(default_factory=dict)
    has_lists: bool = False
    available: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    recommended: set[tuple[int, bool, str]] = dataclasses.field(default_factory=set)
    archives: list[sources.Archive] = dataclasses.field(default_factory=list)
    users: list[usage.User] = dataclasses.field(default_factory=list)

    @property
    def driver_works(self) -> bool:
        return self.loaded is not None and self.smi_rc == 0 and self.smi_gpus > 0


def look(system: System, server: bool = True, backports: bool = False, extra: t.Sequence[str] = ()) -> Host:
    host = Host()
    release = _release(system.read("/etc/os-release") or "")
    host.distribution, host.version = release.get("ID", ""), release.get("VERSION_ID", "")
    _hardware(system, host)
    host.installed = packages.parse_status(system.read("/var/lib/dpkg/status") or "")
    host.architecture = host.installed["dpkg"].architecture if "dpkg" in host.installed else ""
    _kernels(system, host)
    host.runfile = next((path for path in _UNINSTALLERS if system.exists(path)), None)
    host.users = usage.users(system)
    _apt(system, host, server, backports, extra)
    _key(system, host)
    if system.program("dkms"):
        status = system.run("dkms", "status").stdout.splitlines()
        host.dkms = [line.strip() for line in status if line.startswith("nvidia")]
    if host.loaded:
        # Without a loaded driver, nvidia-smi run by root would load one.
        listed = system.run("nvidia-smi", "-L")
        host.smi_rc, host.smi_text = listed.rc, listed.text
        host.smi_gpus = len(smi_list.parse(listed.stdout).gpus)
    return host


def _hardware(system: System, host: Host) -> None:
    seen = Seen()
    probes.pci(system, seen)
    probes.library(system, seen)
    # In one piece of some MiB, as System reads, the kernel does not give out what is in /proc/sys.
    host.kernel = read_text(system.path("/proc/sys/kernel/osrelease")).strip()
    host.platform, host.gpus = seen.platform, seen.pci or []
    if "microsoft" in host.kernel.lower():
        host.platform = "wsl"
    host.library_version = seen.library_version
    host.loaded = proc_driver.version(system.read("/proc/driver/nvidia/version") or "")
    loaded = proc_driver.modules(system.read("/proc/modules") or "")
    host.nouveau_is_loaded = "nouveau" in loaded or any(gpu.driver == "nouveau" for gpu in host.gpus)
    if system.exists("/etc/systemd/system/display-manager.service"):
        host.screens = [gpu.bus_id for gpu in host.gpus if gpu.driver == "nouveau" and _has_screen(system, gpu)]
    names = system.names("/sys/firmware/efi/efivars") or []
    value = next(
        (system.read_bytes(f"/sys/firmware/efi/efivars/{n}") for n in names if n.startswith("SecureBoot-")), None
    )
    # Four bytes of attributes come before the value.
    host.secure_boot = bool(value[-1]) if value and len(value) == 5 else None


def _has_screen(system: System, gpu: PciGpu) -> bool:
    drm = f"/sys/bus/pci/devices/{gpu.bus_id}/drm"
    cards = [f"{drm}/{card}" for card in system.names(drm) or [] if card.startswith("card")]
    connectors = [f"{card}/{name}/status" for card in cards for name in system.names(card) or [] if "-" in name]
    return any((system.read(status) or "").strip() == "connected" for status in connectors)


def _kernels(system: System, host: Host) -> None:
    host.has_build_folder = system.names(f"/lib/modules/{host.kernel}/build") is not None
    host.module_is_built = _has_module(system, host.kernel)
    host.initramfs = system.program("update-initramfs") is not None
    bootable = [name[len("vmlinuz-") :] for name in system.names("/boot") or [] if name.startswith("vmlinuz-")]
    host.next_kernel = max(bootable, key=_by_number, default=None)
    host.kernels_without_module = [kernel for kernel in bootable if not _has_module(system, kernel)]


def _by_number(kernel: str) -> list[tuple[int, str]]:
    return [(int(number), words) for number, words in re.findall(r"(\d+)(\D*)", kernel, re.ASCII)]


def _has_module(system: System, kernel: str) -> bool:
    return bool(_MODULE.search(system.read(f"/lib/modules/{kernel}/modules.dep") or ""))


def _apt(system: System, host: Host, server: bool, backports: bool, extra: t.Sequence[str]) -> None:
    """What apt could install. Its own pins do not matter here: they are this role's, and may be of yesterday."""
    known = system.run("apt-cache", "pkgnames", "nvidia-").stdout.split()
    known += system.run("apt-cache", "pkgnames", "linux-modules-nvidia-").stdout.split()
    names = {name for name in known if _MODULE_PACKAGES.fullmatch(name)}
    names.update(f"linux-headers-{kernel}" for kernel in (host.kernel, *packages.images(host.installed)))
    names.update(package.name for package in packages.of_driver(host.installed))
    names.update(name for name in known if re.fullmatch(r"nvidia-\S*(smi|driver|utils-\S+|headless-no-dkms-\S+)", name))
    names.update(extra)
    answer = system.run("apt-cache", "madison", _ALWAYS, *sorted(names)).stdout
    host.available = packages.parse_madison(answer, backports)
    host.has_lists = bool(host.available.pop(_ALWAYS, None))
    if host.distribution == "debian":
        targets = system.run("apt-get", "indextargets", "--format", sources.FORMAT, "Created-By: Packages")
        host.archives = sources.parse(targets.stdout)
    if host.distribution == "ubuntu" and system.program("ubuntu-drivers"):
        listed = system.run("ubuntu-drivers", "list", *(["--gpgpu"] if server else []))
        host.recommended = packages.parse_ubuntu_drivers(listed.stdout)


def _key(system: System, host: Host) -> None:
    if not host.secure_boot:
        return
    files = ["/etc/dkms/framework.conf"]
    files += [f"/etc/dkms/framework.conf.d/{name}" for name in system.names("/etc/dkms/framework.conf.d") or []]
    host.key = secure_boot.key(host.distribution, "\n".join(system.read(path) or "" for path in files))
    host.key_lacks = [name for name in ("dkms", "mokutil") if system.program(name) is None]
    if not system.exists(host.key.certificate):
        host.key_lacks.append("certificate")
    elif "mokutil" not in host.key_lacks:
        answer = system.run("mokutil", "--test-key", system.path(host.key.certificate)).text
        host.key_enrolled = secure_boot.is_enrolled(answer)
        host.key_requested = secure_boot.is_requested(answer)


def _release(text: str) -> dict[str, str]:
    return {name: value.strip("\"'") for name, _equals, value in (line.partition("=") for line in text.splitlines())}
