#!/bin/sh
# Makes the image $1 of this host's shell, C library and whatever else its nvidia-smi links to. The toolkit brings nvidia-smi and the
# driver's libraries into each container, so nothing more is needed in there, and nothing is pulled.
set -eu
programs="/bin/sh $(command -v nvidia-smi || true) $(/sbin/ldconfig -p | sed -n 's/.*libnvidia-ml\.so\.1 .*=> //p')"
# `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f...)`, `/lib64/ld-linux-x86-64.so.2 (0x7f...)`. A script or static program has none.
{
    echo /bin/sh
    for program in $programs; do ldd "$program" 2>/dev/null | grep -o '/[^ ]*' || true; done
} | sort -u | tar --create --dereference --absolute-names --transform='s,^/,,' --files-from=- |
    docker import --change='CMD ["nvidia-smi"]' - "$1"
