# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grace plays against Ada, and a neighbor against both. The tests run in order, each on what the one before left."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.notebook import Notebook
from ansible_collections.gpulab.workstation.molecule.resources.playbook import run_playbook
from testinfra.host import Host

MACHINE = "gpulab-hostile"
testinfra_hosts = [f"ansible://{MACHINE}"]

# From a network namespace or not, as somebody or other: whether a connection is made, and why not.
ASK = """
import socket, sys
address, port = sys.argv[1:]
try:
    socket.create_connection((address, int(port)), 2).close()
    print("reached")
except OSError as refused:
    print(refused)
"""
# As a browser that was open there comes back.
VISIT = """
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/lab?token=of-{sys.argv[1]}", timeout=3)
except urllib.error.HTTPError as refused:
    print(refused.code)
except urllib.error.URLError as failed:
    print(failed.reason)
"""
SUPERVISOR = "/usr/local/libexec/gpulab/jupyter-supervisor"
NAMES = ("ada", "grace", "open")
AS_GRACE = "setpriv --reuid grace --regid grace --clear-groups"
AS_ADA = "setpriv --reuid ada --regid ada --clear-groups"
NEIGHBOR = "nsenter --net=/run/netns/neighbor"
# The neighbor has the address at which a cloud has its metadata, and a name server there, too.
METADATA = "169.254.169.254"
SERVER = "python3 -m http.server --directory /srv/nothing"


@pytest.fixture(scope="module")
def ada(host: Host) -> Notebook:
    return Notebook(host, "ada", 8888)


@pytest.fixture(scope="module")
def opened(host: Host) -> Notebook:
    """The one that the network may reach at its port."""
    return Notebook(host, "open", 8890)


def address(notebook: Notebook) -> str:
    (network,) = notebook.inspect("{{json .NetworkSettings.Networks}}").values()
    return str(network["IPAddress"])


@pytest.fixture(scope="module", autouse=True)
def others(host: Host, ada: Notebook, opened: Notebook) -> None:
    """A neighbor who routes by way of the machine, and what listens that nobody has published."""
    host.check_output(
        "set -e; mkdir -p /srv/nothing; ip netns add neighbor;"
        "ip link add lan0 type veth peer name lan0 netns neighbor;"
        "ip address add 192.0.2.1/24 dev lan0; ip link set lan0 up;"
        f"ip route add {METADATA} via 192.0.2.2;"
        "ip -n neighbor address add 192.0.2.2/24 dev lan0; ip -n neighbor link set lan0 up;"
        f"ip -n neighbor address add {METADATA}/32 dev lan0;"
        "ip -n neighbor route add default via 192.0.2.1;"
        # A packet to 127.0.0.1 leaves a machine only where somebody wants it to.
        "ip -n neighbor address flush dev lo; ip -n neighbor route add 127.0.0.1 via 192.0.2.1;"
        f"{NEIGHBOR} sh -c 'echo 1 > /proc/sys/net/ipv4/conf/lan0/route_localnet';"
        # As a machine may have it for other reasons. Docker sets DROP where it has switched forwarding on itself.
        "iptables -P FORWARD ACCEPT"
    )
    for name, command in {
        "metadata": f"{NEIGHBOR} {SERVER} --bind {METADATA} 80",
        "names": f"{NEIGHBOR} {SERVER} --bind {METADATA} 53",
        "neighbor": f"{NEIGHBOR} {SERVER} --bind 192.0.2.2 8000",
        "exporter": f"{SERVER} --bind 0.0.0.0 9100",
    }.items():
        host.check_output(f"systemd-run --quiet --unit {name} {command}")
    for notebook in (ada, opened):
        host.check_output(f"docker exec --detach {notebook.container} python3 -m http.server --directory /tmp 6006")
        notebook.wait(lambda: ask(host, "", address(notebook), 6006) == "reached", "nothing listens at 6006")  # noqa: B023
    ada.wait(lambda: ask(host, "", METADATA, 53) == "reached", "the neighbor does not serve")


def ask(host: Host, who: str, where: str, port: int) -> str:
    return str(host.check_output(f"{who} python3 -c %s %s {port}", ASK, where)).strip()


def reached(host: Host, targets: list[tuple[str, int]], who: str) -> list[tuple[str, int]]:
    """In one go: what is dropped takes its time."""
    asks = " & ".join(f"{who} python3 -c \"$0\" {where} {port} | sed 's/^/{where} {port} /'" for where, port in targets)
    said = host.check_output("sh -c %s %s", f"{asks} & wait", ASK)
    return [target for target in targets if f"{target[0]} {target[1]} reached" in said.splitlines()]


def test_neighbor_reaches_what_is_published_and_nothing_else(host: Host, ada: Notebook, opened: Notebook) -> None:
    hidden = [(address(one), port) for one in (ada, opened) for port in (8888, 6006)] + [("127.0.0.1", 8888)]
    published = [("192.0.2.1", 8890)]
    assert reached(host, hidden + published, NEIGHBOR) == published
    # Without the rules, all of it: the engine alone keeps nobody out, and this play is one.
    for name in NAMES:
        host.check_output(f"nft delete table inet jupyter-{name}")
    assert reached(host, hidden + published, NEIGHBOR) == hidden + published
    for name in NAMES:
        host.check_output(f"{SUPERVISOR} guard {name}")
    assert reached(host, hidden + published, NEIGHBOR) == published


