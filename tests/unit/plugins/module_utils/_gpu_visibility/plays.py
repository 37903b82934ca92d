# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue, played: for each fault a simulated machine that has it, and what the look at it must find."""

from __future__ import annotations

import dataclasses
import json
import shutil
import typing as t
from pathlib import Path

from ansible_collections.gpulab.workstation.molecule.resources.gpu import files, programs
from ansible_collections.gpulab.workstation.molecule.resources.gpu import machine as texts
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Gpu, Machine, Slice, t4
from ansible_collections.gpulab.workstation.molecule.resources.gpu.programs import Reply, docker_error, docker_replies

Arrange = t.Callable[[Path], None]


@dataclasses.dataclass(frozen=True)
class Play:
    finding: str
    machine: Machine = dataclasses.field(default_factory=Machine)
    arrange: Arrange = lambda root: None
    options: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    confidence: str = "certain"
    severity: str = "error"
    status: str = "broken"
    layer: str | None = None  # where it is not the catalogue's
    gpus: t.Sequence[int | str] = ()  # by number, or by whatever it is named
    message: str = ""  # a part of it
    cause: str = ""  # a part of it
    note: str = ""

    @property
    def id(self) -> str:
        return f"{self.finding}{'-' if self.note else ''}{self.note}"


# What the stand-ins say


def smi(text: str, rc: int) -> Arrange:
    return lambda root: programs.replayer(root / "usr/bin/nvidia-smi", programs.broken_smi(text, rc))


def smi_plays(*replies: Reply) -> Arrange:
    return lambda root: programs.replayer(root / "usr/bin/nvidia-smi", replies)


def docker(*more: Reply, **settings: t.Any) -> Arrange:
    return lambda root: files.docker(root, docker_replies(more=more, **settings))


def run_fails(message: str, rc: int = 125, **settings: t.Any) -> Arrange:
    return docker(docker_error(message, rc), **settings)


def inside(text: str, rc: int, nodes: t.Iterable[str] = (), visible: str = "void", capabilities: str = "unset") -> str:
    """What the script in a container prints."""
    lines = [text.rstrip("\n"), f"gpulab:rc={rc}", *(f"gpulab:node={node}" for node in nodes)]
    return "\n".join([*lines, f"gpulab:visible={visible}", f"gpulab:capabilities={capabilities}", ""])


def framework(name: str, stderr: str = "", **found: t.Any) -> Reply:
    answer = {"framework": name, "version": "2.21.0", "cuda_build": True, "devices": [], **found}
    return Reply("*gpulab-framework:*", f"gpulab-framework:{json.dumps(answer)}\n", stderr=stderr)


def python(*replies: Reply) -> Arrange:
    return lambda root: programs.replayer(root / "usr/bin/python3", replies)


def remove(*paths: str) -> Arrange:
    def arrange(root: Path) -> None:
        for path in paths:
            (root / path).unlink()

    return arrange


def all_of(*steps: Arrange) -> Arrange:
    def arrange(root: Path) -> None:
        for step in steps:
            step(root)

    return arrange


def write(path: str, content: str) -> Arrange:
    return lambda root: files.write(root / path, content)


def driver_not_loaded(**changes: t.Any) -> Machine:
    return Machine(**{"driver": None, "cdi": False, **changes})


NOT_LOADED = smi(texts.NO_DRIVER, 9)
HEALTHY_INSIDE = inside(texts.smi_list(t4(4)), 0, [f"/dev/nvidia{number}" for number in range(4)])
IN_IMAGE = {"image": "keras:gpu"}
IN_RUNNING = {"running_container": "jupyter-keras"}
GTX, BLACKWELL = 0x1D01, 0x2B85
UNBOUND = tuple(dataclasses.replace(gpu, driver=None) for gpu in t4(1))
HOOK_FAILED = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed:"
    " unable to"
    " start container process: error during container init: error running hook #0: error running hook: exit status"
    " 1, stdout: ,"
    " stderr: nvidia-container-cli: "
)
CU_INIT = "E0000 00:00:1.5 10 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: "


def service_failed(unit: str, said: str) -> Arrange:
    return all_of(
        write(f"usr/lib/systemd/system/{unit}", "[Service]\n"),
        lambda root: programs.replayer(
            root / "usr/bin/systemctl", [Reply("show *", f"Id={unit}\nActiveState=failed\n")]
        ),
        lambda root: programs.replayer(
            root / "usr/bin/journalctl", [Reply(f"--unit {unit} *", said), Reply("--dmesg *", rc=1)]
        ),
    )


