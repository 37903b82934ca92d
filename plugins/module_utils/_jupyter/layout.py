# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and places that the parts of a notebook service agree on."""

from __future__ import annotations

from pathlib import Path

CONFIG = Path("/etc/gpulab/jupyter")
STATE = Path("/var/lib/gpulab/jupyter")
# Where directories are mounted that users have opened, while a container starts.
RUN = Path("/run/gpulab/jupyter")
UNITS = Path("/etc/systemd/system")
PROC = Path("/proc")

HOME_INSIDE = "/home/keras"
TOKEN_INSIDE = "/run/secrets/jupyter_token"  # noqa: S105 (a path)
PRIVATE_KEY_INSIDE = "/run/secrets/jupyter_private_key"
CERTIFICATE_INSIDE = "/run/gpulab/certificate.pem"
# Jupyter looks here before anywhere else.
SERVER_CONFIG_INSIDE = "/run/gpulab"
SERVER_CONFIG = "jupyter_server_config.json"
PORT_INSIDE = 8888

# Which instance a container belongs to, and what it was started from.
LABEL_INSTANCE = "gpulab.workstation.jupyter"
LABEL_SETTINGS = "gpulab.workstation.settings"
LABEL_IMAGE = "gpulab.workstation.image"
# The fingerprint of its certificate, where it speaks TLS.
LABEL_CERTIFICATE = "gpulab.workstation.certificate"
