# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that one look at a host saw, before anything is concluded from it. None means: could not be seen."""

from __future__ import annotations

import dataclasses
import typing as t

from .parsers import build_log, cdi, docker, framework, kernel_log, proc_driver, smi_list, smi_xml
from .parsers.container import GPU_NODE, Inside
from .system import Node, Run

LAYERS = ("pci", "kernel_driver", "device_nodes", "nvml", "toolkit", "cdi", "docker", "container")
_OLDEST_TURING = 0x1E00
_OLDEST_BLACKWELL = 0x2900


class PciGpu(t.NamedTuple):
    bus_id: str
    device: int  # the second half of 10de:1eb8
    driver: str | None  # what is bound to it

    @property
    def device_id(self) -> str:
        return f"10de:{self.device:04x}"

    @property
    def is_before_turing(self) -> bool:
        """Has no GSP, which the open modules need."""
        return self.device < _OLDEST_TURING

    @property
    def is_blackwell(self) -> bool:
        """Blackwell or later, which only the open modules drive."""
        return self.device >= _OLDEST_BLACKWELL


@dataclasses.dataclass
class Smi:
    """What nvidia-smi said. The forms are asked for only as far as they are needed."""

    listing_run: Run
    listing: smi_list.Listing
    xml_run: Run | None = None
    xml: smi_xml.Answer | None = None
    gpus: list[smi_xml.XmlGpu] = dataclasses.field(default_factory=list)  # from all forms together
    failed: list[smi_list.Failed] = dataclasses.field(default_factory=list)
    problem: str | None = None  # where an answer was not understood

    @property
    def rc(self) -> int | None:
        """The worst: -L exits 0 where it found nothing."""
        codes = [run.rc for run in (self.listing_run, self.xml_run) if run is not None and run.rc is not None]
        return max(codes, default=None)

    @property
    def crashed(self) -> bool:
        """Whether it was ended by a signal of its own making; a shell before it adds 128."""
        return self.rc in (-4, -6, -7, -8, -11, 132, 134, 135, 136, 139)

    @property
    def text(self) -> str:
        return "\n".join(run.text for run in (self.listing_run, self.xml_run) if run is not None)

    @property
    def hung(self) -> bool:
        runs = [run for run in (self.listing_run, self.xml_run) if run is not None]
        return any(run.rc is None and run.problem is not None and "did not answer" in run.problem for run in runs)


class CdiFile(t.NamedTuple):
    path: str
    spec: cdi.Spec
    missing: list[str]  # paths of the host that are gone
    renumbered: list[str]  # nodes whose numbers are not those of the host
    other_driver: bool  # made for another version of the driver

    @property
    def stale_reasons(self) -> list[str]:
        reasons = [f"{path} does not exist" for path in self.missing] + self.renumbered
        if self.other_driver:
            reasons.append(f"it is for driver {self.spec.driver_version}, which is not the loaded one")
        return reasons


class InContainer(t.NamedTuple):
    """A look into a container: one made for it, or one that runs."""

    container: str | None  # the name of the one that runs
    image: str | None
    method: str | None
    run: Run
    inside: Inside | None  # None: the script did not come to its end there
    required_cuda: str | None  # NVIDIA_REQUIRE_CUDA of the image

    @property
    def rc(self) -> int | None:
        """How the look inside ended: docker's own exit code says nothing where the script came to its end."""
        return self.run.rc if self.inside is None else self.inside.smi_rc

    @property
    def works(self) -> bool:
        return self.inside is not None and self.inside.smi_rc == 0


class InFramework(t.NamedTuple):
    name: str
    where: str  # host, container
    container: str | None
    run: Run
    answer: framework.Answer


