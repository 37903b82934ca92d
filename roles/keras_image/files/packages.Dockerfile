# More Python packages on top of the Keras image. Read from stdin, without a context; the secrets are those of Dockerfile.
ARG PARENT
FROM ${PARENT} AS builder

USER root
RUN --mount=type=secret,id=ca_bundle,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=index_url,target=/run/index_url \
    index=$(cat /run/index_url 2>/dev/null || true); export ${index:+PIP_INDEX_URL="$index"} PIP_NO_CACHE_DIR=1 \
        PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    && pip install --quiet --require-hashes --target /opt/tools -r /opt/keras/share/gpulab/tools.txt


FROM ${PARENT}

ARG PACKAGES
USER root
# What the image holds is a constraint: a package that needs another version of it is an error here, not a surprise in a notebook.
RUN --mount=type=bind,from=builder,source=/opt/tools,target=/tmp/tools \
    --mount=type=secret,id=ca_bundle,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=index_url,target=/run/index_url \
    --mount=type=cache,target=/var/cache/uv,sharing=locked \
    index=$(cat /run/index_url 2>/dev/null || true); export ${index:+UV_DEFAULT_INDEX="$index"} VIRTUAL_ENV=/opt/keras \
        SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt UV_CACHE_DIR=/var/cache/uv UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy \
    && /tmp/tools/bin/uv pip freeze >/run/constraints.txt \
    && printf '%s\n' "$PACKAGES" >/run/packages.txt \
    && /tmp/tools/bin/uv pip install --constraint /run/constraints.txt -r /run/packages.txt \
    && rm /run/constraints.txt /run/packages.txt
USER keras
