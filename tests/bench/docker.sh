#!/bin/sh
# What the role docker does from distribution packages, as a person would script it: the yardstick of the benchmark.
set -eu
export DEBIAN_FRONTEND=noninteractive
wanted='{"live-restore": true, "log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}'
restart=no
if [ "$(cat /etc/docker/daemon.json 2>/dev/null)" != "$wanted" ]; then
    install -d -m 0755 /etc/docker
    printf '%s\n' "$wanted" >/etc/docker/daemon.json
    restart=yes
fi
apt-get update -qq </dev/null
apt-get install -qq -y --no-install-recommends docker.io docker-cli docker-buildx docker-compose iptables </dev/null >/dev/null
[ "$restart" = no ] || systemctl restart docker.service
docker version --format '{{.Server.Version}}'
