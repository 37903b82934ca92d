# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the registry answers, over TLS and by its own authority: who may read, who may write."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import typing as t

# An upload that begins is what every push begins with. The repository need not exist.
_UPLOAD = "/v2/gpulab-probe/blobs/uploads/"
READ = ("GET", "/v2/")
WRITE = ("POST", _UPLOAD)


class _Connection(http.client.HTTPSConnection):
    """Connects to an address of its own, while the certificate has to name the host."""

    def __init__(self, address: str, port: int, host: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._address = address
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


def questions(accounts: t.Mapping[str, str], pull_port: int, push_port: int) -> list[dict[str, t.Any]]:
    """Everything that must hold: port, account (empty: nobody), request, and the status that it has to get.

    Refused writes only: an upload that is let in leaves a trace in the storage.
    """
    asked = []
    for port, readers in ((pull_port, ("pull", "push")), (push_port, ("push",))):
        asked.append({"port": port, "account": "", "request": READ, "expected": 401})
        for account in sorted(accounts):
            asked.append(
                {"port": port, "account": account, "request": READ, "expected": 200 if account in readers else 401}
            )
    for account in sorted(accounts):
        asked.append({"port": pull_port, "account": account, "request": WRITE, "expected": 405})
    asked.append({"port": push_port, "account": "", "request": WRITE, "expected": 401})
    return asked


def ask(
    question: t.Mapping[str, t.Any],
    passwords: t.Mapping[str, str],
    address: str,
    host: str,
    ca: str,
    timeout: float,
) -> dict[str, t.Any]:
    """The answer to one question: its status (0: none), the problem in words, and whether it is as expected."""
    method, path = question["request"]
    found = {
        "port": question["port"],
        "account": question["account"],
        "method": method,
        "expected": question["expected"],
        "status": 0,
        "problem": "",
    }
    headers = {}
    if question["account"]:
        login = f"{question['account']}:{passwords[question['account']]}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
    try:
        context = ssl.create_default_context(cadata=ca)
        connection = _Connection(address, question["port"], host, context, timeout)
        try:
            connection.request(method, path, headers=headers)
            found["status"] = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        found["problem"] = str(error)
    return {**found, "good": found["status"] == question["expected"]}