PLAYS = [
    # The driver's user-space part and the kernel module
    Play("driver_library_missing", arrange=smi(texts.NO_LIBRARY, 12)),
    Play("driver_library_missing", Machine(library=None), confidence="likely", note="no nvidia-smi at all"),
    Play("driver_not_communicating", driver_not_loaded(), NOT_LOADED),
    Play(
        "driver_not_communicating",
        driver_not_loaded(gpus=UNBOUND),
        all_of(NOT_LOADED, lambda root: shutil.rmtree(root / "lib")),
        note="in a container without modules",
    ),
    Play(
        "other_driver_bound",
        driver_not_loaded(gpus=(Gpu(0, driver="nouveau"),)),
        NOT_LOADED,
        gpus=["0000:3b:00.0"],
        message="nouveau has 0000:3b:00.0",
    ),
    Play(
        "other_driver_bound",
        Machine(gpus=(Gpu(0), Gpu(1, driver="nova_core"))),
        status="degraded",
        gpus=["0000:3e:00.0"],
        message="nova_core has",
        note="one of two",
    ),
    Play(
        "gpu_reserved_for_guests",
        Machine(gpus=(Gpu(0), Gpu(1, driver="vfio-pci"))),
        status="degraded",
        gpus=["0000:3e:00.0"],
        message="vfio-pci keeps 0000:3e:00.0",
    ),
    Play(
        "gpu_reserved_for_guests",
        Machine(gpus=(Gpu(0), Gpu(1, driver="vfio-pci"))),
        options={"expected_gpus": 1},
        severity="info",
        status="ok",
        gpus=["0000:3e:00.0"],
        note="as it was meant",
    ),
    Play(
        "gpu_without_driver",
        Machine(gpus=(Gpu(0), Gpu(1, driver=None))),
        status="degraded",
        gpus=["0000:3e:00.0"],
        message="no kernel driver has 0000:3e:00.0",
    ),
    Play(
        "driver_loaded_late",
        driver_not_loaded(gpus=t4(1), toolkit=None),
        lambda root: programs.write_program(
            root / "usr/bin/nvidia-smi",
            [
                "#!/bin/sh",
                f"mkdir -p {root}/proc/driver/nvidia {root}/dev",
                f"printf '%s' '{texts.proc_version(Machine())}' > {root}/proc/driver/nvidia/version",
                f"echo 'c 195:0' > {root}/dev/nvidia0; echo 'c 195:255' > {root}/dev/nvidiactl",
                f"echo 'c 510:0' > {root}/dev/nvidia-uvm; echo 'nvidia_uvm 1 0 - Live 0x0' > {root}/proc/modules",
                f"case $1 in -L) printf %s '{texts.smi_list(t4(1))}';;",
                f"*) printf %s '{texts.smi_xml(Machine(), t4(1))}';;",
                "esac",
            ],
        ),
        severity="info",
        status="ok",
    ),
    Play(
        "other_driver_bound",
        driver_not_loaded(
            gpus=UNBOUND,
            kernel_log="NVRM: The NVIDIA probe routine was not called for 1 device(s).\n"
            "NVRM: This can occur when a driver such as:\nNVRM: nouveau, rivafb, nvidiafb or rivatv\n",
        ),
        NOT_LOADED,
        confidence="likely",
        note="by the log alone",
    ),
    Play(
        "module_signature_rejected",
        driver_not_loaded(
            gpus=UNBOUND, secure_boot=True, kernel_log="Loading of module with unavailable key is rejected\n"
        ),
        all_of(
            NOT_LOADED, lambda root: programs.replayer(root / "usr/sbin/modinfo", [Reply("-F signer *", "lab DKMS\n")])
        ),
        message="signed by lab DKMS",
    ),
    Play(
        "module_signature_rejected",
        driver_not_loaded(gpus=UNBOUND, secure_boot=True),
        NOT_LOADED,
        confidence="likely",
        note="without a log",
    ),
    Play(
        "driver_not_communicating",
        driver_not_loaded(gpus=UNBOUND, secure_boot=True),
        all_of(
            NOT_LOADED,
            lambda root: programs.replayer(
                root / "usr/sbin/modinfo", [Reply("-F signer *", "Canonical Ltd. Kernel Module Signing\n")]
            ),
        ),
        note="signed with a key that every firmware knows",
    ),
    Play(
        "module_not_built",
        driver_not_loaded(gpus=UNBOUND, module_file=False),
        all_of(NOT_LOADED, write("lib/modules/6.12.41-lab-amd64/updates/dkms/nvidia.ko.xz", "stand-in")),
        message="kernel 6.12.48-lab-amd64 has no module nvidia (6.12.41-lab-amd64 has one)",
    ),
    Play(
        "open_module_without_gsp",
        Machine(
            gpus=(Gpu(0, device_id=GTX, driver=None),),
            flavor="open",
            cdi=False,
            kernel_log="NVRM: The NVIDIA GPU 0000:3b:00.0 (PCI ID: 10de:1d01)\nNVRM: installed in this system is not"
            " supported"
            " by open\nNVRM: nvidia.ko because it does not include the required GPU\nNVRM: System Processor (GSP).\n",
        ),
        smi("No devices were found\n", 6),
        gpus=["0000:3b:00.0"],
    ),
    Play(
        "blackwell_needs_open_module",
        Machine(
            gpus=(Gpu(0, device_id=BLACKWELL),),
            cdi=False,
            kernel_log="[    9.1] NVRM: GPU 0000:3b:00.0: RmInitAdapter failed! (0x62:0x1a:2631)\n",
        ),
        smi("No devices were found\n", 6),
        gpus=[0],
    ),
    Play(
        "blackwell_needs_open_module",
        Machine(gpus=(Gpu(0), Gpu(1, device_id=BLACKWELL))),
        smi_plays(Reply("-L", texts.smi_list(t4(1))), Reply("-q -x", texts.smi_xml(Machine(), t4(1)))),
        confidence="likely",
        status="degraded",
        gpus=[1],
        note="beside an older one that works",
    ),
    Play(
        "gpu_unsupported_by_driver",
        Machine(
            gpus=(Gpu(0, driver=None),),
            cdi=False,
            kernel_log="NVRM: The NVIDIA GPU 0000:3b:00.0 (PCI ID: 10de:1eb8)\nNVRM: installed in this system is not"
            " supported"
            " by the\nNVRM: NVIDIA 520.56.06 driver release.\n",
        ),
        smi("No devices were found\n", 6),
        gpus=["0000:3b:00.0"],
        message="0000:3b:00.0 (10de:1eb8) is not supported by driver 520.56.06",
    ),
    Play(
        "nvml_driver_library_mismatch",
        Machine(library="550.163.02"),
        smi(texts.MISMATCH.format(library="550.163"), 18),
        message="module is 550.163.01 and the library 550.163.02",
    ),
    Play(
        "nvidia_smi_library_mismatch",
        arrange=smi("Mismatch in versions between nvidia-smi and NVML.\nAre you sure?\n", 255),
    ),
    Play(
        "no_devices_found",
        arrange=smi_plays(Reply("-L", "No devices found.\n"), Reply("*", "No devices were found\n", 6)),
        gpus=[0, 1, 2, 3],
    ),
    Play(
        "device_nodes_not_readable",
        arrange=all_of(
            *(write(f"dev/nvidia{number}", f"c 195:{number} 660\n") for number in range(4)),
            smi_plays(
                Reply("-L", "Unable to determine the device handle for gpu 0: Insufficient Permissions\n", 4),
                Reply(
                    "*", "No devices were found. Please make sure /dev/nvidia* files are readable by current user.\n", 4
                ),
            ),
        ),
        gpus=[0],
        message="/dev/nvidia0, /dev/nvidia1",
    ),
    Play(
        "device_nodes_not_readable",
        arrange=write("dev/nvidia0", "c 195:0 660\n"),
        severity="warning",
        confidence="possible",
        status="ok",
        note="root is not stopped by it",
    ),
    Play("device_nodes_missing", arrange=remove("dev/nvidia2"), gpus=[2], status="degraded"),
    Play("device_nodes_missing", arrange=all_of(NOT_LOADED, remove("dev/nvidiactl")), note="nvidiactl, exit 9"),
    Play(
        "device_nodes_missing", arrange=write("dev/nvidia2", "a plain file"), gpus=[2], status="degraded", note="a file"
    ),
    Play(
        "uvm_missing",
        Machine(uvm=False),
        docker(),
        severity="warning",
        confidence="likely",
        status="degraded",
        message="/dev/nvidia-uvm is missing",
    ),
    Play(
        "uvm_missing",
        Machine(uvm=False),
        python(framework("tensorflow", CU_INIT + "CUDA_ERROR_UNKNOWN: unknown error\n")),
        {"frameworks": ["tensorflow"]},
        status="degraded",
        note="and a framework that says so",
    ),
    Play("uvm_missing", Machine(uvm=False), severity="info", confidence="likely", status="ok", note="without Docker"),
    Play(
        "persistenced_failed",
        arrange=service_failed(
            "nvidia-persistenced.service",
            "Failed to query NVIDIA devices. Please ensure that the NVIDIA device files exist\n",
        ),
        severity="warning",
        status="degraded",
    ),
    # NVML
    Play(
        "gpu_lost",
        arrange=lambda root: programs.replayer(root / "usr/bin/nvidia-smi", programs.smi_replies(Machine(), lost={1})),
        status="degraded",
        gpus=[1],
    ),
    Play(
        "gpu_lost",
        Machine(kernel_log=texts.xid(Gpu(1), 79, "GPU has fallen off the bus.")),
        severity="warning",
        confidence="possible",
        status="ok",
        gpus=[1],
        note="and came back",
    ),
    Play(
        "gpu_lost",
        arrange=smi_plays(
            Reply("-L", texts.smi_list(t4(4))),
            Reply("-q -x", texts.smi_xml(Machine(), t4(4)).replace("<gpu_temp>41 C<", "<gpu_temp>GPU is lost<", 1)),
        ),
        gpus=[0],
        status="degraded",
        note="in a cell, exit 0",
    ),
    Play(
        "gpu_requires_reset",
        arrange=smi(
            "Unable to determine the device handle for gpu 0: A GPU reset must occur before this GPU can be used"
            " again.\n\n.\n",
            255,
        ),
        gpus=[0],
    ),
    Play(
        "gpu_requires_reset",
        Machine(gpus=(Gpu(0, recovery_action="Reset"), Gpu(1))),
        gpus=[0],
        status="degraded",
        note="by gpu_recovery_action",
    ),
    Play(
        "gpu_unavailable",
        arrange=smi("Unable to determine the device handle for gpu 0: Unknown Error\n", 17),
        gpus=[0],
        message="Unknown Error",
    ),
    Play(
        "gpu_unavailable",
        arrange=smi_plays(Reply("-L", texts.smi_list(t4(3))), Reply("-q -x", texts.smi_xml(Machine(), t4(3)))),
        confidence="likely",
        status="degraded",
        gpus=[3],
        note="silently left out",
    ),
    Play(
        "gpu_unavailable",
        arrange=smi_plays(Reply("-L", texts.smi_list(t4(4))), Reply("*", "Unknown Error\n", 255)),
        confidence="likely",
        status="degraded",
        message="cannot query it: Unknown Error",
        note="listed and no more",
    ),
    Play("power_or_thermal", arrange=smi("Failed to initialize NVML: Insufficient External Power\n", 8)),
    Play(
        "power_or_thermal",
        Machine(gpus=(Gpu(0, reasons=("hw_power_brake_slowdown",)), Gpu(1))),
        severity="warning",
        status="degraded",
        gpus=[0],
        note="slowed down",
    ),
    Play(
        "xid_reported",
        Machine(kernel_log=texts.xid(Gpu(0), 119, "Timeout after 6s of waiting for RPC response from GPU0 GSP!") * 2),
        severity="warning",
        confidence="likely",
        status="degraded",
        gpus=[0],
        message="119 (2 times)",
    ),
    Play(
        "mig_without_instances",
        Machine(gpus=(Gpu(0, mig=()), Gpu(1, mig=(Slice("3g.40gb", 40192, 2),))), cdi=False),
        gpus=[0],
        status="degraded",
    ),
    Play("fabric_not_ready", Machine(gpus=(Gpu(0, fabric="In Progress"),)), gpus=[0], status="degraded"),
    Play(
        "fabric_not_ready",
        Machine(nvswitches=4),
        lambda root: programs.replayer(
            root / "usr/bin/nv-fabricmanager", [Reply("--version", "Fabric Manager version is : 550.127.05\n")]
        ),
        confidence="likely",
        status="degraded",
        message="550.127.05 and the driver 550.163.01",
        note="another version",
    ),
    Play("nvidia_smi_hangs", arrange=smi_plays(Reply("*", hang=60)), options={"timeout": 0.3}),
    Play(
        "nvidia_smi_not_understood",
        arrange=smi("\x00\x1b[0mhello <nvidia_smi_log> & nothing more\n", 0),
        severity="warning",
        confidence="possible",
        status="unknown",
    ),
    Play("nvml_error", arrange=smi("Failed to initialize NVML: Corrupted infoROM\n", 14), confidence="likely"),
    Play(
        "gpus_missing", Machine(gpus=t4(3)), options={"expected_gpus": 4}, status="degraded", message="3 of 4 expected"
    ),
    Play(
        "gpus_missing",
        Machine(gpus=()),
        smi("No devices were found\n", 6),
        confidence="likely",
        message="0 of 1 expected",
        note="the driver is there and its GPU is not",
    ),
    Play(
        "wsl_without_adapter",
        driver_not_loaded(gpus=(), kernel="6.6.87.2-microsoft-standard-WSL2", library=None),
        all_of(write("dev/dxg", "c 10:125\n"), smi("WSL environment detected but no adapters were found\n", 9)),
        confidence="likely",
    ),
    Play(
        "wsl_without_adapter",
        driver_not_loaded(gpus=(), kernel="6.6.87.2-microsoft-standard-WSL2", library=None),
        write("dev/dxg", "c 10:125\n"),
        severity="warning",
        confidence="possible",
        status="unknown",
        note="perhaps the GPU is of another maker",
    ),
    # Toolkit, CDI, Docker
    Play("toolkit_missing", Machine(toolkit=None, cdi=False), docker(runtimes=["runc"], cdi=False)),
    Play(
        "docker_ignores_gpus",
        arrange=run_fails('could not select device driver "" with capabilities: [[gpu]]', cdi=False),
        options={"image": "keras:gpu"},
        confidence="likely",
        note="the hook is there now",
    ),
    Play(
        "docker_is_snap",
        arrange=all_of(docker(root="/var/snap/docker/common/var-lib-docker")),
        confidence="likely",
    ),
    Play(
        "docker_not_running",
        arrange=all_of(docker(), remove("run/docker.pid")),
        message="dockerd does not run",
    ),
    Play(
        "cdi_vendor_unknown",
        Machine(cdi=False),
        run_fails("failed to discover GPU vendor from CDI: no known GPU vendor found", version="29.1.0"),
        {"image": "keras:gpu", "method": "gpus"},
    ),
    Play(
        "runtime_not_registered",
        arrange=run_fails("unknown or invalid runtime name: nvidia", runtimes=["runc"]),
        options={"image": "keras:gpu", "method": "runtime"},
    ),
    Play(
        "runtime_not_registered",
        arrange=docker(runtimes=["runc"]),
        severity="warning",
        status="degraded",
        note="without a container",
    ),
    Play(
        "docker_cdi_disabled",
        arrange=run_fails('could not select device driver "cdi" with capabilities: []', cdi=False),
        options={"image": "keras:gpu", "method": "cdi"},
    ),
    Play(
        "cdi_spec_missing",
        Machine(cdi=False),
        run_fails("CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=all"),
        {"image": "keras:gpu", "method": "cdi"},
        message="nvidia.com/gpu=all",
    ),
    Play(
        "cdi_spec_missing",
        Machine(cdi=False),
        docker(),
        severity="warning",
        status="degraded",
        note="without a container",
    ),
    Play(
        "cdi_spec_stale",
        arrange=write("var/run/cdi/nvidia.yaml", texts.cdi_spec(Machine(), library="535.261.03")),
        message="/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.535.261.03 is gone",
    ),
    Play(
        "cdi_spec_stale",
        arrange=write("var/run/cdi/nvidia.yaml", texts.cdi_spec(Machine(gpus=t4(3)))),
        message=f"{Gpu(3).uuid} is not in it",
        note="a GPU came",
    ),
    Play(
        "cdi_spec_stale",
        arrange=all_of(
            run_fails(
                'CDI device injection failed: failed to inject devices: failed to stat CDI host device "/dev/nvidia4":'
                " no such file or directory",
                127,
            )
        ),
        options={"image": "keras:gpu"},
        note="by Docker's words",
    ),
    Play(
        "cdi_spec_stale",
        arrange=write(
            "var/run/cdi/nvidia.yaml",
            json.dumps({"kind": "nvidia.com/gpu", "devices": [{"name": name} for name in ("0", "1", "2", "all")]}),
        ),
        message="GPU 3 is not in it",
        note="that names indices alone",
    ),
    Play(
        "cdi_spec_stale",
        Machine(gpus=(Gpu(0, mig=(Slice("3g.40gb", 40192, 2),)),)),
        message=f"{Gpu(0).slice_uuid(0)} is not in it",
        note="MIG came",
    ),
    Play(
        "cdi_spec_stale",
        arrange=write("etc/cdi/old.yaml", texts.cdi_spec(Machine(), library="535.261.03")),
        severity="info",
        status="ok",
        message="/etc/cdi/old.yaml",
        note="overridden by one that is not",
    ),
    Play(
        "cdi_device_numbers_stale",
        arrange=write("var/run/cdi/nvidia.yaml", texts.cdi_spec(Machine(), uvm_major=234)),
        message="/dev/nvidia-uvm is 510:0 and not 234:0",
    ),
    Play(
        "cdi_spec_not_understood",
        arrange=write("var/run/cdi/nvidia.yaml", "kind: &kind nvidia.com/gpu\ndevices: *kind\n"),
        severity="warning",
        confidence="possible",
        status="unknown",
    ),
    Play(
        "rootless_cgroups_denied",
        arrange=run_fails(
            HOOK_FAILED
            + "mount error: failed to add device rules: unable to find any existing device filters attached to the"
            " cgroup: bpf_prog_query(BPF_CGROUP_DEVICE) failed: operation not permitted: unknown",
            options=["name=seccomp,profile=builtin", "name=rootless"],
            cdi=False,
        ),
        options=IN_IMAGE,
    ),
    # Containers
    Play(
        "container_lost_devices",
        arrange=docker(Reply("exec *", inside("Failed to initialize NVML: Unknown Error", 255))),
        options=IN_RUNNING,
        confidence="likely",
        message="jupyter-keras loses its GPUs",
    ),
    Play(
        "cuda_requirement_unsatisfied",
        arrange=run_fails(
            HOOK_FAILED + "requirement error: unsatisfied condition: cuda>=12.8, please update your driver: unknown",
            environment=["NVIDIA_REQUIRE_CUDA=cuda>=12.8"],
        ),
        options=IN_IMAGE,
        message="wants cuda>=12.8, and the driver has 12.4",
    ),
    Play(
        "cuda_requirement_unsatisfied",
        arrange=docker(Reply("run *", HEALTHY_INSIDE), environment=["NVIDIA_REQUIRE_CUDA=cuda>=12.8"]),
        options=IN_IMAGE,
        confidence="likely",
        status="degraded",
        note="CDI does not check it",
    ),
    Play(
        "selinux_denies_devices",
        arrange=all_of(
            docker(
                Reply("run *", inside("Failed to initialize NVML: Insufficient Permissions", 4)),
                options=["name=selinux"],
            ),
            write("sys/fs/selinux/enforce", "1"),
        ),
        options=IN_IMAGE,
    ),
    Play(
        "nvidia_smi_absent_in_container",
        arrange=docker(Reply("run *", inside("/bin/sh: 2: nvidia-smi: not found", 127, visible="unset"))),
        options=IN_IMAGE,
        message="no GPU's device node (NVIDIA_VISIBLE_DEVICES is unset)",
    ),
    Play(
        "nvidia_smi_absent_in_container",
        arrange=docker(
            Reply("run *", inside("/bin/sh: 2: nvidia-smi: not found", 127, [f"/dev/nvidia{n}" for n in range(4)]))
        ),
        options=IN_IMAGE,
        severity="info",
        status="ok",
        note="the GPUs are there",
    ),
    Play(
        "driver_libraries_in_image",
        arrange=run_fails(
            HOOK_FAILED
            + "mount error: file creation failed: /var/lib/docker/overlay2/x/merged/usr/lib/x86_64-linux-gnu/"
            "libnvidia-ml.so.1: file exists: unknown"
        ),
        options=IN_IMAGE,
        message="keras:gpu brings libnvidia-ml.so.1",
    ),
    Play(
        "toolkit_cannot_load_library",
        arrange=run_fails(
            HOOK_FAILED
            + "initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object file: no such"
            " file or directory: unknown"
        ),
        options=IN_IMAGE,
        message="libnvidia-ml.so.1",
    ),
    Play(
        "container_gpus_missing",
        arrange=docker(Reply("run *", inside(texts.smi_list(t4(3)), 0))),
        options=IN_IMAGE,
        status="degraded",
        gpus=[3],
    ),
    Play(
        "container_failed",
        arrange=run_fails("no space left on device"),
        options=IN_IMAGE,
        confidence="possible",
        message="no space left on device",
    ),
    Play(
        "container_failed",
        arrange=docker(Reply("exec *", rc=1, stderr="Error response from daemon: No such container: jupyter-keras\n")),
        options=IN_RUNNING,
        confidence="possible",
        message="No such container",
        note="no such container",
    ),
    Play(
        "probe_image_missing",
        arrange=lambda root: files.docker(
            root, [docker_replies()[0], Reply("image inspect *", rc=1, stderr="No such image: keras:gpu\n")]
        ),
        options=IN_IMAGE,
        severity="info",
        status="unknown",
        message="keras:gpu is not on this host",
    ),
    # Frameworks
    Play(
        "cuda_compatibility",
        arrange=python(
            framework(
                "tensorflow",
                f"{CU_INIT}CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE: forward compatibility was attempted on non"
                " supported HW\n",
            )
        ),
        options={"frameworks": ["tensorflow"]},
        layer="framework:tensorflow",
        message="CUDA error 804",
    ),
    Play(
        "framework_without_cuda",
        arrange=docker(Reply("run * /bin/sh *", HEALTHY_INSIDE), framework("tensorflow", cuda_build=False)),
        options={"image": "keras:cpu", "frameworks": ["tensorflow"]},
        layer="framework:tensorflow",
        message="is built without CUDA",
    ),
    Play(
        "framework_without_cuda",
        arrange=python(framework("jax", "RuntimeError: Unable to load CUDA. Is it installed?\n", version="0.10.2")),
        options={"frameworks": ["jax"]},
        layer="framework:jax",
        message="misses libraries",
        note="JAX",
    ),
    Play(
        "framework_without_cuda",
        arrange=python(
            framework(
                "tensorflow", "cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.\n"
            )
        ),
        options={"frameworks": ["tensorflow"]},
        layer="framework:tensorflow",
        confidence="likely",
        note="no libcuda",
    ),
    Play(
        "framework_without_kernels",
        Machine(gpus=(Gpu(0, device_id=BLACKWELL, architecture="Blackwell"),), flavor="open"),
        python(
            framework(
                "tensorflow",
                devices=[
                    {
                        "id": "/device:GPU:0",
                        "text": "device: 0, name: NVIDIA GeForce RTX 5090, pci bus id: 0000:3b:00.0, compute"
                        " capability: 12.0",
                    }
                ],
            )
        ),
        {"frameworks": ["tensorflow"]},
        layer="framework:tensorflow",
        confidence="likely",
        status="degraded",
    ),
    Play(
        "framework_gpus_missing",
        arrange=python(framework("torch", CU_INIT + "CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\n")),
        options={"frameworks": ["torch"]},
        layer="framework:torch",
        message="0 of 4 GPUs (cuda:100",
        confidence="possible",
    ),
    Play(
        "framework_gpus_missing",
        arrange=docker(
            Reply(
                "run * /bin/sh *",
                inside("/bin/sh: 2: nvidia-smi: not found", 127, [f"/dev/nvidia{n}" for n in range(4)]),
            ),
            framework("torch"),
        ),
        options={"image": "keras:gpu", "frameworks": ["torch"]},
        layer="framework:torch",
        message="0 of 4 GPUs",
        note="in an image without nvidia-smi",
        confidence="possible",
    ),
    Play(
        "framework_failed",
        arrange=python(Reply("*", "", 139, "Segmentation fault\n")),
        options={"frameworks": ["tensorflow"]},
        layer="framework:tensorflow",
        message="did not answer: Segmentation fault",
        confidence="possible",
    ),
]
