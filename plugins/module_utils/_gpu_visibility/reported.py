# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of the catalogue that come from public reports, with the first guess of those who reported them."""

from __future__ import annotations

from .detect import engine, kernel, program
from .entry import Entry, Remedy

_HUB = "https://github.com/"
_TOOLKIT = _HUB + "NVIDIA/nvidia-container-toolkit/issues/"
_OPEN = _HUB + "NVIDIA/open-gpu-kernel-modules/issues/"
_NVIDIA_DOCKER = _HUB + "NVIDIA/nvidia-docker/issues/"
_CDI_DOCS = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/cdi-support.html"
_REFRESH = ("systemctl enable --now nvidia-cdi-refresh.path nvidia-cdi-refresh.service", "nvidia-ctk cdi list")
_NOT_LOADED = ("the loaded driver", "a GPU in nvidia-smi")

REPORTED: tuple[Entry, ...] = (
    # Below nvidia-smi
    Entry(
        id="gpu_without_address_space",
        rows=(),
        layer="kernel_driver",
        severity="error",
        detect=kernel.without_address_space,
        signal="kernel log `This PCI I/O region assigned to your NVIDIA device is invalid`, `BAR1 is 0M @ 0x0`; `BAR 1:"
        " no space for`",
        message="the firmware or the hypervisor gave a GPU no addresses for its memory: {said}",
        cause="The card's memory needs a window of 64-bit addresses, which the firmware or the virtual machine did not"
        " assign.",
        remedy=Remedy(
            "Switch Above 4G Decoding (and Resizable BAR) on in the firmware, or give the virtual machine a 64-bit MMIO"
            " window; else boot with pci=realloc.",
            ("journalctl --dmesg --boot --grep 'BAR|NVRM'", "lspci -vv -d 10de:"),
            requires_reboot=True,
            docs_url=_HUB + "NVIDIA/gpu-operator/issues/492",
        ),
        source="NVIDIA/gpu-operator#492, system76/firmware-open#66, ublue-os/bazzite#2612",
        needs=("a GPU on the PCI bus", "the kernel's log"),
        first_guess="A driver that is not installed rightly; no driver can use a card without addresses.",
    ),
    Entry(
        id="gsp_firmware_missing",
        rows=(),
        layer="kernel_driver",
        severity="error",
        detect=kernel.firmware_missing,
        signal="kernel log `Direct firmware load for nvidia/... failed`, `RmFetchGspRmImages: No firmware image found`;"
        " /lib/firmware/nvidia",
        message="the driver does not find its firmware nvidia/{version} ({name})",
        cause="/lib/firmware/nvidia/{version} is not there: the firmware is in a package of its own, or of another"
        " version.",
        remedy=Remedy(
            "Install the firmware of the driver's version, rebuild the initramfs and reboot.",
            (
                "apt-get install firmware-nvidia-gsp || apt-get install nvidia-firmware-{version}",
                "update-initramfs -u",
                "reboot",
            ),
            requires_reboot=True,
            docs_url=_OPEN + "639",
        ),
        source="NixOS/nixpkgs#454772, NVIDIA/open-gpu-kernel-modules#639",
        needs=("the kernel's log", "a firmware that was not loaded", "not firmware of this driver"),
        first_guess="A broken card: the words after it are RmInitAdapter failed.",
    ),
    Entry(
        id="gsp_does_not_start",
        rows=(),
        layer="kernel_driver",
        severity="error",
        detect=kernel.gsp_does_not_start,
        signal="kernel log `Cannot initialize GSP firmware RM`, `unexpected WPR2 already up`",
        message="the GPU's own processor (GSP) does not start: {what}",
        cause="The firmware is there, and does not come up: a GPU that was not reset since it was used last (by a"
        " guest, a crash, another kernel), its VBIOS, or the power.",
        remedy=Remedy(
            "Switch the machine off and on, which resets the GPU as a reboot does not; then upgrade its VBIOS and the"
            " driver. Up to Ada, the proprietary modules work without it.",
            ("poweroff", "echo 'options nvidia NVreg_EnableGpuFirmware=0' > /etc/modprobe.d/nvidia-gsp.conf"),
            requires_reboot=True,
            docs_url=_OPEN + "1104",
        ),
        source="NVIDIA/open-gpu-kernel-modules#1104, #1230, #543",
        needs=("the kernel's log",),
        excludes=("a GPU in nvidia-smi",),
        confidence="likely",
        first_guess="nouveau, Secure Boot and ASPM were switched off one after the other, and nothing changed.",
    ),
    Entry(
        id="gpu_stuck_asleep",
        rows=(),
        layer="kernel_driver",
        severity="error",
        detect=kernel.stuck_asleep,
        signal="kernel log `Unable to change power state from D3cold to D0, device inaccessible`",
        message="{buses} does not wake from {state}",
        cause="Its power was switched off by runtime power management, bbswitch or a guest, and does not come back:"
        " the driver finds a GPU that answers nothing.",
        remedy=Remedy(
            "Switch the machine off and on, not only reboot it. Then keep it awake: no bbswitch,"
            " NVreg_DynamicPowerManagement=0x00, and"
            " d3cold_allowed 0.",
            ("cat /sys/bus/pci/devices/*/power_state", "poweroff"),
            requires_reboot=True,
            docs_url=_HUB + "Bumblebee-Project/bbswitch/issues/226",
        ),
        source="Bumblebee-Project/bbswitch#226, system76/firmware-open#160",
        needs=("a GPU on the PCI bus", "the kernel's log"),
        first_guess="The modules were not loaded; they were, into a GPU without power.",
    ),
    Entry(
        id="module_blacklisted",
        rows=(),
        layer="kernel_driver",
        severity="error",
        detect=kernel.kept_from_loading,
        signal="`blacklist nvidia`, `alias nvidia off` or `install nvidia /bin/false` in modprobe.d;"
        " module_blacklist=nvidia on the kernel's command line",
        message="the module nvidia is kept from loading ({where})",
        cause="prime-select intel, bumblebee, envycontrol or somebody switched the GPU off on purpose.",
        remedy=Remedy(
            "Take it out with the tool that wrote it, rebuild the initramfs, and load the module.",
            ("prime-select nvidia", "grep -rn nvidia /etc/modprobe.d /lib/modprobe.d", "update-initramfs -u"),
            docs_url=_HUB + "canonical/nvidia-prime/issues/20",
        ),
        source="canonical/nvidia-prime#20, openSUSE/SUSEPrime#79",
        needs=("a GPU on the PCI bus",),
        excludes=_NOT_LOADED,
        first_guess="A driver that was installed wrongly; it was installed again and again under the same blacklist.",
    ),
    Entry(
        id="module_of_another_kernel",
        rows=(),
        layer="kernel_driver",
        severity="error",
        detect=kernel.of_another_kernel,
        signal="kernel log `nvidia: version magic '...' should be '...'`, `disagrees about version of symbol`",
        message="nvidia.ko was built for another kernel: {said}",
        cause="A module of another build lies where this kernel looks, often left by a second packager (dkms and akmod,"
        " weak-updates, a runfile).",
        remedy=Remedy(
            "Remove what the other packager left, and build the module for this kernel.",
            ("modinfo -F vermagic nvidia", "dkms autoinstall --force", "depmod -a"),
            docs_url=_HUB + "negativo17/nvidia-driver/issues/97",
        ),
        source="negativo17/nvidia-driver#97",
        needs=("a GPU on the PCI bus", "the kernel's log", "a module for this kernel"),
        excludes=_NOT_LOADED,
        first_guess="A package of the driver that is broken; it was a stale copy in weak-updates that dkms had put"
        " there.",
    ),
    Entry(
        id="module_symbols_missing",
        rows=(),
        layer="kernel_driver",
        severity="error",
        detect=kernel.symbols_missing,
        signal="kernel log `nvidia: Unknown symbol`",
        message="the kernel lacks what the module nvidia needs ({names})",
        cause="Another module that it depends on is not loaded or not there (ipmi, drm, i2c, video), as in cut-down"
        " kernels of clouds and appliances, or where insmod was used.",
        remedy=Remedy(
            "Install the kernel's extra modules, and load it with modprobe, which loads the others first.",
            ("apt-get install linux-modules-extra-$(uname -r)", "depmod -a", "modprobe nvidia"),
            docs_url=_HUB + "src-d/coreos-nvidia/issues/3",
        ),
        source="src-d/coreos-nvidia#3, shelmangroup/coreos-gpu-installer#2",
        needs=("a GPU on the PCI bus", "the kernel's log"),
        excludes=_NOT_LOADED,
        first_guess="The installer's own list (nouveau, another gcc); modprobe ipmi_devintf was all that it needed.",
    ),
    Entry(
        id="module_older_than_library",
        rows=(),
        layer="kernel_driver",
        severity="error",
        detect=kernel.older_than_library,
        signal="`modinfo -F version nvidia` is not the version of libnvidia-ml, and neither is the loaded module",
        message="nvidia.ko on the disk is {module} and the library {library}: a reboot alone does not mend it",
        cause="The packages were upgraded, and the module for kernel {kernel} was not built again, or an older copy"
        " goes"
        " before it.",
        remedy=Remedy(
            "Build the module of the library's version for this kernel and rebuild the initramfs; then reboot.",
            ("dkms status", "dkms autoinstall --force", "update-initramfs -u", "reboot"),
            requires_reboot=True,
            docs_url=_HUB + "Frogging-Family/nvidia-all/issues/394",
        ),
        source="Frogging-Family/nvidia-all#394, openSUSE/nvidia-driver-G06#25",
        needs=("the loaded driver", "a failure of nvidia-smi"),
        excludes=("a GPU in nvidia-smi",),
        first_guess="A reboot that was forgotten; the old module came back with every boot.",
    ),
    Entry(
        id="gpu_memory_worn",
        rows=(),
        layer="nvml",
        severity="warning",
        detect=kernel.memory_worn,
        signal="remapped_row_failure or remapped_row_pending is Yes in `nvidia-smi -q -x`",
        message="a GPU {what}",
        cause="Its spare rows are used up: it goes on to compute, and what it computes may be wrong.",
        remedy=Remedy(
            "Take the GPU out of use, run NVIDIA's field diagnostic, and have it replaced.",
            ("nvidia-smi -q -d ROW_REMAPPER,ECC",),
            docs_url="https://docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt/index.html",
        ),
        source="leptonai/gpud#80, aws/eks-node-monitoring-agent#245, NVIDIA's GPU memory error management",
        needs=("an answer of nvidia-smi",),
        first_guess="Jobs that are broken: nvidia-smi lists the GPU as healthy, and each failure was looked for in a"
        " program.",
    ),
    Entry(
        id="nvidia_smi_value_unreadable",
        rows=(),
        layer="nvml",
        severity="info",
        detect=kernel.value_unreadable,
        signal="`Unknown Error` or `ERR!` in place of single values, while the others are read",
        message="nvidia-smi cannot read {cells}",
        cause="The driver cannot read this value of a GPU whose other values it reads.",
        remedy=Remedy(
            "Nothing, as long as CUDA works. After CUDA error 999, load nvidia_uvm again.",
            ("nvidia-smi -q", "modprobe -r nvidia_uvm && modprobe nvidia_uvm"),
            docs_url=_HUB + "enkore/i3pystatus/issues/850",
        ),
        source="leptonai/gpud (capture of eight RTX 4090), enkore/i3pystatus#850",
        needs=("an answer of nvidia-smi",),
        first_guess="A GPU that fails; it had 22 GiB in use and computed.",
    ),
    Entry(
        id="wsl_gpu_kept_by_windows",
        rows=(),
        layer="kernel_driver",
        severity="error",
        detect=kernel.wsl_kept_by_windows,
        signal="in WSL, nvidia-smi exits 17 with `GPU access blocked by the operating system`; /dev/dxg and Windows'"
        " libraries are there",
        message="Windows has the GPU and does not share it with WSL",
        cause="WSL gets GPUs whose driver on Windows runs in WDDM mode. A data-centre card is in TCC or MCDM mode by"
        " default, and then Windows keeps it.",
        remedy=Remedy(
            "In Windows, nvidia-smi.exe shows the mode (TCC, WDDM): set WDDM where the card allows it, and restart WSL;"
            " else use the card without WSL.",
            ("nvidia-smi.exe", "nvidia-smi.exe -dm 0", "wsl.exe --shutdown"),
            docs_url=_HUB + "microsoft/WSL/issues/12835",
        ),
        source="microsoft/WSL#12835, #11865, #12859, #14339",
        needs=("WSL", "a failure of nvidia-smi"),
        excludes=("a GPU in nvidia-smi",),
        confidence="likely",
        first_guess="A Windows driver that is missing or too old; it was current, and nvidia-smi.exe listed the card.",
    ),
    Entry(
        id="wsl_linux_driver_inside",
        rows=(),
        layer="kernel_driver",
        severity="error",
        detect=kernel.wsl_linux_driver,
        signal="in WSL, libcuda.so.N outside of /usr/lib/wsl, and an nvidia-smi that fails",
        message="a Linux driver is installed inside WSL ({paths})",
        cause="Its libraries go before those that Windows puts into /usr/lib/wsl/lib, and look for a kernel module that"
        " WSL does not have.",
        remedy=Remedy(
            "Remove the Linux driver's packages from WSL; of CUDA, install the toolkit alone.",
            (
                "apt-get purge 'libnvidia-*' 'nvidia-driver*' 'nvidia-utils*'",
                "ldconfig",
                "/usr/lib/wsl/lib/nvidia-smi -L",
            ),
            docs_url=_HUB + "microsoft/WSL/issues/11755",
        ),
        source="microsoft/WSL#11755, #9099, #9166, NVIDIA/nvidia-docker#1508",
        needs=("WSL", "a Linux driver in WSL", "a failure of nvidia-smi"),
        excludes=("a GPU in nvidia-smi",),
        confidence="likely",
        first_guess="More of the driver: `apt install nvidia-utils`, which is what broke it.",
    ),
    # Engines and specifications
    Entry(
        id="engine_without_gpu",
        rows=(),
        layer="docker",
        severity="error",
        detect=engine.without_gpu,
        signal="`docker info` says OperatingSystem `Docker Desktop` on Linux, or the kernel of another machine",
        message="the engine is {what}, which has none of this host's GPUs (context {context})",
        cause="Docker Desktop on Linux runs its engine in a virtual machine without GPUs, whatever is installed on the"
        " host.",
        remedy=Remedy(
            "Use the host's own engine (docker-ce or the distribution's): switch the context, and stop Docker Desktop.",
            ("docker context use default", "docker context ls"),
            docs_url=_TOOLKIT + "814",
        ),
        source="NVIDIA/nvidia-container-toolkit#814, #175, docker/docs#19366, open-webui#1192",
        needs=("an answer of the engine", "an engine without a GPU"),
        first_guess="A toolkit that is missing; it was installed, configured and restarted for an engine that nobody"
        " asked.",
    ),
    Entry(
        id="engine_is_podman",
        rows=(),
        layer="docker",
        severity="info",
        detect=engine.podman,
        signal="`docker info` answers in Podman's form, or from /var/lib/containers",
        message="docker is Podman here, which takes GPUs by CDI alone",
        cause="The package podman-docker, or a Docker context on Podman's socket: before Podman 5, --gpus is accepted"
        " and does nothing, and there is no runtime nvidia.",
        remedy=Remedy(
            "Ask with --device nvidia.com/gpu=all and a CDI specification, or install Docker.",
            ("docker run --rm --device nvidia.com/gpu=all IMAGE nvidia-smi -L", "nvidia-ctk cdi list"),
            docs_url=_HUB + "podman-container-tools/podman/issues/19330",
        ),
        source="podman-container-tools/podman#19330, #21156, NVIDIA/nvidia-container-runtime#190",
        needs=("an answer of the engine", "Podman"),
        first_guess="The toolkit's hook; Podman never calls it for --gpus.",
    ),
    Entry(
        id="cdi_spec_too_new",
        rows=(),
        layer="cdi",
        severity="error",
        detect=engine.spec_too_new,
        signal="cdiVersion of the specification is above what this version of Docker reads",
        message="Docker {engine} cannot read {path}, whose CDI version is {version}",
        cause="The toolkit writes a newer specification than the engine knows, and the engine leaves it out without a"
        " word.",
        remedy=Remedy(
            "Upgrade Docker to {wanted}, or have the toolkit write an older specification.",
            (
                "nvidia-ctk cdi generate --feature-flag no-additional-gids-for-device-nodes"
                " --output=/var/run/cdi/nvidia.yaml",
                "docker info",
            ),
            docs_url=_TOOLKIT + "1860",
        ),
        source="NVIDIA/nvidia-container-toolkit#1860, #1940",
        needs=("a CDI specification", "an answer of the engine", "a container that fails"),
        first_guess="A specification that is missing; it was generated anew, in the same version.",
    ),
    Entry(
        id="cdi_device_unknown",
        rows=(),
        layer="cdi",
        severity="error",
        detect=engine.device_unknown,
        signal="`unresolvable CDI devices ...`, and a specification that names others",
        message="no specification names {device}; {path} has {names}",
        cause="The specification is of another tool (a device plugin names no `all`, another none but `all`), or"
        " of before the GPU or the MIG device was there.",
        remedy=Remedy(
            "Ask for a name that is there, or generate it with nvidia-ctk, which writes index, UUID and `all`.",
            ("nvidia-ctk cdi list", "systemctl restart nvidia-cdi-refresh.service"),
            docs_url=_HUB + "NVIDIA/k8s-device-plugin/issues/1203",
        ),
        source="NVIDIA/k8s-device-plugin#1203, NVIDIA/nvidia-container-toolkit#1239, #1895",
        needs=("a CDI specification", "a container that fails"),
        first_guess="A runtime class or a mode; the name was in no file.",
    ),
    Entry(
        id="cdi_spec_not_loaded",
        rows=(),
        layer="cdi",
        severity="error",
        detect=engine.spec_not_loaded,
        signal="`unresolvable CDI devices ...` for a device that a specification names; Docker's own warnings on CDI",
        message="Docker does not take {path}{said}",
        cause="The engine could not read the file, read it before it was whole, or refuses it.",
        remedy=Remedy(
            "Have it written again; where that does not help, read the engine's log.",
            (
                "systemctl restart nvidia-cdi-refresh.service",
                "journalctl --unit docker --grep -i cdi",
                "nvidia-ctk cdi list",
            ),
            docs_url=_CDI_DOCS,
        ),
        source="NVIDIA/nvidia-container-toolkit#146, #434, the engine's own warnings from Docker 29 on",
        needs=("a CDI specification", "an answer of the engine"),
        unless=("cdi_spec_too_new", "cdi_spec_stale", "cdi_device_unknown"),
        first_guess="A specification that is missing, though nvidia-ctk cdi list showed its devices.",
    ),
    Entry(
        id="cdi_spec_elsewhere",
        rows=(),
        layer="cdi",
        severity="warning",
        detect=engine.spec_elsewhere,
        signal="a specification of GPUs in a directory that is not among the engine's CDI directories",
        message="{path} is where this engine does not look ({folders})",
        cause="The engine's cdi-spec-dirs were changed, or /var/run is no link to /run here.",
        remedy=Remedy(
            "Write it where the engine looks, or add the directory to cdi-spec-dirs in daemon.json.",
            ("docker info --format '{{json .CDISpecDirs}}'", "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"),
            docs_url=_HUB + "NixOS/nixpkgs/issues/420638",
        ),
        source="NixOS/nixpkgs#420638",
        needs=("an answer of the engine", "CDI in the engine"),
        excludes=("a CDI specification",),
        first_guess="A generator that did not run; it had, into /run/cdi, which the engine does not read.",
    ),
    # The toolkit
    Entry(
        id="cdi_spec_not_made_by_runtime",
        rows=(),
        layer="toolkit",
        severity="error",
        detect=engine.not_made_by_runtime,
        signal="`unresolvable CDI devices runtime.nvidia.com/gpu=...`",
        message="the toolkit's runtime could not make its own CDI specification for a container",
        cause="In its newer modes the runtime makes a specification for each container, of the kind runtime.nvidia.com,"
        " which no file has. It did not find the driver's libraries or nodes, and says so in its own log only.",
        remedy=Remedy(
            "Make one by hand, which says what is missing; or ask with --device nvidia.com/gpu=all, which takes the"
            " specification in a file.",
            ("nvidia-ctk --debug cdi generate > /dev/null", "journalctl --unit docker --grep nvidia"),
            docs_url=_TOOLKIT + "1537",
        ),
        source="NVIDIA/nvidia-container-toolkit#1537",
        needs=("a container that fails",),
        confidence="likely",
        first_guess="A file in /etc/cdi that is missing; the runtime reads none for this kind of device.",
    ),
    Entry(
        id="toolkit_no_cgroups",
        rows=(),
        layer="toolkit",
        severity="error",
        detect=engine.no_cgroups,
        signal="no-cgroups = true in /etc/nvidia-container-runtime/config.toml, Docker that is not rootless, and"
        " `Failed to"
        " initialize NVML` in a container",
        message="{where} may not open the GPUs' devices: no-cgroups is true",
        cause="no-cgroups is for rootless engines only: with it the toolkit leaves out the rules that let a container"
        " open the devices.",
        remedy=Remedy(
            "Switch it off; for a rootless engine beside this one, use CDI.",
            ("nvidia-ctk config --set nvidia-container-cli.no-cgroups=false --in-place",),
            docs_url=_TOOLKIT + "381",
        ),
        source="NVIDIA/nvidia-container-toolkit#381, #85, NVIDIA/dcgm-exporter#440, NVIDIA/nvidia-docker#1771",
        needs=("no-cgroups", "an answer of the engine", "a container that fails", "a GPU in nvidia-smi"),
        excludes=("a rootless engine", "an engine without a GPU", "Podman"),
        first_guess="A daemon-reload that took the devices away; the container was a new one.",
    ),
    Entry(
        id="toolkit_without_cgroup_v2",
        rows=(),
        layer="toolkit",
        severity="error",
        detect=engine.old_cgroups,
        signal="`cgroup subsystem devices not found` on the hook's stderr",
        message="libnvidia-container is too old for this host's cgroup version 2: {where} does not start",
        cause="libnvidia-container before 1.8 knows cgroup version 1 only. An old or a mixed installation has such a"
        " library beside a newer toolkit.",
        remedy=Remedy(
            "Upgrade libnvidia-container1, libnvidia-container-tools and the toolkit together, from NVIDIA's"
            " repository.",
            ("nvidia-container-cli --version", "ansible-playbook site.yml --tags nvidia_container_toolkit"),
            docs_url=_NVIDIA_DOCKER + "1660",
        ),
        source="NVIDIA/nvidia-docker#1660, AbdBarho/stable-diffusion-webui-docker#571",
        needs=("a container that fails",),
        excludes=("cgroup version 1", "a new container that works"),
        first_guess="systemd.unified_cgroup_hierarchy=0 at boot, which hides it for the whole host.",
    ),
    Entry(
        id="driver_starts_for_each_container",
        rows=(),
        layer="toolkit",
        severity="error",
        detect=engine.starts_each_time,
        signal="`driver rpc error: timed out`; persistence mode is disabled",
        message="the driver takes longer to start than the toolkit waits: {where} does not start",
        cause="Without persistence mode the driver starts from nothing whenever the first program opens a GPU, which"
        " takes many seconds with several GPUs.",
        remedy=Remedy(
            "Keep the driver loaded: nvidia-persistenced, or persistence mode.",
            ("systemctl enable --now nvidia-persistenced", "nvidia-smi -pm 1"),
            docs_url=_TOOLKIT + "202",
        ),
        source="NVIDIA/nvidia-container-toolkit#202",
        needs=("a container that fails", "a GPU in nvidia-smi", "persistence that is off"),
        excludes=("persistence",),
        first_guess="The network, for the words rpc and timed out; it is a pipe between two processes of the toolkit.",
    ),
    Entry(
        id="hook_refuses_mode",
        rows=(),
        layer="toolkit",
        severity="error",
        detect=engine.hook_refuses,
        signal="`invoking the NVIDIA Container Runtime Hook directly ... is not supported`; mode in config.toml; a"
        " Jetson",
        message="--gpus does not work in the toolkit's mode {mode}: {where} does not start",
        cause="--gpus calls the toolkit's hook, which refuses in the modes cdi and csv; csv is the mode of Jetsons.",
        remedy=Remedy(
            "Ask by the runtime or by CDI; or set the mode back to auto where this is no Jetson.",
            (
                "docker run --rm --runtime nvidia --env NVIDIA_VISIBLE_DEVICES=all IMAGE nvidia-smi -L",
                "nvidia-ctk config --set nvidia-container-runtime.mode=auto --in-place",
            ),
            docs_url=_HUB + "dstackai/dstack/issues/2306",
        ),
        source="dstackai/dstack#2306, NVIDIA/TensorRT-LLM#799, dusty-nv/jetson-containers#1703",
        needs=("a container that fails",),
        first_guess="To leave --gpus out: the container starts then, and has no GPU.",
    ),
    Entry(
        id="toolkit_ldconfig_missing",
        rows=(),
        layer="toolkit",
        severity="error",
        detect=engine.no_ldconfig,
        signal="`ldcache error: open failed: /sbin/ldconfig.real: no such file or directory`",
        message="the toolkit is configured to run {path}, which this host does not have",
        cause="config.toml is of another distribution: Ubuntu has /sbin/ldconfig.real, the others /sbin/ldconfig.",
        remedy=Remedy(
            "Name the host's own: `@` stands for the host, and not the container.",
            ("nvidia-ctk config --set nvidia-container-cli.ldconfig=@/sbin/ldconfig --in-place",),
            docs_url=_HUB + "hekmak/Conf-net/issues/5",
        ),
        source="hekmak/Conf-net#5, NVIDIA/nvidia-docker#587",
        needs=("a container that fails",),
        first_guess="A file that the image lacks; the path is one of the host.",
    ),
    Entry(
        id="toolkit_ldconfig_fails",
        rows=(),
        layer="toolkit",
        severity="error",
        detect=engine.ldconfig_fails,
        signal="`ldcache error: process /sbin/ldconfig failed with error code`",
        message="{path} of the host {how} in {where}",
        cause="The host's ldconfig does not work on this image: a damaged layer, an old C library in it, or a file"
        " system that is full or read-only.",
        remedy=Remedy(
            "Pull or build the image anew; see whether another image works; look for a full disk.",
            ("df -h /var/lib/docker", "docker image rm IMAGE"),
            docs_url=_TOOLKIT + "147",
        ),
        source="NVIDIA/nvidia-container-toolkit#147, NVIDIA/nvidia-docker#1616, NVIDIA/libnvidia-container#177",
        needs=("a container that fails",),
        confidence="likely",
        first_guess="The setting ldconfig in config.toml; the program was there and ran.",
    ),
    Entry(
        id="driver_capabilities_refused",
        rows=(),
        layer="toolkit",
        severity="error",
        detect=engine.capabilities_refused,
        signal="`unsupported capabilities found in '...' (allowed '...')`",
        message="NVIDIA_DRIVER_CAPABILITIES={asked} is refused; {allowed} is allowed",
        cause="A capability is misspelled, or supported-driver-capabilities in config.toml leaves it out.",
        remedy=Remedy(
            "Name capabilities that are allowed, or `all` by itself.",
            ("grep -n supported-driver-capabilities /etc/nvidia-container-runtime/config.toml",),
            docs_url=_HUB + "osrf/rocker/pull/182",
        ),
        source="osrf/rocker#182",
        needs=("a container that fails",),
        first_guess="That `all` can be added to what is there; only the whole value may be `all`.",
    ),
    Entry(
        id="toolkit_refuses_variable",
        rows=(),
        layer="toolkit",
        severity="error",
        detect=engine.variable_refused,
        signal="`insufficient privileges to read device list from NVIDIA_VISIBLE_DEVICES envvar`",
        message="the toolkit does not take GPUs from NVIDIA_VISIBLE_DEVICES for containers without privileges",
        cause="accept-nvidia-visible-devices-envvar-when-unprivileged is false in config.toml: images that set the"
        " variable by themselves cannot start.",
        remedy=Remedy(
            "Ask with --gpus or CDI and an empty NVIDIA_VISIBLE_DEVICES, or allow the variable.",
            ("grep -n accept-nvidia-visible-devices /etc/nvidia-container-runtime/config.toml",),
            docs_url=_HUB + "NVIDIA/k8s-device-plugin/issues/203",
        ),
        source="NVIDIA/k8s-device-plugin#203",
        needs=("a container that fails",),
        first_guess="Permissions of /dev/nvidia*, for the word privileges; the hook reads no device before it says so.",
    ),
    Entry(
        id="nested_container_cgroups",
        rows=(),
        layer="toolkit",
        severity="error",
        detect=engine.nested,
        signal="`BPF_CGROUP_DEVICE) failed: operation not permitted` or `devices.allow: operation not permitted`, where"
        " this machine is itself a container",
        message="this machine is a container (LXC, Incus, Docker), in which the toolkit may not set device cgroups",
        cause="An unprivileged container may not grant devices; those that it has itself were granted from outside.",
        remedy=Remedy(
            "Use CDI, or tell the toolkit to leave cgroups alone: the outer container's rules hold for all inside.",
            ("nvidia-ctk config --set nvidia-container-cli.no-cgroups=true --in-place",),
            docs_url=_HUB + "NVIDIA/libnvidia-container/issues/154",
        ),
        source="NVIDIA/libnvidia-container#154, NVIDIA/nvidia-container-runtime#78, NVIDIA/nvidia-docker#1546",
        needs=("a container in a container", "a container that fails"),
        excludes=("a rootless engine",),
        first_guess="Rules in the outer container's own configuration, which allow the devices and not the granting.",
    ),
    Entry(
        id="runtime_program_missing",
        rows=(),
        layer="toolkit",
        severity="error",
        detect=engine.runtime_gone,
        signal='`exec: "nvidia-container-runtime": executable file not found`, `fork/exec ...: no such file or'
        " directory` or `permission denied`; the same of nvidia-container-cli",
        message="Docker cannot run {program}: {what}",
        cause="The toolkit was removed, and daemon.json (runtimes, default-runtime) or a drop-in of docker.service"
        " still"
        " names its runtime.",
        remedy=Remedy(
            "Install the toolkit again, or take its keys out of daemon.json and of the drop-ins; then restart Docker.",
            (
                "grep -rn nvidia /etc/docker/daemon.json /etc/systemd/system/docker.service.d",
                "systemctl restart docker",
            ),
            docs_url=_HUB + "NVIDIA/nvidia-container-runtime/issues/98",
        ),
        source="NVIDIA/nvidia-container-runtime#98, #35, #89, NVIDIA/nvidia-docker#686, #1190",
        needs=("a container that fails",),
        first_guess="A Docker that is broken and is to be installed again; its configuration stays, and so does this.",
    ),
    Entry(
        id="toolkit_node_missing",
        rows=(),
        layer="toolkit",
        severity="error",
        detect=engine.node_missing,
        signal="`mount error: stat failed: /dev/nvidia-modeset: no such file or directory`",
        message="the toolkit wants to give {node} to the container, which is not there",
        cause="A capability (display, all) asks for a device whose node nothing has made on a host without a display.",
        remedy=Remedy(
            "Make the node at boot, or ask for compute,utility alone.",
            ("nvidia-modprobe -m", "nvidia-modprobe -c 0 -u"),
            docs_url=_HUB + "NVIDIA/enroot/issues/15",
        ),
        source="NVIDIA/enroot#15, NVIDIA/libnvidia-container#388, NVIDIA/nvidia-docker#1453",
        needs=("a container that fails",),
        first_guess="A driver without nvidia-modeset; the module was loaded, and only its node was missing.",
    ),
    Entry(
        id="toolkit_finds_no_driver",
        rows=(),
        layer="toolkit",
        severity="error",
        detect=engine.toolkit_without_driver,
        signal="`nvml error: driver not loaded`, `nvml error: driver/library version mismatch`, `driver error: failed"
        " to process request` or `no adapters were found` on the hook's stderr, while nvidia-smi works",
        message="the toolkit finds no driver, which nvidia-smi here does ({said})",
        cause="The engine runs elsewhere (a virtual machine, WSL's other distribution), or the toolkit is older than"
        " the"
        " driver or than WSL.",
        remedy=Remedy(
            "See which engine answers, then upgrade the toolkit.",
            ("docker context ls", "nvidia-container-cli --load-kmods info", "nvidia-container-cli --version"),
            docs_url=_TOOLKIT + "260",
        ),
        source="NVIDIA/nvidia-container-toolkit#260, #155, NVIDIA/k8s-device-plugin#219, #171,"
        " NVIDIA/nvidia-docker#1203",
        needs=("a container that fails", "a GPU in nvidia-smi"),
        confidence="likely",
        first_guess="A driver that is to be installed again; nvidia-smi beside it worked all the time.",
    ),
    # Containers
    Entry(
        id="driver_library_other_inside",
        rows=(),
        layer="container",
        severity="error",
        detect=engine.library_inside,
        signal="`Driver/library version mismatch` and `NVML library version` in a container, while the host is fine",
        message="{where} loads libnvidia-ml {inside}, and the driver is {loaded}",
        cause="The image holds a libnvidia-ml of its own, which goes before the one that the toolkit puts in.",
        remedy=Remedy(
            "Build the image without the driver's packages: CUDA's libraries belong in it, libcuda and libnvidia-ml"
            " do not.",
            ("docker run --rm --entrypoint find IMAGE / -xdev -name 'libnvidia-ml.so*' -o -name 'libcuda.so*'",),
            docs_url=_TOOLKIT + "171",
        ),
        source="NVIDIA/nvidia-container-toolkit#171, NVIDIA/libnvidia-container#266, k4yt3x/video2x#1226",
        needs=("a container that fails", "a GPU in nvidia-smi"),
        excludes=("a new container that works",),
        first_guess="A reboot of the host, whose own nvidia-smi worked.",
    ),
    Entry(
        id="driver_capability_missing",
        rows=(),
        layer="container",
        severity="error",
        detect=engine.capability_missing,
        signal="NVIDIA_DRIVER_CAPABILITIES in a container, where the GPUs are not given by CDI",
        message="NVIDIA_DRIVER_CAPABILITIES is {given} in {where}: {missing} is missing",
        cause="Without the capability `compute` the toolkit does not put libcuda into the container: nvidia-smi works,"
        " and no program finds CUDA.",
        remedy=Remedy(
            "Set NVIDIA_DRIVER_CAPABILITIES to compute,utility (or all) in the image or for the container; or use CDI.",
            ("docker run --gpus all --env NVIDIA_DRIVER_CAPABILITIES=compute,utility ...",),
            docs_url="https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html",
        ),
        source="AbdBarho/stable-diffusion-webui-docker#348, NVIDIA/nvidia-docker#533, docker/compose#8583",
        needs=("a look into a container",),
        excludes=("Podman",),
        first_guess="No driver on the host, as the framework says; nvidia-smi in the same container listed the GPU.",
    ),
    # Frameworks
    Entry(
        id="uvm_lost_by_sleep",
        rows=(),
        layer="framework",
        severity="error",
        detect=program.lost_by_sleep,
        signal="`CUDA unknown error` (999) with nvidia_uvm loaded, and `PM: suspend exit` in the kernel log",
        message="{name} gets CUDA error 999 since this machine slept",
        cause="nvidia_uvm did not survive suspend: nvidia-smi works, and CUDA does not until the module is loaded"
        " again.",
        remedy=Remedy(
            "End what uses the GPUs and load nvidia_uvm again. To keep it from happening: "
            "NVreg_PreserveVideoMemoryAllocations=1 and the services nvidia-suspend and nvidia-resume.",
            (
                "modprobe -r nvidia_uvm && modprobe nvidia_uvm",
                "systemctl enable nvidia-suspend nvidia-hibernate nvidia-resume",
                "echo 'options nvidia NVreg_PreserveVideoMemoryAllocations=1' > /etc/modprobe.d/nvidia-sleep.conf",
            ),
            docs_url=_TOOLKIT + "1155",
        ),
        source="NVIDIA/nvidia-container-toolkit#1155, gbionics/jaxsim#50, ollama#2934",
        needs=("a sleep", "a framework without GPUs", "the module nvidia_uvm"),
        confidence="likely",
        unless=("uvm_missing", "cdi_device_numbers_stale"),
        first_guess="CUDA_VISIBLE_DEVICES, because the framework's own words name it.",
    ),
    Entry(
        id="framework_needs_newer_driver",
        rows=(),
        layer="framework",
        severity="error",
        detect=program.needs_newer_driver,
        signal="`The NVIDIA driver on your system is too old (found version 12080)`, `CUDA driver version is"
        " insufficient for CUDA runtime version`",
        message="{name} needs a newer CUDA than the driver's {has}",
        cause="The framework is built with a newer CUDA than the driver supports; images that require nothing start"
        " nevertheless.",
        remedy=Remedy(
            "Upgrade the driver, or take the framework's build for an older CUDA.",
            ("nvidia-smi",),
            docs_url="https://docs.nvidia.com/deploy/cuda-compatibility/",
        ),
        source="guqiong96/Lvllmds4#46, vectorch-ai/ScaleLLM#20",
        needs=("a framework without GPUs",),
        first_guess="A GPU that is not given to the container, which listed it.",
    ),
    Entry(
        id="gpu_busy",
        rows=(),
        layer="framework",
        severity="error",
        detect=program.busy,
        signal="`CUDA-capable device(s) is/are busy or unavailable` (46); compute mode Exclusive_Process or Prohibited",
        message="{name} may not use a GPU that is busy or closed ({mode})",
        cause="In the compute mode Exclusive_Process one program has the GPU at a time, in Prohibited none.",
        remedy=Remedy(
            "End the program that has it, or set the default mode.",
            ("nvidia-smi --query-compute-apps=pid,name --format=csv", "nvidia-smi -c DEFAULT"),
        ),
        source="own; the words are of CUDA's runtime",
        needs=("a framework without GPUs", "a GPU in nvidia-smi"),
        first_guess="A GPU that is broken; nvidia-smi shows who has it.",
    ),
    Entry(
        id="framework_library_too_old",
        rows=(),
        layer="framework",
        severity="error",
        detect=program.library_too_old,
        signal="`Found cuDNN version 8600, but JAX was built against version 8906`, `Loaded runtime CuDNN library:"
        " 8.5.0"
        " but source was compiled with: 8.6.0`, `Outdated cuDNN installation found`",
        message="{name} finds {library} {has} and was built with {wants}",
        cause="An older library goes before the one that came with the framework: of the system, of conda, of another"
        " framework, or by LD_LIBRARY_PATH.",
        remedy=Remedy(
            "Install the framework's own CUDA packages in its environment, and take the other out of its way.",
            ("pip list | grep -i nvidia", "echo $LD_LIBRARY_PATH"),
            docs_url=_HUB + "jax-ml/jax/issues/15268",
        ),
        source="jax-ml/jax#15268, MIT-REALM/gcbfplus#1, conda-forge/jax-feedstock#149",
        needs=("a framework",),
        first_guess="The CUDA variant was installed again, with the old cuDNN still before it.",
    ),
    Entry(
        id="gpus_hidden_by_variable",
        rows=(),
        layer="framework",
        severity="error",
        detect=program.hidden_by_variable,
        signal="CUDA_VISIBLE_DEVICES in the framework's environment, which leaves as many GPUs as the framework sees",
        message="CUDA_VISIBLE_DEVICES={value} leaves {name} {some} of {all} GPUs",
        cause="CUDA reads the variable up to the first name that there is not: an empty value, NoDevFiles or an index"
        " that is too high leaves none.",
        remedy=Remedy(
            "Unset it, or name GPUs that are there; indices count within the container.",
            ("env | grep CUDA_VISIBLE_DEVICES", "nvidia-smi -L"),
            docs_url=_HUB + "pytorch/examples/issues/115",
        ),
        source="pytorch/examples#115, thuml/Time-Series-Library#10, CUDA's programming guide",
        needs=("a framework",),
        first_guess="An installation of CUDA; it was a line in the script that started the program.",
    ),
    Entry(
        id="jax_told_other_platform",
        rows=(),
        layer="framework",
        severity="error",
        detect=program.other_platform,
        signal="JAX_PLATFORMS or JAX_PLATFORM_NAME in the framework's environment, without cuda or gpu in it",
        message="{variable} keeps JAX from the GPUs",
        cause="The variable names the platforms that JAX may use, often left from a machine without a GPU.",
        remedy=Remedy(
            "Unset it, or set it to cuda,cpu.",
            ("env | grep JAX_PLATFORM",),
            docs_url=_HUB + "jax-ml/jax/issues/23208",
        ),
        source="jax-ml/jax#23208",
        needs=("a framework without GPUs",),
        first_guess="A jaxlib without CUDA; its plugin was installed.",
    ),
)
