#!/bin/sh
# What the role docker does from distribution packages, as a person would script it: the yardstick of the benchmark.
set -eu
export DEBIAN_FRONTEND=noninteractive
wanted='{"live-restore": true, "log-driver": "json-file", "log-opts": {"max-size": "50m", "max-file": "3"},
"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 65536, "Hard": 524288}},
"default-address-pools": [{"base": "198.18.0.0/16", "size": 24}]}'
restart=no
if [ "$(cat /etc/docker/daemon.json 2>/dev/null)" != "$wanted" ]; then
    install -d -m 0755 /etc/docker
    printf '%s\n' "$wanted" >/etc/docker/daemon.json
    # Before the engine is there, its first start reads the file.
    if systemctl is-active --quiet docker.service; then restart=yes; fi
fi
apt-get update -qq </dev/null
apt-get install -qq -y --no-install-recommends docker.io docker-cli docker-buildx docker-compose </dev/null >/dev/null
[ "$restart" = no ] || systemctl restart docker.service
docker version --format '{{.Server.Version}}'
