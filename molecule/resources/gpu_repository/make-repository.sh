#!/bin/sh
# Makes a signed, flat repository below $1, in the layout of NVIDIA's, out of the stand-ins in files/ beside this script.
set -eu
repository=$1
files=$(dirname "$0")/files
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
archive=$repository/stable/deb/$architecture
mkdir -p "$archive"

# package NAME VERSION ARCHITECTURE FIELD...: packs $work/NAME, which may have been filled before.
package() {
    name=$1
    mkdir -p "$work/$name/DEBIAN"
    {
        printf 'Package: %s\nVersion: %s\nArchitecture: %s\n' "$name" "$2" "$3"
        printf 'Maintainer: gpulab.workstation authors <noreply@example.com>\n'
        shift 3
        for field in "$@"; do echo "$field"; done
        printf 'Description: stand-in for %s\n' "$name"
    } >"$work/$name/DEBIAN/control"
    dpkg-deb --root-owner-group -Zgzip -z1 --build "$work/$name" "$archive" >/dev/null
    rm -r "${work:?}/$name"
}

# program PACKAGE NAME: takes one of files/ along. Python's have a module's name there, and no first line of a program.
program() {
    mkdir -p "$work/$1/usr/bin"
    module=$files/$(echo "$2" | tr - _).py
    if [ -f "$module" ]; then
        { echo '#!/usr/bin/python3'; cat "$module"; } >"$work/$1/usr/bin/$2"
    else
        sed "s/@VERSION@/$version/" "$files/$2" >"$work/$1/usr/bin/$2"
    fi
    chmod 0755 "$work/$1/usr/bin/$2"
}

# Dependencies as in NVIDIA/nvidia-container-toolkit, packaging/debian/control.
for version in 1.19.1 1.20.0; do
    for name in nvidia-ctk nvidia-container-runtime; do program nvidia-container-toolkit-base $name; done
    base=$work/nvidia-container-toolkit-base
    mkdir -p "$base/usr/lib/systemd/system" "$base/DEBIAN"
    cp "$files"/nvidia-cdi-refresh.* "$base/usr/lib/systemd/system/"
    install -m 0755 "$files/postinst" "$files/prerm" "$base/DEBIAN/"
    package nvidia-container-toolkit-base "$version-1" "$architecture" 'Depends: python3'

    program nvidia-container-toolkit nvidia-container-runtime-hook
    package nvidia-container-toolkit "$version-1" "$architecture" \
        "Depends: nvidia-container-toolkit-base (= $version-1), libnvidia-container-tools (>= $version-1), libnvidia-container-tools (<< 2.0.0)"

    program libnvidia-container-tools nvidia-container-cli
    package libnvidia-container-tools "$version-1" "$architecture" "Depends: libnvidia-container1 (>= $version-1)"
    package libnvidia-container1 "$version-1" "$architecture"
done

# nvidia-docker 2 has daemon.json as its configuration file, so purging it would take the engine's settings along.
mkdir -p "$work/nvidia-docker2/etc/docker" "$work/nvidia-docker2/usr/bin" "$work/nvidia-docker2/DEBIAN"
cat >"$work/nvidia-docker2/etc/docker/daemon.json" <<'SETTINGS'
{
    "runtimes": {
        "nvidia": {
            "path": "nvidia-container-runtime",
            "runtimeArgs": []
        }
    }
}
SETTINGS
echo /etc/docker/daemon.json >"$work/nvidia-docker2/DEBIAN/conffiles"
cat >"$work/nvidia-docker2/usr/bin/nvidia-docker" <<'PROGRAM'
#!/bin/sh
exec docker "$@"
PROGRAM
chmod 0755 "$work/nvidia-docker2/usr/bin/nvidia-docker"
package nvidia-docker2 2.13.0-1 all 'Conflicts: nvidia-docker (<< 2.0.0)' 'Breaks: nvidia-docker (<< 2.0.0)'
package nvidia-docker 1.0.1-1 all

export GNUPGHOME="$work/gnupg"
mkdir -m 0700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key 'NVIDIA repository for tests' ed25519 sign never
gpg --batch --quiet --armor --export >"$repository/gpgkey"

cd "$archive"
apt-ftparchive packages . >Packages
apt-ftparchive release . >"$work/Release"
gpg --batch --quiet --clearsign --output InRelease "$work/Release"
