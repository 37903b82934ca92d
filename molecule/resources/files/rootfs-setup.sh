#!/bin/sh
# mmdebstrap customize hook: $1 is the new root. Turns a minimal system into a testbed machine.
set -eu
root=$1

install -m 0755 "$(dirname "$0")/testbed-init" "$root/usr/local/sbin/testbed-init"

install -m 0755 "$(dirname "$0")/testbed-packages" "$root/usr/local/sbin/testbed-packages"
cat > "$root/etc/apt/apt.conf.d/20testbed-packages" <<'APT'
APT::Update::Post-Invoke { "/usr/local/sbin/testbed-packages || true"; };
DPkg::Post-Invoke { "/usr/local/sbin/testbed-packages || true"; };
APT

chroot "$root" useradd --create-home --shell /bin/bash lab
echo 'lab ALL=(ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/lab"
chmod 0440 "$root/etc/sudoers.d/lab"

# sysctls are shared with the controller where they have no namespace: a testbed machine never writes them.
chroot "$root" systemctl mask --quiet systemd-sysctl.service

# Made again by testbed-init, so that no two machines share them.
rm -f "$root"/etc/ssh/ssh_host_*
