#!/bin/sh
# Runs a command as whatever user the container was given.

# A user without a name has many programs fail, git among them. /etc/passwd is no file to write to; libnss-extrausers reads this one.
if ! getent passwd "$(id -u)" >/dev/null; then
    echo "notebook:x:$(id -u):$(id -g)::$HOME:/bin/bash" 2>/dev/null >/tmp/.passwd || true
fi

# So that the first plot does not have to look for fonts.
fonts=${XDG_CACHE_HOME:-$HOME/.cache}/matplotlib
if [ ! -e "$fonts" ] && mkdir -p "$fonts" 2>/dev/null; then
    cp /opt/keras/share/gpulab/matplotlib/fontlist-*.json "$fonts"
fi

exec "$@"
