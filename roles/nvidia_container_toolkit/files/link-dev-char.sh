#!/bin/sh
# Links the NVIDIA device nodes in /dev/char, as `nvidia-ctk system create-dev-char-symlinks` does, which may not be installed yet.
# Prints the links that it makes.
set -eu
mkdir -p /dev/char
for node in /dev/nvidia* /dev/nvidia-caps/*; do
    [ -c "$node" ] || continue
    link=/dev/char/$(printf '%d:%d' "0x$(stat -c %t "$node")" "0x$(stat -c %T "$node")")
    [ "$link" -ef "$node" ] && continue
    ln -sfn "..${node#/dev}" "$link"
    echo "$link"
done