@dataclasses.dataclass
class Seen:
    platform: str = "bare_metal"
    kernel: str = ""
    operating_system: str | None = None  # as /etc/os-release and docker info name it
    pci: list[PciGpu] | None = None  # None: this platform shows no PCI GPUs (WSL, Jetson), or /sys is not there
    nvswitches: int = 0
    has_dxg: bool = False
    is_tegra: bool = False
    modules: frozenset[str] = frozenset()
    driver: proc_driver.Version | None = None
    information: list[proc_driver.Information] = dataclasses.field(default_factory=list)
    majors: dict[str, int] = dataclasses.field(default_factory=dict)
    has_headers: bool | None = None  # of the kernel that runs, to build modules with
    module_version: str | None = None  # of the nvidia.ko on the disk, where it matters
    builds: list[build_log.Failure] = dataclasses.field(default_factory=list)  # modules that DKMS could not build
    kept_from_loading: list[str] = dataclasses.field(default_factory=list)  # `file: line` of modprobe's configuration
    firmware: list[str] | None = None  # versions of the driver that have firmware on the disk
    has_module_folder: bool = False  # a container has none, and tells nothing by that
    module_kernels: list[str] = dataclasses.field(default_factory=list)  # the kernels that have an nvidia.ko
    secure_boot: bool | None = None
    signer: str | None = None
    loaded_by_look: bool = False  # the driver came when nvidia-smi was run
    wsl_has_driver: bool = False  # Windows put NVIDIA's libraries here
    wsl_linux_driver: list[str] = dataclasses.field(default_factory=list)  # a Linux driver's libraries in WSL
    nodes: dict[str, Node] = dataclasses.field(default_factory=dict)  # by path
    uid: int = 0
    has_char_links: bool = False
    selinux_enforcing: bool = False
    library_version: str | None = None
    smi: Smi | None = None
    nvml_rc: int | None = None
    log: kernel_log.Log | None = None
    failed_services: dict[str, str] = dataclasses.field(default_factory=dict)  # and what they last said
    fabricmanager: str | None = None
    toolkit_version: str | None = None
    toolkit_programs: list[str] = dataclasses.field(default_factory=list)
    toolkit_settings: dict[str, str] = dataclasses.field(default_factory=dict)
    hook_path: str | None = None
    cdi_files: list[CdiFile] = dataclasses.field(default_factory=list)
    cdi_elsewhere: list[CdiFile] = dataclasses.field(default_factory=list)  # where this engine does not look
    docker: docker.Info | None = None
    docker_install: str | None = None  # None: there is no Docker
    docker_context: str | None = None  # of the client, where it is not the default
    docker_signs: list[str] = dataclasses.field(default_factory=list)  # of engines other than the system's own
    looks: list[InContainer] = dataclasses.field(default_factory=list)
    frameworks: list[InFramework] = dataclasses.field(default_factory=list)
    wanted_frameworks: t.Sequence[str] = ()
    image_missing: str | None = None
    expected_gpus: int | None = None
    asked: t.Collection[str] = LAYERS
    not_looked: dict[str, str] = dataclasses.field(default_factory=dict)  # why a layer that was asked for was not seen
    evidence: dict[str, list[dict[str, t.Any]]] = dataclasses.field(default_factory=dict)
    durations: dict[str, float] = dataclasses.field(default_factory=dict)

    # What several conclusions need

    @property
    def has_device(self) -> bool:
        """Whether this host has anything of NVIDIA at all."""
        return bool(self.pci) or self.has_dxg or self.is_tegra

    @property
    def gpu_nodes(self) -> list[str]:
        return [path for path in self.nodes if GPU_NODE.fullmatch(path)]

    @property
    def listed(self) -> list[smi_list.Listed]:
        return self.smi.listing.gpus if self.smi else []

    @property
    def nvml_works(self) -> bool:
        return bool(self.listed)

    @property
    def smi_is_there(self) -> bool:
        return self.smi is not None and (self.smi.listing_run.rc is not None or self.smi.hung)

    @property
    def cuda_version(self) -> str | None:
        return self.smi.xml.cuda_version if self.smi and self.smi.xml else None

    @property
    def gpu_specs(self) -> list[CdiFile]:
        return [file for file in self.cdi_files if file.spec.is_gpu]

    @property
    def cdi_is_enabled(self) -> bool | None:
        if self.docker is None or self.docker.problem:
            return None
        return self.docker.cdi_directories is not None

    @property
    def engine(self) -> str | None:
        """The kind of engine that answers; each has its own places and remedies.

        rootful, rootless, snap, desktop (in a virtual machine), desktop_wsl, podman, or elsewhere: another machine.
        """
        info = self.docker
        if info is None or info.problem:
            return "snap" if self.docker_install == "snap" else None
        if info.is_podman:
            return "podman"
        if (info.operating_system or "").startswith("Docker Desktop"):
            return "desktop_wsl" if self.platform == "wsl" else "desktop"
        if self.docker_install == "snap" or (info.root or "").startswith("/var/snap/docker"):
            return "snap"
        # Only one that was asked over another way than the system's own socket may be on another machine.
        asked = self.docker_signs or self.docker_context
        named = (info.operating_system or "").partition(" (containerized")[0]
        other_kernel = bool(info.kernel and self.kernel) and info.kernel != self.kernel
        if asked and (other_kernel or (named and self.operating_system and named != self.operating_system)):
            return "elsewhere"
        return "rootless" if info.rootless else "rootful"

    @property
    def engine_has_no_gpu(self) -> bool:
        """The engine is in a virtual machine or on another machine: what is found here does not concern it."""
        return self.engine in ("desktop", "elsewhere")

    @property
    def toolkit_mode(self) -> str | None:
        """What the toolkit's runtime does; `auto` is csv on a Jetson."""
        mode = self.toolkit_settings.get("nvidia-container-runtime.mode")
        return "csv" if mode in (None, "auto") and self.is_tegra else mode

    @property
    def hook_serves_gpus(self) -> bool:
        """Whether the hook behind --gpus does its work: in the modes cdi and csv it refuses."""
        return bool(self.hook_path) and self.toolkit_mode not in ("cdi", "csv", "jit-cdi")

    def by_cdi(self, look: InContainer) -> bool:
        """Whether the devices were given by CDI, and not by the hook, which goes by capabilities and cgroups."""
        void = look.inside is not None and look.inside.visible == "void"
        if look.method in ("gpus", "runtime"):
            # --gpus asks CDI from 29 on; the runtime does in a mode of its own.
            new = (docker.major(self.docker.version if self.docker else None) or 0) >= 29
            return void and (new or self.toolkit_mode not in (None, "auto", "legacy"))
        return look.method == "cdi" or void

    @property
    def no_cgroups(self) -> bool:
        return self.toolkit_settings.get("nvidia-container-cli.no-cgroups") == "true"

    @property
    def selinux_confines(self) -> bool:
        """Whether SELinux keeps containers from things: Docker has it off by default, Podman on."""
        asked = self.docker is not None and (self.docker.selinux or self.docker.is_podman)
        return self.selinux_enforcing and asked

    @property
    def driver_version(self) -> str | None:
        """Of the loaded driver; of Windows' own in WSL, which nvidia-smi alone tells."""
        if self.driver:
            return self.driver.version
        return self.smi.xml.driver_version if self.smi and self.smi.xml else None

    def is_other_version(self, version: str | None) -> bool:
        """Whether a version is not the loaded driver's; NVML writes the first two numbers of it only."""
        mine = docker.numbers(self.driver_version)
        other = docker.numbers(version)
        return bool(mine and other) and mine[: len(other)] != other[: len(mine)]

    @property
    def container_text(self) -> str:
        """All that Docker and the containers said."""
        return "\n".join(look.run.text for look in self.looks)

    @property
    def uuid_of(self) -> dict[str, str]:
        """UUIDs by bus id, as far as anybody told."""
        known = {one.bus_id: one.uuid for one in self.information if one.uuid}
        known.update({one.bus_id: one.uuid for one in (self.smi.gpus if self.smi else []) if one.bus_id and one.uuid})
        return known

    def gpu_at(self, bus_id: str | None) -> str:
        """The best name for a GPU: its UUID, or where it is."""
        return self.uuid_of.get(bus_id or "", bus_id or "?")

    def named(self, failed: smi_list.Failed) -> str:
        """A GPU that nvidia-smi could not open, by what /proc knows of it."""
        if failed.bus_id:
            return self.gpu_at(failed.bus_id)
        # nvidia-smi counts them in the order of the bus, which need not be that of the minor numbers.
        buses = sorted(one.bus_id for one in self.information)
        silent = [bus_id for bus_id in buses if self.gpu_at(bus_id) not in {gpu.uuid for gpu in self.listed}]
        if len(silent) == 1:
            return self.gpu_at(silent[0])
        if failed.number is not None and failed.number < len(buses) and buses[failed.number] in silent:
            return self.gpu_at(buses[failed.number])
        return f"index {failed.number}"

    def works(self, bus_id: str | None) -> bool:
        """Whether nvidia-smi shows this GPU, whatever an old line of the kernel's log says of it."""
        shown = {gpu.uuid for gpu in self.listed}
        return self.gpu_at(bus_id) in shown or (
            self.smi is not None and any(gpu.bus_id == bus_id for gpu in self.smi.gpus)
        )
