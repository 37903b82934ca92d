# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people reported, played: the machine as the report describes it, and the cause that it turned out to have.

Each stands for a kind, so each is played with other names, numbers and versions than the report has, too.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.gpulab.workstation.molecule.resources.gpu import files, programs
from ansible_collections.gpulab.workstation.molecule.resources.gpu import machine as texts
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Gpu, Machine, Slice, t4
from ansible_collections.gpulab.workstation.molecule.resources.gpu.programs import Reply
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._gpu_visibility.plays import (
    HEALTHY_INSIDE,
    HOOK_FAILED,
    IN_IMAGE,
    IN_RUNNING,
    NOT_LOADED,
    UNBOUND,
    Arrange,
    Play,
    all_of,
    docker,
    driver_not_loaded,
    framework,
    inside,
    python,
    remove,
    run_fails,
    service_failed,
    smi,
    smi_plays,
    write,
)

HOOK = Machine(cdi=False)
NEW_HOOK = HOOK_FAILED.replace("nvidia-container-cli: ", "Auto-detected mode as 'legacy'\nnvidia-container-cli: ")
BY_HOOK = {"image": "keras:gpu", "method": "gpus"}
NODES = tuple(f"/dev/nvidia{number}" for number in range(4))
WSL = Machine(gpus=(), driver=None, kernel="6.6.87.2-microsoft-standard-WSL2", library=None, cdi=False, toolkit=None)
BLOCKED = (
    "Failed to initialize NVML: GPU access blocked by the operating system\n"
    "Failed to properly shut down NVML: GPU access blocked by the operating system\n"
)
UNKNOWN = "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env"
UNKNOWN += " variable CUDA_VISIBLE_DEVICES after program start. Setting the available devices to be zero.\n"
NO_DRIVER = (
    "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a"
    " driver"
    " from http://www.nvidia.com/Download/index.aspx\n"
)
CONFIG = "etc/nvidia-container-runtime/config.toml"
NONE_FOUND = smi_plays(Reply("-L", "No devices found.\n"), Reply("*", "No devices were found\n", 6))


def hook_fails(said: str, **settings: t.Any) -> Arrange:
    return run_fails(f"{NEW_HOOK}{said}: unknown", cdi=False, **settings)


def in_container(text: str, rc: int, capabilities: str = "unset", **settings: t.Any) -> Arrange:
    """A container that the hook made, in which nvidia-smi says this."""
    said = inside(text, rc, NODES, visible="all", capabilities=capabilities)
    return docker(Reply("run * /bin/sh *", said), cdi=False, **settings)


def asked_in_container(capabilities: str, *replies: Reply) -> Arrange:
    listed = inside(texts.smi_list(t4(4)), 0, NODES, visible="all", capabilities=capabilities)
    return docker(Reply("run * /bin/sh *", listed), *replies, cdi=False)


def on_windows(*replies: Reply) -> Arrange:
    return all_of(
        write("dev/dxg", "c 10:258\n"),
        write("usr/lib/wsl/lib/libcuda.so.1", "stand-in"),
        lambda root: programs.replayer(root / "usr/bin/nvidia-smi", replies),
    )


def spec(version: str, names: tuple[str, ...] = ("0", "1", "2", "3", "all")) -> Arrange:
    devices = [{"name": name, "containerEdits": {"deviceNodes": [{"path": "/dev/nvidia0"}]}} for name in names]
    document = {"cdiVersion": version, "kind": "nvidia.com/gpu", "devices": devices}
    return write("var/run/cdi/nvidia.yaml", json.dumps(document))


UNRESOLVED = "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=all"
BAR = (
    "NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:\nNVRM: {bar} @ 0x0 (PCI:{bus})\n"
    "nvidia: probe of {bus} failed with error -1\nNVRM: The system BIOS may have misconfigured your GPU.\n"
)
FIRMWARE = (
    "nvidia 0000:3b:00.0: Direct firmware load for nvidia/{version}/{name} failed with error -2\n"
    "NVRM: RmFetchGspRmImages: No firmware image found\nNVRM: GPU 0000:3b:00.0: RmInitAdapter failed!"
    " (0x61:0x56:1594)\n"
)
SLEPT = "[ 100.1] PM: suspend entry ({kind})\n[ 100.9] PM: suspend exit\n"


def build_log(line: str, kernel: str = "6.12.48-lab-amd64", version: str = "535.98") -> Arrange:
    head = f"DKMS (dkms-3.0.12) make.log for nvidia/{version} for kernel {kernel} (x86_64)\n"
    return all_of(
        NOT_LOADED,
        write(f"lib/modules/{kernel}/build/Makefile", "all:\n"),
        write("lib/modules/6.1.0-old/updates/dkms/nvidia.ko.xz", "stand-in"),
        write(
            f"var/lib/dkms/nvidia/{version}/build/make.log",
            f"{head}  CC [M] nv.o\n{line}\nmake: *** [Makefile:59: modules] Error 2\n",
        ),
    )


TF_UNKNOWN = framework("tensorflow", "failed call to cuInit: CUDA_ERROR_UNKNOWN: unknown error\n")

