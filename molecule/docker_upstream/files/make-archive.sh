#!/bin/sh
# Makes a signed archive in upstream's layout below $1, out of the distribution's own packages:
#   linux/debian/gpg, linux/debian/dists/trixie, linux/debian/pool
set -eu
archive=$1/linux/debian
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
architecture=$(dpkg --print-architecture)
pool=$archive/pool
mkdir -p "$pool"
cd "$work"

# The engine's packages are offered as three versions: the pinned one, a patch release of it, and one of the next series.
versions="26.1.4 26.1.5 27.0.1"

# Of what nobody installs, the name and the version do.
empty() { case $1 in 27.*) rm -rf "$name/usr" ;; esac; }

apt-get -o APT::Sandbox::User=root download -qq docker.io docker-cli containerd runc docker-buildx docker-compose

# Unpacks these into $name, with the scripts of the last.
unpack() {
    for package in "$@"; do
        rm -rf "$name/DEBIAN"
        mkdir -p "$name"
        dpkg-deb --raw-extract "$package"_*.deb "$name"
    done
}

# Writes the control file of the package that was unpacked into $name; its fields come from standard input.
control() {
    { printf 'Package: %s\nVersion: %s\nArchitecture: %s\n' "$name" "$1" "$architecture"
      printf 'Maintainer: gpulab.workstation authors <noreply@example.com>\nDescription: %s for tests\n' "$name"
      cat; } >"$name/DEBIAN/control"
    rm -f "$name/DEBIAN/md5sums"
}

# Not compressed: nothing of it is sent anywhere.
build() { dpkg-deb --root-owner-group -Znone --build "$name" "$pool" >/dev/null; }

# Dependencies and conflicts as in docker/docker-ce-packaging, deb/common/control.
name=docker-ce
unpack docker.io
for version in $versions; do
    empty "$version"
    control "5:$version-1~debian.13~trixie" <<FIELDS
Depends: containerd.io (>= 1.7.27), docker-ce-cli, iptables, tini, libc6, libsystemd0, init-system-helpers (>= 1.54~)
Conflicts: docker (<< 1.5~), docker-engine, docker.io
Replaces: docker-engine, docker-ce-cli (<< 5:28.0.0)
FIELDS
    build
done

name=docker-ce-cli
unpack docker-cli
for version in $versions; do
    empty "$version"
    control "5:$version-1~debian.13~trixie" <<FIELDS
Depends: libc6
Recommends: docker-buildx-plugin, docker-compose-plugin
Conflicts: docker (<< 1.5~), docker-engine, docker.io
Replaces: docker-ce (<< 5:0)
Breaks: docker-ce (<< 5:0)
FIELDS
    build
done

# Upstream's containerd.io brings runc along.
name=containerd.io
unpack runc containerd
control "1.7.27-1" <<FIELDS
Depends: libc6, libseccomp2 (>= 2.5.0)
Conflicts: containerd, runc
Replaces: containerd, runc
Provides: containerd, runc
FIELDS
build

# Neither conflicts with docker-buildx, whose file it also has: whoever replaces that must remove it first.
name=docker-buildx-plugin
unpack docker-buildx
control "0.13.1-1~debian.13~trixie" <<FIELDS
Depends: libc6
Replaces: docker-ce-cli
Enhances: docker-ce-cli
FIELDS
build

name=docker-compose-plugin
unpack docker-compose
control "2.26.1-1~debian.13~trixie" <<FIELDS
Depends: libc6
Conflicts: docker-compose
Replaces: docker-compose
Breaks: docker-compose
FIELDS
build

export GNUPGHOME="$work/gnupg"
mkdir -m 0700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key 'Docker archive for tests' ed25519 sign never
gpg --batch --quiet --armor --export >"$archive/gpg"

cd "$archive"
packages=dists/trixie/stable/binary-$architecture
mkdir -p "$packages"
apt-ftparchive --no-md5 --no-sha1 --no-sha512 packages pool >"$packages/Packages"
apt-ftparchive -o APT::FTPArchive::Release::Suite=trixie -o APT::FTPArchive::Release::Codename=trixie \
    -o APT::FTPArchive::Release::Components=stable -o "APT::FTPArchive::Release::Architectures=$architecture" \
    release dists/trixie >"$work/Release"
gpg --batch --quiet --clearsign --output dists/trixie/InRelease "$work/Release"