def test_other_users_reach_published_ports_only(host: Host, ada: Notebook) -> None:
    ports = [(address(ada), 8888), (address(ada), 6006), ("127.0.0.1", 8888), ("192.0.2.1", 8890)]
    assert reached(host, ports, AS_GRACE) == ports[2:]
    # Their own, say through a tunnel.
    assert reached(host, ports, AS_ADA) == ports


def test_notebook_reaches_neighbors_and_no_metadata(host: Host, ada: Notebook, opened: Notebook) -> None:
    (network,) = ada.inspect("{{json .NetworkSettings.Networks}}").values()
    others = [("192.0.2.2", 8000), (METADATA, 53)]
    on_machine = [(network["Gateway"], 9100), ("192.0.2.1", 9100)]
    asked = [*others, *on_machine, (METADATA, 80), (address(opened), 8888), (address(opened), 6006)]
    # At once: who looks for credentials waits for no answer.
    assert ask(host, f"docker exec {ada.container}", METADATA, 80) == "[Errno 113] No route to host"
    assert reached(host, asked, f"docker exec {ada.container}") == [*others, *on_machine]
    assert reached(host, asked[:5], f"docker exec {opened.container}") == others


def test_port_of_a_notebook_that_is_down_gives_no_token_away(host: Host, ada: Notebook) -> None:
    before = host.file(ada.token_path).content_string
    host.check_output(f"systemctl stop {ada.unit}")
    log = "/srv/hijacked"
    host.check_output(f"install -o grace /dev/null {log}")
    hijack = f"--uid grace -p StandardError=append:{log} {SERVER} --bind 127.0.0.1"
    host.check_output(f"systemd-run --quiet --unit hijack {hijack} 8888")
    host.check_output(f"systemd-run --quiet --unit own {hijack} 8887")
    ada.wait(lambda: ask(host, AS_GRACE, "127.0.0.1", 8887) == "reached", "Grace's own server does not answer")
    assert host.run(f"{AS_ADA} python3 -c %s %s", VISIT, "8888").stdout.strip() == "timed out"
    assert "404" in host.run(f"{AS_ADA} python3 -c %s %s", VISIT, "8887").stdout
    assert "token=of-8887" in host.file(log).content_string
    assert "token=of-8888" not in host.file(log).content_string
    # The unit does not give up while the port is taken (finding 6), however often it fails.
    for _attempt in range(7):
        assert host.run(f"systemctl restart {ada.unit}").rc != 0
    host.check_output("systemctl stop hijack own")
    ada.wait_until_it_answers()
    assert host.file(ada.token_path).content_string != before
    assert ada.request("/api/status")[0] == 200


def test_link_in_place_of_a_work_directory_shows_nothing_of_others(host: Host, ada: Notebook) -> None:
    """Grace wins the race each time: the link comes between the check and the mount."""
    host.check_output("install -d -o ada -m 0700 /home/ada/private")
    host.check_output("echo secret > /home/ada/private/secret.txt; echo mine > /home/grace/notebooks/mine.txt")
    swap = "cd ~grace && mv notebooks away && ln -s /home/ada/private notebooks"
    script = f'#!/bin/sh\\n[ "$1" != run ] || {AS_GRACE} sh -c "{swap}"\\nexec /usr/bin/docker "$@"\\n'
    host.check_output("mkdir -p /srv/race /run/systemd/system/jupyter-grace.service.d")
    host.check_output(f"printf '{script}' > /srv/race/docker; chmod 0755 /srv/race/docker")
    host.check_output(
        "printf '[Service]\\nEnvironment=PATH=/srv/race:/usr/sbin:/usr/bin:/sbin:/bin\\n' "
        "> /run/systemd/system/jupyter-grace.service.d/race.conf; systemctl daemon-reload"
    )
    host.check_output("systemctl restart jupyter-grace")
    assert host.check_output("readlink /home/grace/notebooks") == "/home/ada/private"
    look = "import os; print(sorted(os.listdir('/src')))"
    assert host.check_output("docker exec jupyter-grace python3 -c %s", look) == "['mine.txt']"
    host.check_output("rm -r /run/systemd/system/jupyter-grace.service.d; systemctl daemon-reload")
    host.check_output("rm /home/grace/notebooks; mv /home/grace/away /home/grace/notebooks")


def test_one_user_spoils_no_look_at_the_others(host: Host) -> None:
    """By a token that is none, in the file that is theirs. More of the kind is in the unit tests."""
    host.check_output(f"{AS_GRACE} sh -c 'cd /etc/gpulab/jupyter/grace; chmod u+w token; truncate -s 300M token'")
    said = run_playbook("status", ends=2, timeout=60).text
    assert "ada (ada, gpulab/notebook:stand-in): healthy" in said
    assert f"{MACHINE}: grace does not answer" in said


def test_former_user_is_shut_out(host: Host, opened: Notebook) -> None:
    path = "/etc/gpulab/jupyter/open/settings.json"
    former = host.file(opened.token_path).content_string
    assert opened.request("/api/status", token=former)[0] == 200
    settings: dict[str, Any] = json.loads(host.file(path).content_string)
    settings.update(user="ada", home="/home/ada/open")
    host.check_output(f"printf %%s %s > {path}", json.dumps(settings))
    host.check_output(f"{SUPERVISOR} restart open force")
    assert opened.request("/api/status", token=former)[0] == 403
    assert opened.request("/api/status")[0] == 200
    assert host.file(opened.token_path).user == "ada"
