# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the notebook container: gives a cell to a new kernel over the server's own API, prints its output."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
import uuid
from pathlib import Path

import websocket

HOST = "127.0.0.1:8888"
HEADERS = {"Authorization": "token " + Path(os.environ["JUPYTER_TOKEN_FILE"]).read_text().strip()}


def api(method: str, path: str) -> bytes:
    request = urllib.request.Request(f"http://{HOST}{path}", method=method, headers=HEADERS)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


kernel = json.loads(api("POST", "/api/kernels"))["id"]
try:
    socket = websocket.create_connection(
        f"ws://{HOST}/api/kernels/{kernel}/channels",
        header=[f"{name}: {value}" for name, value in HEADERS.items()],
        timeout=120,
    )
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": uuid.uuid4().hex, "username": ""}
    content = {"code": sys.argv[1], "silent": False, "store_history": False}
    socket.send(
        json.dumps({"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content})
    )
    while True:
        message = json.loads(socket.recv())
        if message["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            sys.stdout.write(message["content"]["text"])
        if message["msg_type"] == "error":
            raise SystemExit("\n".join(message["content"]["traceback"]))
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            break
finally:
    api("DELETE", f"/api/kernels/{kernel}")
