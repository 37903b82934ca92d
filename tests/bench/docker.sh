#!/bin/sh
# What the role docker does from distribution packages, as a person would script it: the yardstick of the benchmark.
set -eu
export DEBIAN_FRONTEND=noninteractive
if ! cmp -s /dev/stdin /etc/docker/daemon.json; then
    install -d -m 0755 /etc/docker
    restart=yes
fi <<'JSON'
{"live-restore": true, "log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}
JSON
printf '%s\n' '{"live-restore": true, "log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}' >/etc/docker/daemon.json
apt-get update -qq
apt-get install -qq -y --no-install-recommends docker.io docker-cli docker-buildx docker-compose iptables >/dev/null
systemctl enable --quiet --now docker.service
[ "${restart:-no}" = no ] || systemctl restart docker.service
docker version --format '{{.Server.Version}}'
