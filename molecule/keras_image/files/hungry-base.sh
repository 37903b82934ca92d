#!/bin/sh
# Makes the image $1 of nothing but a shell and an apt-get that wants more room than any disk has.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/usr/bin"
printf '#!/bin/sh\nexec dd if=/dev/zero of=/fill bs=1M\n' >"$root/usr/bin/apt-get"
chmod 0755 "$root/usr/bin/apt-get"
{
    printf '%s\n' /bin/sh /bin/dd
    ldd /bin/sh /bin/dd | grep -o '/[^ ]*[.]so[^ ]*'
} | sort -u >"$root/files"
tar --create --dereference --absolute-names --transform='s,^/,,' --files-from="$root/files" --directory="$root" usr/bin/apt-get |
    docker import - "$1"
