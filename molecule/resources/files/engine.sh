#!/bin/sh
# Starts and stops Docker Engine on a controller whose first process is not systemd (a container, a CI sandbox).
# Debian's init script cannot do it there: it raises limits and mounts cgroups, and gives up when either is refused.
#
#   engine.sh start   start dockerd in a process group of its own, wait until it answers
#   engine.sh stop    stop what `start` started, or what create.yml started through systemd, and no other engine
set -eu
pid_file=/run/gpulab-testbed-engine.pid
log_file=/var/log/gpulab-testbed-engine.log
unit_note=/run/gpulab-testbed-engine.unit

ours() {
    [ -r "$pid_file" ] && pid=$(cat "$pid_file") && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}

case ${1:-} in
start)
    setsid dockerd >>"$log_file" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$pid_file"
    for _ in $(seq 120); do
        if docker version >/dev/null 2>&1; then
            exit 0
        fi
        if ! kill -0 "$pid" 2>/dev/null; then
            break
        fi
        sleep 0.5
    done
    echo "Docker Engine did not answer within 60 seconds. The last lines of $log_file:" >&2
    tail -n 20 "$log_file" >&2
    exit 1
    ;;
stop)
    if ours; then
        kill -TERM "$pid"
        for _ in $(seq 60); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.5
        done
        if kill -0 "$pid" 2>/dev/null; then
            echo "Docker Engine (process $pid) is still shutting down after 30 seconds; see $log_file." >&2
            exit 1
        fi
        echo "stopped Docker Engine (process $pid)"
    fi
    rm -f "$pid_file"
    if [ -e "$unit_note" ]; then
        systemctl stop docker.socket docker.service
        rm -f "$unit_note"
        echo "stopped docker.service"
    fi
    ;;
*)
    echo "usage: $0 start|stop" >&2
    exit 2
    ;;
esac