CASES = [
    Play(
        "gpu_without_address_space",
        Machine(gpus=(Gpu(0), Gpu(1, driver=None)), kernel_log=BAR.format(bar="BAR1 is 0M", bus="0000:3e:00.0")),
        status="degraded",
        gpus=["0000:3e:00.0"],
        message="BAR1 is 0M",
        note="one of two",
    ),
    Play(
        "gpu_without_address_space",
        driver_not_loaded(gpus=UNBOUND, kernel_log=BAR.format(bar="BAR3 is 0M", bus="0000:3b:00.0")),
        NOT_LOADED,
        gpus=["0000:3b:00.0"],
        message="BAR3 is 0M",
        note="the only one",
    ),
    Play(
        "gpu_without_address_space",
        driver_not_loaded(gpus=UNBOUND, kernel_log="pci 0000:3b:00.0: BAR 1: no space for [mem size 0x400000000]\n"),
        NOT_LOADED,
        gpus=["0000:3b:00.0"],
        confidence="likely",
        note="as the kernel alone says",
    ),
    Play(
        "driver_capability_missing",
        HOOK,
        asked_in_container(
            "utility",
            framework("tensorflow", "Could not find cuda drivers on your machine, GPU will not be used.\n"),
        ),
        {**BY_HOOK, "frameworks": ["tensorflow"]},
        layer="framework:tensorflow",
        message="compute is missing",
    ),
    Play(
        "driver_capability_missing",
        HOOK,
        asked_in_container("utility,graphics,video", framework("torch", NO_DRIVER)),
        {**BY_HOOK, "frameworks": ["torch"]},
        layer="framework:torch",
        message="NVIDIA_DRIVER_CAPABILITIES is utility,graphics,video",
        note="others, and torch",
    ),
    Play(
        "driver_capability_missing",
        HOOK,
        asked_in_container("display"),
        BY_HOOK,
        severity="warning",
        status="degraded",
        note="nobody asked a framework",
    ),
    Play(
        "cdi_spec_too_new",
        arrange=all_of(run_fails(UNRESOLVED, version="25.0.6"), spec("0.7.0")),
        options=IN_IMAGE,
        message="Docker 25.0.6 cannot read /var/run/cdi/nvidia.yaml, whose CDI version is 0.7.0",
    ),
    Play(
        "cdi_spec_too_new",
        arrange=all_of(run_fails(UNRESOLVED, version="27.5.1"), spec("1.0.0")),
        options=IN_IMAGE,
        confidence="likely",
        message="whose CDI version is 1.0.0",
        note="of the next",
    ),
    Play(
        "toolkit_without_cgroup_v2",
        HOOK,
        hook_fails("container error: cgroup subsystem devices not found"),
        BY_HOOK,
        layer="toolkit",
        message="too old",
    ),
    Play(
        "engine_without_gpu",
        HOOK,
        run_fails(
            'could not select device driver "" with capabilities: [[gpu]]',
            cdi=False,
            runtimes=["runc"],
            context="desktop-linux",
            info={"OperatingSystem": "Docker Desktop", "Name": "docker-desktop", "KernelVersion": "6.10.14-linuxkit"},
        ),
        IN_IMAGE,
        message="Docker Desktop's own virtual machine",
    ),
    Play(
        "engine_without_gpu",
        HOOK,
        run_fails(
            'could not select device driver "" with capabilities: [[gpu]]',
            cdi=False,
            runtimes=["runc"],
            context="colima",
            info={"OperatingSystem": "Ubuntu 24.04 LTS", "Name": "colima", "KernelVersion": "6.8.0-31-generic"},
        ),
        IN_IMAGE,
        confidence="likely",
        message="another machine (Ubuntu 24.04 LTS, kernel 6.8.0-31-generic)",
        note="another virtual machine",
    ),
    Play(
        "driver_starts_for_each_container",
        Machine(gpus=tuple(Gpu(number, persistence="Disabled") for number in range(4)), cdi=False),
        hook_fails("initialization error: driver rpc error: timed out"),
        BY_HOOK,
    ),
    Play(
        "docker_not_running",
        HOOK,
        all_of(
            lambda root: files.docker(
                root,
                [
                    Reply("context show", "rootless\n"),
                    Reply("info *", '{"ServerErrors": ["Cannot connect to the Docker daemon"]}\n', 1),
                ],
            ),
            remove("run/docker.pid"),
        ),
        severity="warning",
        confidence="possible",
        status="unknown",
        message="docker's context is rootless",
        note="of another context",
    ),
    Play(
        "container_failed",
        HOOK,
        hook_fails("device error: 2: unknown device"),
        BY_HOOK,
        confidence="possible",
        message="nvidia-container-cli: device error: 2: unknown device",
        note="with the whole reason",
    ),
    Play(
        "driver_library_other_inside",
        HOOK,
        in_container("Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 565.57\n", 18),
        BY_HOOK,
        message="loads libnvidia-ml 565.57, and the driver is 550.163.01",
    ),
    Play(
        "driver_library_other_inside",
        arrange=docker(
            Reply("exec *", inside("Failed to initialize NVML: Driver/library version mismatch\n", 18, visible="all"))
        ),
        options=IN_RUNNING,
        confidence="likely",
        message="jupyter-keras",
        note="that runs since before an upgrade",
    ),
    Play(
        "gsp_firmware_missing",
        Machine(
            gpus=t4(1),
            driver="565.57.01",
            library="565.57.01",
            cdi=False,
            kernel_log=FIRMWARE.format(version="565.57.01", name="gsp_tu10x.bin"),
        ),
        NONE_FOUND,
        gpus=[0],
        message="nvidia/565.57.01",
    ),
    Play(
        "gsp_firmware_missing",
        Machine(gpus=t4(1), cdi=False, kernel_log=FIRMWARE.format(version="550.163.01", name="gsp_ga10x.bin")),
        all_of(NONE_FOUND, write("lib/firmware/nvidia/550.163.01/gsp_ga10x.bin", "stand-in")),
        gpus=[0],
        confidence="likely",
        note="that is there now",
    ),
    Play(
        "module_not_built",
        driver_not_loaded(gpus=UNBOUND, module_file=False),
        build_log("/var/lib/dkms/nvidia/x.c: error: implicit declaration of function del_timer_sync"),
        message="nvidia 535.98 does not build for it: /var/lib/dkms/nvidia/x.c: error: implicit declaration",
        note="of a driver that is too old",
    ),
    Play(
        "module_not_built",
        driver_not_loaded(gpus=UNBOUND, module_file=False),
        build_log("nv-dma.c:12:5: error: too few arguments to function 'get_user_pages'", version="470.256.02"),
        message="nvidia 470.256.02",
        note="other words",
    ),
    Play(
        "module_not_built",
        driver_not_loaded(gpus=UNBOUND, module_file=False),
        build_log("write error: No space left on device"),
        message="No space left",
        note="a full disk",
    ),
    Play(
        "toolkit_no_cgroups",
        HOOK,
        all_of(
            in_container("Failed to initialize NVML: Unknown Error\n", 255),
            write(CONFIG, "[nvidia-container-cli]\nno-cgroups = true\n"),
        ),
        BY_HOOK,
        layer="toolkit",
        message="no-cgroups is true",
    ),
    Play(
        "toolkit_no_cgroups",
        HOOK,
        all_of(docker(cdi=False), write(CONFIG, "[nvidia-container-cli]\nno-cgroups = true # rootless\n")),
        severity="warning",
        confidence="likely",
        status="degraded",
        note="before anybody starts a container",
    ),
    Play(
        "nvidia_smi_value_unreadable",
        Machine(gpus=tuple(Gpu(number, cells=(("addressing_mode", "Unknown Error"),)) for number in range(4))),
        severity="info",
        status="ok",
        gpus=[0, 1, 2, 3],
        message="cannot read addressing_mode",
    ),
    Play(
        "nvidia_smi_value_unreadable",
        Machine(gpus=(Gpu(0, cells=(("fan_speed", "ERR!"),)), Gpu(1))),
        severity="info",
        status="ok",
        gpus=[0],
        message="cannot read fan_speed",
        note="another value",
    ),
    Play(
        "cdi_device_numbers_stale",
        arrange=all_of(
            write("etc/cdi/nvidia.yaml", texts.cdi_spec(Machine(), uvm_major=509)),
            remove("var/run/cdi/nvidia.yaml"),
            docker(Reply("run * /bin/sh *", HEALTHY_INSIDE), framework("torch", UNKNOWN)),
        ),
        options={**IN_IMAGE, "frameworks": ["torch"]},
        message="/dev/nvidia-uvm is 510:0 and not 509:0",
        note="beside a framework that fails by it",
    ),
    Play(
        "uvm_lost_by_sleep",
        Machine(kernel_log=SLEPT.format(kind="deep")),
        docker(Reply("run * /bin/sh *", HEALTHY_INSIDE), framework("torch", UNKNOWN)),
        {**IN_IMAGE, "frameworks": ["torch"]},
        layer="framework:torch",
        confidence="likely",
    ),
    Play(
        "uvm_lost_by_sleep",
        Machine(kernel_log="PM: hibernation: hibernation exit\n"),
        docker(Reply("run * /bin/sh *", HEALTHY_INSIDE), TF_UNKNOWN),
        {**IN_IMAGE, "frameworks": ["tensorflow"]},
        layer="framework:tensorflow",
        confidence="likely",
        note="that was hibernation",
    ),
    Play(
        "framework_needs_newer_driver",
        Machine(cuda="12.8"),
        docker(
            Reply("run * /bin/sh *", HEALTHY_INSIDE),
            framework("torch", "RuntimeError: The NVIDIA driver on your system is too old (found version 12080).\n"),
        ),
        {**IN_IMAGE, "frameworks": ["torch"]},
        layer="framework:torch",
        message="the driver's 12.8",
    ),
    Play(
        "framework_needs_newer_driver",
        Machine(cuda="12.4"),
        docker(
            Reply("run * /bin/sh *", HEALTHY_INSIDE),
            Reply(
                "*gpulab-framework:*",
                "",
                1,
                "InternalError: CUDA driver version is insufficient for CUDA runtime version\n",
            ),
        ),
        {**IN_IMAGE, "frameworks": ["tensorflow"]},
        layer="framework:tensorflow",
        message="the driver's 12.4",
        note="as TensorFlow says it",
    ),
    Play(
        "wsl_without_adapter",
        WSL,
        on_windows(Reply("*", "No devices were found\n", 6)),
        confidence="possible",
        note="where Windows has a driver",
    ),
    Play(
        "engine_without_gpu",
        dataclasses.replace(WSL, toolkit="1.18.0"),
        all_of(
            on_windows(Reply("-L", texts.smi_list(t4(1))), Reply("-q -x", texts.smi_xml(Machine(), t4(1), 13))),
            run_fails(
                'could not select device driver "" with capabilities: [[gpu]]',
                cdi=False,
                info={"OperatingSystem": "Rancher Desktop WSL Distribution", "KernelVersion": WSL.kernel},
            ),
            remove("run/docker.pid"),
            write("run/docker.sock", ""),
            write("etc/os-release", 'PRETTY_NAME="Ubuntu 24.04.2 LTS"\n'),
        ),
        IN_IMAGE,
        confidence="likely",
        message="Rancher Desktop WSL Distribution",
        note="of another distribution",
    ),
    Play(
        "module_not_built",
        driver_not_loaded(gpus=UNBOUND, module_file=False, kernel="6.15.3-200.fc42.x86_64"),
        all_of(
            NOT_LOADED,
            write("lib/modules/6.15.3-200.fc42.x86_64/build/Makefile", "all:\n"),
            write(
                "var/cache/akmods/nvidia/570.153.02-1-for-6.15.3-200.fc42.x86_64.failed.log",
                "/bin/sh: 1: gcc-14: not found\n",
            ),
        ),
        message="gcc-14: not found",
        note="by akmods, for want of a compiler",
    ),
    Play(
        "gpu_busy",
        Machine(gpus=tuple(Gpu(number, cells=(("compute_mode", "Exclusive_Process"),)) for number in range(4))),
        docker(
            Reply("run * /bin/sh *", HEALTHY_INSIDE),
            framework("torch", "RuntimeError: CUDA error: CUDA-capable device(s) is/are busy or unavailable\n"),
        ),
        {**IN_IMAGE, "frameworks": ["torch"]},
        layer="framework:torch",
        message="compute mode Exclusive_Process",
    ),
    Play(
        "wsl_gpu_kept_by_windows",
        WSL,
        on_windows(Reply("*", BLOCKED, 17)),
        confidence="likely",
        message="Windows has the GPU",
    ),
]

