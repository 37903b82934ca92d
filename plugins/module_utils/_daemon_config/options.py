# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One table of dockerd's options: the key in daemon.json, its type, its flags, and whether a reload takes it.

Sources, read for 20.10 to 29:

- keys and types: the json tags in moby daemon/config/config.go and config_linux.go
- flags: moby cmd/dockerd/config.go, config_unix.go, options.go (daemon/command/ in 29); `dockerd --help` of 20.10.24
- reload: moby daemon/reload.go and reload_unix.go, reloadConfig() in cmd/dockerd/daemon.go, and
  https://docs.docker.com/reference/cli/dockerd/#configuration-reload-behavior
"""

from __future__ import annotations

import typing as t

# How dockerd treats a key on SIGHUP.
RESTART = "restart"  # read at start-up only
WHEN_SET = "when_set"  # taken when the key is in the file; when the key has gone, the old value stays in force
ALWAYS = "always"  # taken, and reset to the default when the key has gone


class Option(t.NamedTuple):
    key: str
    kind: str
    flags: tuple[str, ...] = ()
    reload: str = RESTART
    modern: bool = False  # unknown to engines before 23.0, which have no --validate
    merged: bool = False  # dockerd merges flag and file instead of refusing to start

    @property
    def all_flags(self) -> tuple[str, ...]:
        return self.flags or (f"--{self.key}",)


_NO_FLAG = ("",)

OPTIONS: tuple[Option, ...] = (
    Option("allow-direct-routing", "bool", modern=True),
    Option("allow-nondistributable-artifacts", "strings", reload=WHEN_SET),
    Option("api-cors-header", "string"),
    Option("authorization-plugins", "strings", ("--authorization-plugin",), reload=ALWAYS),
    Option("bip", "string"),
    Option("bip6", "string", modern=True),
    Option("bridge", "string", ("--bridge", "-b")),
    Option("bridge-accept-fwmark", "string", modern=True),
    Option("builder", "object", _NO_FLAG),
    Option("cdi-spec-dirs", "strings", ("--cdi-spec-dir",), modern=True),
    Option("cgroup-parent", "string"),
    Option("cluster-advertise", "string"),
    Option("cluster-store", "string"),
    Option("cluster-store-opts", "string_map", ("--cluster-store-opt",)),
    Option("containerd", "string"),
    Option("containerd-namespace", "string"),
    Option("containerd-plugins-namespace", "string"),
    Option("cpu-rt-period", "int"),
    Option("cpu-rt-runtime", "int"),
    Option("cri-containerd", "bool"),
    Option("data-root", "string", ("--data-root", "--graph", "-g")),
    Option("debug", "bool", ("--debug", "-D"), reload=WHEN_SET),
    Option("default-address-pools", "objects", ("--default-address-pool",)),
    Option("default-cgroupns-mode", "string", reload=WHEN_SET),
    Option("default-gateway", "string"),
    Option("default-gateway-v6", "string"),
    Option("default-ipc-mode", "string", reload=WHEN_SET),
    Option("default-network-opts", "object_map", ("--default-network-opt",), modern=True),
    Option("default-runtime", "string", reload=WHEN_SET),
    Option("default-shm-size", "string", reload=WHEN_SET),
    Option("default-ulimits", "object_map", ("--default-ulimit",)),
    Option("deprecated-key-path", "string"),
    Option("dns", "strings"),
    Option("dns-opts", "strings", ("--dns-opt",)),
    Option("dns-search", "strings"),
    Option("exec-opts", "strings", ("--exec-opt",)),
    Option("exec-root", "string"),
    Option("experimental", "bool"),
    Option("features", "bool_map", ("--feature",)),  # reload: see RELOADABLE_FEATURES
    Option("firewall-backend", "string", modern=True),
    Option("fixed-cidr", "string"),
    Option("fixed-cidr-v6", "string"),
    Option("group", "string", ("--group", "-G")),
    Option("host-gateway-ip", "string"),
    Option("host-gateway-ips", "strings", ("--host-gateway-ip",), modern=True),
    Option("hosts", "strings", ("--host", "-H")),
    Option("http-proxy", "string", modern=True),
    Option("https-proxy", "string", modern=True),
    Option("icc", "bool"),
    Option("init", "bool"),
    Option("init-path", "string"),
    Option("insecure-registries", "strings", ("--insecure-registry",), reload=WHEN_SET),
    Option("ip", "string"),
    Option("ip-forward", "bool"),
    Option("ip-forward-no-drop", "bool", modern=True),
    Option("ip-masq", "bool"),
    Option("ip6tables", "bool"),
    Option("iptables", "bool"),
    Option("ipv6", "bool"),
    Option("labels", "strings", ("--label",), reload=WHEN_SET),
    Option("live-restore", "bool", reload=WHEN_SET),
    Option("log-driver", "string"),
    Option("log-format", "string", modern=True),
    Option("log-level", "string", ("--log-level", "-l")),
    Option("log-opts", "string_map", ("--log-opt",)),
    Option("max-concurrent-downloads", "int", reload=ALWAYS),
    Option("max-concurrent-uploads", "int", reload=ALWAYS),
    Option("max-download-attempts", "int", reload=ALWAYS),
    Option("metrics-addr", "string"),
    Option("mtu", "int"),
    Option("network-control-plane-mtu", "int"),
    Option("network-diagnostic-port", "int", reload=ALWAYS),
    Option("no-new-privileges", "bool"),
    Option("no-proxy", "string", modern=True),
    Option("node-generic-resources", "strings", ("--node-generic-resource",)),
    Option("oom-score-adjust", "int"),
    Option("pidfile", "string", ("--pidfile", "-p")),
    Option("raw-logs", "bool"),
    Option("registry-mirrors", "strings", ("--registry-mirror",), reload=WHEN_SET),
    Option("rootless", "bool"),
    Option("runtimes", "object_map", ("--add-runtime",), reload=WHEN_SET, merged=True),
    Option("seccomp-profile", "string"),
    Option("selinux-enabled", "bool"),
    Option("shutdown-timeout", "int", reload=WHEN_SET),
    Option("storage-driver", "string", ("--storage-driver", "-s")),
    Option("storage-opts", "strings", ("--storage-opt",)),
    Option("swarm-default-advertise-addr", "string"),
    Option("tls", "bool"),
    Option("tlscacert", "string"),
    Option("tlscert", "string"),
    Option("tlskey", "string"),
    Option("tlsverify", "bool"),
    Option("userland-proxy", "bool"),
    Option("userland-proxy-path", "string"),
    Option("userns-remap", "string"),
)

BY_KEY: t.Mapping[str, Option] = {option.key: option for option in OPTIONS}
BY_FLAG: t.Mapping[str, Option] = {flag: option for option in OPTIONS for flag in option.all_flags if flag}

# A reload replaces the whole map, but features such as cdi and containerd-snapshotter are only read at start-up. A
# feature that is not known to be read later counts as needing a restart.
RELOADABLE_FEATURES = frozenset({"buildkit"})

# dockerd looks into any other object of the file as if its keys stood at the top level ("proxies" is the one in use).
_NOT_FLATTENED = frozenset(
    {"builder", "cluster-store-opts", "default-network-opts", "default-ulimits", "features", "log-opts", "runtimes"}
)


def flatten(config: dict[str, t.Any]) -> t.Iterator[tuple[tuple[str, ...], str, t.Any]]:
    """Key path, option key and value of each option in a configuration, as dockerd's configValuesSet() finds them."""
    for key, value in config.items():
        if isinstance(value, dict) and key not in _NOT_FLATTENED:
            for inner, inner_value in value.items():
                yield (key, inner), inner, inner_value
        else:
            yield (key,), key, value


# The options of log drivers, which `dockerd --validate` does not look at: an engine refuses to start with any other.
# Drivers that are not here (plugins, cloud services) know theirs. Sources: ValidateLogOpt() of each in moby
# daemon/logger/*, and builtInLogOpts in daemon/logger/factory.go.
_METADATA = frozenset({"labels", "labels-regex", "env", "env-regex", "tag"})
LOG_OPTIONS: t.Mapping[str, frozenset[str]] = {
    "json-file": _METADATA | {"max-file", "max-size", "compress"},
    "local": frozenset({"max-file", "max-size", "compress"}),
    "journald": _METADATA,
    "syslog": _METADATA
    | {
        "syslog-address",
        "syslog-facility",
        "syslog-format",
        "syslog-tls-ca-cert",
        "syslog-tls-cert",
        "syslog-tls-key",
        "syslog-tls-skip-verify",
    },
}
LOG_OPTIONS_OF_ALL = frozenset({"mode", "max-buffer-size"})
# The copy that `docker logs` reads with drivers that cannot be read.
LOG_OPTIONS_PREFIX = "cache-"
