#!/bin/sh
# The demo: a testbed machine, provisioned by the real site.yml, its notebook behind a tunnel.
#
#   demo.sh up [simulated]       make it, or bring it up to date; with `simulated`, its GPUs too
#   demo.sh url                  print the notebook's URL with its token
#   demo.sh login                a shell on the machine
#   demo.sh report [FRAMEWORK]   up to which layer its GPUs are visible
#   demo.sh down                 remove it
set -eu
cd "$(dirname "$0")/../.."

machine=${GPULAB_DEMO_NAME:-gpulab-demo}
state=$PWD/.cache/$machine
inventory=$state/inventory.yml
ssh_config=$state/ssh_config
tunnel=$HOME/.ansible/cp/$machine-tunnel
playbook=.venv/bin/ansible-playbook
# What an inventory says of simulated GPUs; where it is, the machine has them.
gpus=$state/group_vars/workstations.yml
export GPULAB_TESTBED_STATE="$state"
export ANSIBLE_CONFIG="$PWD/ansible.cfg"

steps=3
number=0
step() {
    number=$((number + 1))
    printf '\n==> %s/%s %s\n' "$number" "$steps" "$*"
}

# sudo's password is asked for once per playbook, and only where sudo wants one.
ask=
if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then ask=-K; fi

machines() { printf '{"testbed_machines": [{"name": "%s"}], "testbed_inventory": "%s"}' "$machine" "$inventory"; }

tunnel_is_up() { ssh -F "$ssh_config" -S "$tunnel" -O check "$machine" 2>/dev/null; }

free_port() {
    .venv/bin/python - <<'PYTHON'
import socket
for port in range(18888, 18920):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            print(port)
            break
else:
    raise SystemExit("Every port from 18888 to 18919 is taken on this machine: free one, then run `make demo` again.")
PYTHON
}

up() {
    ended=0
    case ${1:-} in
    '') if [ -f "$gpus" ]; then steps=5; fi ;;
    simulated) steps=5 ;;
    *)
        echo "GPU=$1 is nothing that the demo has: use GPU=simulated, or leave it out." >&2
        exit 2
        ;;
    esac
    begin=$(date +%s)
    step "Make the testbed machine $machine (about 10 seconds; a minute the first time, when it has to be bootstrapped)"
    $playbook $ask molecule/resources/create.yml -e "$(machines)"

    if [ "$steps" = 5 ]; then
        step "Simulate two GPUs: device nodes, what /sys and /proc would show, a stand-in for nvidia-smi, stand-ins for NVIDIA's packages"
        mkdir -p "$(dirname "$gpus")"
        cp molecule/resources/vars/simulated_gpus.yml "$gpus"
        $playbook -i "$inventory" molecule/resources/simulate_gpus.yml
    fi

    step "Provision it: ansible-playbook -i ${inventory#"$PWD"/} site.yml (about 4 minutes the first time, seconds later)"
    ANSIBLE_CALLBACKS_ENABLED=ansible.posix.profile_roles PROFILE_ROLES_SUMMARY_ONLY=true \
        $playbook -i "$inventory" site.yml

    step "Open a tunnel to the notebook"
    mkdir -p "$(dirname "$tunnel")"
    if ! tunnel_is_up; then
        # What a reboot or a kill left behind would keep ssh from listening there.
        rm -f "$tunnel"
        port=$(free_port)
        echo "$port" >"$state/port"
        ssh -F "$ssh_config" -M -S "$tunnel" -f -N -o ExitOnForwardFailure=yes -L "127.0.0.1:$port:127.0.0.1:8888" "$machine"
    fi
    port=$(cat "$state/port")
    version=$(.venv/bin/python -c 'import json, sys, urllib.request
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(json.load(direct.open(sys.argv[1], timeout=20))["version"])' "http://127.0.0.1:$port/api")

    if [ "$steps" = 5 ]; then
        step "Look at the simulated GPUs: ansible-playbook -i ${inventory#"$PWD"/} playbooks/gpu_report.yml"
        report "" || ended=$?
    fi

    cat <<TEXT

Done in $(($(date +%s) - begin)) seconds. Jupyter Server $version answers on this machine's own loopback:

    http://127.0.0.1:$port/lab

Where to look next:
    make demo-url         the same URL with its token: open it in a browser
    make demo-ssh         log in, as on any workstation
    make demo             run it again: nothing changes, in seconds
    make demo-down        remove all of it
TEXT
    if [ "$steps" = 5 ]; then what_to_break; fi
    return "$ended"
}

what_to_break() {
    cat <<TEXT

The GPUs are simulated, and so are nvidia-smi and NVIDIA's packages. Real are apt, Docker, CDI, the notebook's container with its
device nodes, and the report. No program can compute on such GPUs, so the report did not ask one:

    make demo-report FRAMEWORK=tensorflow      asks TensorFlow in the notebook, which sees none

Break a layer by hand, as root of the machine (make demo-ssh, then sudo -i), and see with make demo-report what it says. The second
line of each undoes it:
TEXT
    .venv/bin/python - molecule/resources/vars/gpu_breaks.yml <<'PYTHON'
import sys
import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    for one in yaml.safe_load(file)["gpu_breaks"]:
        print(f"\n    {one['what']}, for the finding {one['finding']}:")
        print(f"        {one['break']}\n        {one['repair']}")
PYTHON
}

must_run() {
    if ! [ -f "$ssh_config" ] || ! tunnel_is_up; then
        echo "The demo is not running. Start it with: make demo" >&2
        exit 1
    fi
}

url() {
    must_run
    token=$(ssh -F "$ssh_config" "$machine" sudo cat /etc/gpulab/jupyter/keras/token)
    echo "http://127.0.0.1:$(cat "$state/port")/lab?token=$token"
}

login() {
    must_run
    exec ssh -F "$ssh_config" "$machine"
}

report() {
    must_run
    if [ -f "$gpus" ]; then echo "The GPUs of $machine are simulated: no program can compute on them."; fi
    $playbook -i "$inventory" playbooks/gpu_report.yml ${1:+-e "{\"gpu_report_frameworks\": [\"$1\"]}"}
}

down() {
    printf '\n==> %s\n' "Close the tunnel, remove $machine and what it was made from"
    if [ -f "$ssh_config" ] && tunnel_is_up; then
        ssh -F "$ssh_config" -S "$tunnel" -O exit "$machine" 2>/dev/null
    fi
    $playbook $ask molecule/resources/destroy.yml -e "$(machines)" -e testbed_purge=true
    rm -rf "$state"
    echo
    echo "Removed. The distribution packages that were installed stay, and .venv (make clean)."
}

case ${1:-} in
up | url | login | report | down) "$@" ;;
*)
    echo "usage: $0 up [simulated]|url|login|report [FRAMEWORK]|down" >&2
    exit 2
    ;;
esac