# Further rows, each from a thread or a document that the catalogue names.
FOUND = [
    Play(
        "hook_refuses_mode",
        HOOK,
        all_of(
            run_fails(
                HOOK_FAILED.replace("nvidia-container-cli: ", "Using requested mode 'cdi'\n")
                + "invoking the NVIDIA Container Runtime Hook directly (e.g. specifying the docker --gpus flag) is not"
                " supported. Please use the NVIDIA Container Runtime (e.g. specify the --runtime=nvidia flag)"
                " instead.: unknown",
                cdi=False,
            ),
            write(CONFIG, '[nvidia-container-runtime]\nmode = "cdi"\n'),
        ),
        BY_HOOK,
        message="mode cdi",
    ),
    Play(
        "toolkit_ldconfig_missing",
        HOOK,
        hook_fails("ldcache error: open failed: /sbin/ldconfig.real: no such file or directory"),
        BY_HOOK,
        message="/sbin/ldconfig.real",
    ),
    Play(
        "toolkit_ldconfig_fails",
        HOOK,
        hook_fails("ldcache error: process /usr/sbin/ldconfig failed with error code: 1"),
        BY_HOOK,
        confidence="likely",
        message="/usr/sbin/ldconfig of the host failed with error code: 1",
    ),
    Play(
        "cdi_device_unknown",
        arrange=all_of(
            run_fails(UNRESOLVED),
            write("var/run/cdi/nvidia.yaml", texts.cdi_spec(Machine()).replace("name: all", "name: every")),
        ),
        options=IN_IMAGE,
        message="no specification names nvidia.com/gpu=all",
    ),
    Play(
        "cdi_spec_not_loaded",
        arrange=run_fails(UNRESOLVED),
        options=IN_IMAGE,
        confidence="likely",
        message="Docker does not take /var/run/cdi/nvidia.yaml",
    ),
    Play(
        "cdi_spec_not_loaded",
        arrange=all_of(run_fails(UNRESOLVED), write("var/run/cdi/other.yaml", texts.cdi_spec(Machine()))),
        options=IN_IMAGE,
        note="two that name the same",
    ),
    Play(
        "cdi_spec_elsewhere",
        Machine(cdi=False),
        all_of(
            run_fails(UNRESOLVED, info={"CDISpecDirs": ["/etc/cdi"]}, cdi=None),
            write("run/cdi/nvidia.yaml", texts.cdi_spec(Machine())),
        ),
        {"image": "keras:gpu", "method": "cdi"},
        message="/run/cdi/nvidia.yaml is where this engine does not look (/etc/cdi)",
    ),
    Play(
        "driver_capabilities_refused",
        HOOK,
        run_fails(
            HOOK_FAILED.replace("nvidia-container-cli: ", "Auto-detected mode as 'legacy'\n")
            + "unsupported capabilities found in 'compute,utility,all' (allowed 'compute,utility'): unknown",
            cdi=False,
        ),
        BY_HOOK,
        message="compute,utility,all is refused",
    ),
    Play(
        "toolkit_refuses_variable",
        HOOK,
        run_fails(
            HOOK_FAILED.replace("nvidia-container-cli: ", "")
            + "insufficient privileges to read device list from NVIDIA_VISIBLE_DEVICES envvar: unknown",
            cdi=False,
        ),
        BY_HOOK,
    ),
    Play(
        "nested_container_cgroups",
        HOOK,
        all_of(
            write("run/systemd/container", "lxc"),
            hook_fails(
                "mount error: write error: /sys/fs/cgroup/devices/docker/7f73/devices.allow: operation not permitted"
            ),
        ),
        BY_HOOK,
        message="this machine is a container",
    ),
    Play(
        "runtime_program_missing",
        HOOK,
        run_fails(
            "OCI runtime create failed: unable to retrieve OCI runtime error (open log.json: no such file or"
            " directory):"
            ' exec: "nvidia-container-runtime": executable file not found in $PATH: unknown',
            cdi=False,
        ),
        {"image": "keras:gpu", "method": "runtime"},
        message="nvidia-container-runtime",
    ),
    Play(
        "toolkit_node_missing",
        HOOK,
        hook_fails("mount error: stat failed: /dev/nvidia-modeset: no such file or directory"),
        BY_HOOK,
        message="/dev/nvidia-modeset",
    ),
    Play(
        "toolkit_finds_no_driver",
        HOOK,
        hook_fails("initialization error: nvml error: driver not loaded"),
        BY_HOOK,
        confidence="likely",
        message="driver not loaded",
    ),
    Play(
        "engine_is_podman",
        HOOK,
        lambda root: files.docker(
            root,
            [
                Reply("info *", json.dumps({"host": {"cgroupVersion": "v2"}, "version": {"Version": "4.9.3"}}) + "\n"),
                Reply("image inspect *", "[]\n"),
                Reply("run *", inside("/bin/sh: 2: nvidia-smi: not found", 127, visible="unset")),
            ],
        ),
        BY_HOOK,
        message="Podman",
    ),
    Play(
        "gpu_stuck_asleep",
        Machine(
            gpus=t4(1),
            cdi=False,
            kernel_log="[939156.0] pci 0000:3b:00.0: Unable to change power state from D3cold to D0, device"
            " inaccessible\n",
        ),
        NONE_FOUND,
        gpus=[0],
        message="does not wake from D3cold",
    ),
    Play(
        "gsp_does_not_start",
        Machine(
            gpus=t4(1),
            cdi=False,
            kernel_log="NVRM: GPU0 _kgspBootGspRm: unexpected WPR2 already up, cannot proceed with booting GSP\n"
            "NVRM: GPU0 RmInitAdapter: Cannot initialize GSP firmware RM\n"
            "NVRM: GPU 0000:3b:00.0: RmInitAdapter failed! (0x62:0x40:2168)\n",
        ),
        NONE_FOUND,
        gpus=[0],
        confidence="likely",
        message="state of an earlier start",
    ),
    Play(
        "module_blacklisted",
        driver_not_loaded(gpus=UNBOUND),
        all_of(NOT_LOADED, write("lib/modprobe.d/blacklist-nvidia.conf", "# prime-select\nalias nvidia off\n")),
        message="/lib/modprobe.d/blacklist-nvidia.conf: alias nvidia off",
    ),
    Play(
        "module_of_another_kernel",
        driver_not_loaded(
            gpus=UNBOUND,
            kernel_log="nvidia: version magic '5.4.18-100.fc30.x86_64 SMP mod_unload ' should be"
            " '5.4.18-200.fc31.x86_64 SMP'\n",
        ),
        NOT_LOADED,
        message="5.4.18-100.fc30.x86_64",
    ),
    Play(
        "module_symbols_missing",
        driver_not_loaded(gpus=UNBOUND, kernel_log="nvidia: Unknown symbol ipmi_create_user (err -2)\n"),
        NOT_LOADED,
        message="ipmi_create_user",
    ),
    Play(
        "module_older_than_library",
        Machine(library="550.163.02", cdi=False),
        all_of(
            smi(texts.MISMATCH.format(library="550.163"), 18),
            lambda root: programs.replayer(root / "usr/sbin/modinfo", [Reply("-F version *", "550.163.01\n")]),
        ),
        message="on the disk is 550.163.01 and the library 550.163.02",
    ),
    Play(
        "gpu_memory_worn",
        Machine(
            gpus=(
                Gpu(
                    0,
                    cells=(("remapped_rows", ""),),
                ),
            )
        ),
        smi_plays(
            Reply("-L", texts.smi_list(t4(1))),
            Reply(
                "*",
                texts.smi_xml(Machine(), t4(1)).replace(
                    "<temperature>",
                    "<remapped_rows><remapped_row_pending>No</remapped_row_pending>"
                    "<remapped_row_failure>Yes</remapped_row_failure></remapped_rows><temperature>",
                ),
            ),
        ),
        gpus=[0],
        status="degraded",
        message="cannot replace bad rows",
    ),
    Play(
        "wsl_linux_driver_inside",
        WSL,
        all_of(
            on_windows(Reply("*", "Failed to initialize NVML: N/A\nFailed to properly shut down NVML: N/A\n", 255)),
            write("usr/lib/x86_64-linux-gnu/libcuda.so.535.183.01", "stand-in"),
        ),
        confidence="likely",
        message="libcuda.so.535.183.01",
    ),
    Play(
        "framework_library_too_old",
        arrange=docker(
            Reply("run * /bin/sh *", HEALTHY_INSIDE),
            framework(
                "jax",
                "CUDA backend failed to initialize: Found cuDNN version 8600, but JAX was built against version"
                " 8906, which is"
                " newer.\n",
                version="0.4.25",
            ),
        ),
        options={**IN_IMAGE, "frameworks": ["jax"]},
        layer="framework:jax",
        message="finds cuDNN 8600 and was built with 8906",
    ),
    Play(
        "gpus_hidden_by_variable",
        arrange=docker(
            Reply("run * /bin/sh *", HEALTHY_INSIDE),
            framework("torch", "", environment={"CUDA_VISIBLE_DEVICES": "7"}),
        ),
        options={**IN_IMAGE, "frameworks": ["torch"]},
        layer="framework:torch",
        message='CUDA_VISIBLE_DEVICES="7" leaves torch 0 of 4 GPUs',
    ),
    Play(
        "jax_told_other_platform",
        arrange=python(framework("jax", "", version="0.7", environment={"JAX_PLATFORMS": "cpu"})),
        options={"frameworks": ["jax"]},
        layer="framework:jax",
        message="JAX_PLATFORMS=cpu",
    ),
]

# Of the same kinds, played after the rows were written: what was named wrongly then, or is honestly unknown.
LATER = [
    Play(
        "cdi_spec_not_made_by_runtime",
        HOOK,
        run_fails(
            "failed to create task for container: failed to create shim task: OCI runtime create failed: could not"
            " apply required modification to OCI specification: error modifying OCI spec: failed to inject CDI devices:"
            " unresolvable CDI devices runtime.nvidia.com/gpu=all: unknown",
            cdi=False,
        ),
        {"image": "keras:gpu", "method": "runtime"},
        confidence="likely",
    ),
    Play(
        "cdi_spec_not_made_by_runtime",
        arrange=run_fails(f"{UNRESOLVED.replace('nvidia.com', 'runtime.nvidia.com')}: unknown"),
        options={"image": "keras:gpu", "method": "runtime"},
        confidence="likely",
        note="with one in a file that names all",
    ),
    Play(
        "cdi_device_unknown",
        arrange=run_fails(UNRESOLVED.replace("nvidia.com", "management.nvidia.com")),
        options=IN_IMAGE,
        message="no specification names management.nvidia.com/gpu=all",
        note="of another kind",
    ),
    Play(
        "docker_is_snap",
        HOOK,
        hook_fails(
            "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared"
            " object file: no such file or directory",
            root="/var/snap/docker/common/var-lib-docker",
        ),
        BY_HOOK,
        note="whose toolkit finds no library of the driver",
    ),
    Play(
        "cuda_requirement_unsatisfied",
        HOOK,
        hook_fails(
            "requirement error: unsatisfied condition: cuda>=12.8, please update your driver",
            root="/var/snap/docker/common/var-lib-docker",
        ),
        BY_HOOK,
        note="in a snap",
    ),
    Play(
        "runtime_program_missing",
        HOOK,
        hook_fails('exec: "nvidia-container-cli": executable file not found in $PATH'),
        BY_HOOK,
        message="cannot run nvidia-container-cli: it is not there",
        note="the hook's own",
    ),
    Play(
        "runtime_program_missing",
        HOOK,
        run_fails(
            "OCI runtime create failed: unable to retrieve OCI runtime error (open /run/containerd/x/log.json: no such"
            " file or directory): fork/exec /usr/bin/nvidia-container-runtime: permission denied: unknown",
            cdi=False,
        ),
        {"image": "keras:gpu", "method": "runtime"},
        confidence="likely",
        message="nvidia-container-runtime: permission denied",
        note="that may not be run",
    ),
    Play(
        "toolkit_finds_no_driver",
        HOOK,
        hook_fails("initialization error: nvml error: driver/library version mismatch"),
        BY_HOOK,
        confidence="likely",
        message="driver/library version mismatch",
        note="whose library is another",
    ),
    Play(
        "toolkit_finds_no_driver",
        dataclasses.replace(WSL, toolkit="1.18.0"),
        all_of(
            on_windows(Reply("-L", texts.smi_list(t4(1))), Reply("-q -x", texts.smi_xml(Machine(), t4(1), 13))),
            hook_fails(
                "initialization error: WSL environment detected but no adapters were found",
                info={"OperatingSystem": "Docker Desktop", "KernelVersion": WSL.kernel},
            ),
        ),
        BY_HOOK,
        confidence="likely",
        message="no adapters were found",
        note="in Docker Desktop's distribution",
    ),
    Play(
        "nvml_error",
        WSL,
        on_windows(Reply("*", "| NVIDIA-SMI 555.42.03    Driver Version: 555.85 |\n", 139)),
        confidence="possible",
        message="exits 139",
        note="a crash in WSL, which is none of Windows' modes",
    ),
    Play(
        "gpu_unsupported_by_driver",
        Machine(
            gpus=(Gpu(0, device_id=0x26B9, driver=None),),
            cdi=False,
            kernel_log="NVRM: The NVIDIA GPU 0000:3b:00.0 (PCI ID: 10de:26b9)\nNVRM: installed in this system is not"
            " supported by the\nNVRM: NVIDIA 570.86.15 driver release.\n",
        ),
        all_of(NONE_FOUND, write("proc/cpuinfo", "flags\t\t: fpu hypervisor lahf\n")),
        confidence="likely",
        gpus=["0000:3b:00.0"],
        note="in a virtual machine, as of a vGPU",
    ),
    Play(
        "fabric_not_ready",
        Machine(gpus=(Gpu(0, name="NVIDIA H100", device_id=0x2331),), flavor="open"),
        python(framework("torch", "RuntimeError: Error 802: system not yet initialized\n")),
        {"frameworks": ["torch"]},
        confidence="possible",
        status="degraded",
        message="no NVSwitch is seen here",
        note="where there is no fabric",
    ),
    Play(
        "fabric_not_ready",
        Machine(nvswitches=4, driver="530.41.03", library="530.41.03"),
        service_failed(
            "nvidia-fabricmanager.service",
            "fabric manager NVIDIA GPU driver interface version 530.30.02 don't match with driver version 530.41.03.\n",
        ),
        status="degraded",
        message="nvidia-fabricmanager is 530.30.02 and the driver 530.41.03",
        note="by its own words",
    ),
    Play(
        "container_gpus_missing",
        Machine(gpus=(Gpu(0, mig=(Slice("3g.40gb", 40192, 1), Slice("3g.40gb", 40192, 2))),), cdi=False),
        docker(Reply("run * /bin/sh *", inside(texts.smi_list(t4(1)), 0, NODES[:1], visible="all")), cdi=False),
        BY_HOOK,
        status="degraded",
        gpus=[0],
        message="sees 0 of 2 MIG devices",
        note="of MIG",
    ),
    Play(
        "framework_without_kernels",
        arrange=docker(
            Reply("run * /bin/sh *", HEALTHY_INSIDE),
            framework(
                "torch",
                "UserWarning:\nNVIDIA GeForce GTX 1080 with CUDA capability sm_61 is not compatible with the current"
                " PyTorch installation.\nThe current PyTorch install supports CUDA capabilities sm_75 sm_80 sm_120.\n",
                version="2.8.0",
            ),
        ),
        options={**IN_IMAGE, "frameworks": ["torch"]},
        layer="framework:torch",
        cause="The GPU is older",
        note="that were given up",
    ),
    Play(
        "framework_without_kernels",
        arrange=docker(
            Reply("run * /bin/sh *", HEALTHY_INSIDE),
            framework(
                "tensorflow",
                "Ignoring visible gpu device (device: 0, name: Quadro K4000, pci bus id: 0000:03:00.0, compute"
                " capability: 3.0) with Cuda compute capability 3.0. The minimum required Cuda capability is 3.5.\n",
            ),
        ),
        options={**IN_IMAGE, "frameworks": ["tensorflow"]},
        layer="framework:tensorflow",
        cause="The GPU is older",
        note="that TensorFlow leaves out",
    ),
    Play(
        "cuda_compatibility",
        Machine(driver="455.32.0", library="455.32.0", cuda="11.1"),
        docker(
            Reply("run * /bin/sh *", HEALTHY_INSIDE),
            framework(
                "tensorflow",
                "failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\nkernel version"
                " 455.32.0 does not match DSO version 460.73.1 -- cannot find working devices in this configuration\n",
            ),
        ),
        {**IN_IMAGE, "frameworks": ["tensorflow"]},
        layer="framework:tensorflow",
        message="its libcuda is 460.73.1, and the driver 455.32.0",
        note="a libcuda of another version",
    ),
    Play(
        "selinux_denies_devices",
        HOOK,
        all_of(
            in_container("Failed to initialize NVML: Insufficient Permissions\n", 4),
            write("sys/fs/selinux/enforce", "1"),
        ),
        BY_HOOK,
        confidence="possible",
        note="by an engine that does not confine by it",
    ),
    Play(
        "device_nodes_not_readable",
        HOOK,
        all_of(
            in_container("Failed to initialize NVML: Insufficient Permissions\n", 4),
            *(write(node.lstrip("/"), f"c 195:{number} 660\n") for number, node in enumerate(NODES)),
        ),
        BY_HOOK,
        confidence="likely",
        status="degraded",
        note="by a container, without SELinux",
    ),
    Play(
        "gsp_firmware_missing",
        Machine(
            gpus=t4(1),
            cdi=False,
            kernel_log="nvidia 0000:3b:00.0: firmware: failed to load nvidia/550.163.01/gsp_tu10x.bin (-2)\n"
            "firmware_class: See https://wiki.debian.org/Firmware for information about missing firmware\n",
        ),
        NONE_FOUND,
        gpus=[0],
        message="nvidia/550.163.01",
        note="as Debian's kernels say it",
    ),
    Play(
        "module_not_built",
        driver_not_loaded(gpus=UNBOUND, module_file=False),
        build_log(
            "warning: the compiler differs from the one used to build the kernel\n"
            "nvidia-drm-drv.c:240:18: error: 'const struct drm_mode_config_funcs' has no member named"
            " 'output_poll_changed'"
        ),
        cause="the source of this driver does not fit the kernel",
        message="has no member named",
        note="beside a warning of its compiler",
    ),
    Play(
        "cuda_requirement_unsatisfied",
        HOOK,
        hook_fails("requirement error: unsatisfied condition: arch>=7.5, please use a newer GPU"),
        BY_HOOK,
        message="wants arch>=7.5, and this host is another",
        note="of the GPU",
    ),
    Play(
        "container_failed",
        HOOK,
        hook_fails(
            "mount error: failed to add device rules: unable to generate new device filter program with no existing"
            " programs: unable to create new device filters program: load program: permission denied: 0: R1=ctx"
        ),
        BY_HOOK,
        confidence="possible",
        message="load program: permission denied",
        note="by a kernel that refuses the filter, which is not known here",
    ),
    Play(
        "container_failed",
        HOOK,
        run_fails(
            "failed to create task for container: runc create failed: unable to start container process: error during"
            " container init: unable to apply apparmor profile: apparmor failed to apply profile: write"
            " /proc/self/attr/apparmor/exec: no such file or directory: unknown",
            cdi=False,
        ),
        BY_HOOK,
        confidence="possible",
        message="unable to apply apparmor profile",
        note="by AppArmor",
    ),
    Play(
        "driver_not_communicating",
        driver_not_loaded(gpus=UNBOUND),
        all_of(
            NOT_LOADED,
            write(
                "etc/modprobe.d/nvidia.conf",
                "install nvidia modprobe -i nvidia-current $CMDLINE_OPTS\nblacklist nvidiafb\n",
            ),
        ),
        note="with Debian's own line for modprobe",
    ),
    Play(
        "cdi_spec_not_loaded",
        arrange=run_fails(UNRESOLVED, options=["name=rootless"], root="/home/ada/.local/share/docker"),
        options=IN_IMAGE,
        confidence="likely",
        cause="as they were when it started",
        note="by a rootless engine",
    ),
    Play(
        "module_not_built",
        driver_not_loaded(gpus=UNBOUND, module_file=False),
        build_log("ERROR: Kernel configuration is invalid\ninclude/config/auto.conf are missing."),
        cause="not complete",
        note="with headers that were not prepared",
    ),
    Play(
        "module_not_built",
        driver_not_loaded(gpus=UNBOUND, module_file=False),
        build_log("error: Cannot generate ORC metadata for CONFIG_UNWINDER_ORC=y, please install libelf-dev"),
        message="please install libelf-dev",
        cause="beside the compiler",
        note="for want of a library",
    ),
    Play(
        "module_not_built",
        driver_not_loaded(gpus=UNBOUND, module_file=False),
        build_log("objcopy: nvidia-modeset.ko: file format not recognized\nFailed to encode BTF"),
        confidence="likely",
        cause="no reason that is known here",
        note="as nobody knows",
    ),
    Play(
        "docker_not_running",
        HOOK,
        lambda root: files.docker(
            root,
            [Reply("info *", "", 1, "permission denied while trying to connect to the Docker daemon socket\n")],
        ),
        severity="warning",
        confidence="possible",
        status="unknown",
        cause="this user may not talk to it",
        note="for this user",
    ),
    Play(
        "other_driver_bound",
        driver_not_loaded(gpus=(Gpu(0, driver="nouveau"),), secure_boot=True),
        all_of(
            NOT_LOADED, lambda root: programs.replayer(root / "usr/sbin/modinfo", [Reply("-F signer *", "lab DKMS\n")])
        ),
        gpus=["0000:3b:00.0"],
        note="where Secure Boot has refused nothing",
    ),
    Play(
        "framework_without_cuda",
        arrange=docker(
            Reply("run * /bin/sh *", HEALTHY_INSIDE),
            framework(
                "jax",
                "RuntimeError: Unable to load cuSPARSE. Is it installed?\nAn NVIDIA GPU may be present on this machine,"
                " but a CUDA-enabled jaxlib is not installed. Falling back to cpu.\n",
                version="0.7.1",
            ),
        ),
        options={**IN_IMAGE, "frameworks": ["jax"]},
        layer="framework:jax",
        cause="LD_LIBRARY_PATH",
        note="whose own libraries are not found",
    ),
    Play(
        "container_failed",
        HOOK,
        in_container("Failed to initialize NVML: Unknown Error\n", 255),
        BY_HOOK,
        confidence="possible",
        message="(exit 255): Failed to initialize NVML: Unknown Error",
        note="new, and without no-cgroups",
    ),
    Play(
        "container_failed",
        HOOK,
        in_container("Failed to initialize NVML: Driver Not Loaded\n", 9),
        BY_HOOK,
        confidence="possible",
        message="(exit 9): Failed to initialize NVML: Driver Not Loaded",
        note="as nobody has reported",
    ),
    Play(
        "cdi_device_unknown",
        arrange=run_fails(UNRESOLVED.replace("=all", "=0, nvidia.com/gpu=0:1: unknown")),
        options=IN_IMAGE,
        message="no specification names nvidia.com/gpu=0:1",
        note="of MIG",
    ),
]
