# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS: the pair of an instance, when it is outdated, and that nobody else's server gets the token."""

from __future__ import annotations

import itertools
import json
import os
import ssl
import stat
import subprocess
import time
import typing as t
import urllib.request
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import certificate, layout
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.certificate import (
    certificate_problems,
    check_pair,
    names_for,
    parse_addresses,
    parse_openssl,
    prepare_certificate,
    public_url,
    read_certificate,
    renewal_problem,
    why_outdated,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.container import (
    container_options,
    server_config,
    settings_hash,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.files import prepare
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.preflight import list_problems
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.removal import remove
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.server import (
    Endpoint,
    NoAnswerError,
    request,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import (
    Account,
    Settings,
    find_account,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.status import status
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    TOKEN,
    Docker,
    MakeSettings,
    Server,
)

EVERYWHERE = "0.0.0.0"  # noqa: S104
MakePair = t.Callable[..., tuple[Path, Path]]


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "gpu7")
    monkeypatch.setattr("socket.getfqdn", lambda *_of: "gpu7.example.org")
    monkeypatch.setattr(certificate, "addresses", lambda: ["10.0.0.7"])


@pytest.fixture
def make_pair(tmp_path: Path) -> MakePair:
    """As an operator has them from elsewhere."""
    numbers = itertools.count()

    def make(names: str = "DNS:notebook.example.org", password: str = "") -> tuple[Path, Path]:
        number = next(numbers)
        public, private = tmp_path / f"fullchain{number}.pem", tmp_path / f"privkey{number}.pem"
        secret = ["-passout", f"pass:{password}"] if password else ["-nodes"]
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *secret),
                *("-subj", "/CN=notebook", "-addext", f"subjectAltName={names}", "-days", "90"),
                *("-keyout", str(private), "-out", str(public)),
            ],
            capture_output=True,
            check=True,
        )
        return public, private

    return make


@pytest.fixture
def make_given(make_settings: MakeSettings, make_pair: MakePair) -> t.Callable[..., Settings]:
    def make(**pair: t.Any) -> Settings:
        public, private = make_pair(**pair)
        return make_settings(tls="files", tls_certificate=str(public), tls_private_key=str(private))

    return make


def start(settings: Settings) -> Path:
    """What a start does before it runs the container."""
    account = find_account(settings.user)
    prepare(settings, account)
    prepare_certificate(settings, account)
    return settings.certificate_file


def test_openssl_text() -> None:
    ends, names = parse_openssl(
        "notAfter=Feb 23 05:50:14 2029 GMT\n"
        "X509v3 Subject Alternative Name: critical\n"
        "    DNS:tls1, IP Address:198.18.0.6, DNS:*.example.org, IP Address:FE80:0:0:0:0:0:0:1, email:ada@example.org\n"
    )
    assert time.gmtime(ends)[:6] == (2029, 2, 23, 5, 50, 14)
    assert names == ["tls1", "198.18.0.6", "*.example.org", "fe80::1"]
    # Before 3.0 it says so on stderr where there is no such extension.
    assert parse_openssl("notAfter=Feb 23 05:50:14 2029 GMT\n")[1] == []
    with pytest.raises(ValueError, match="notAfter"):
        parse_openssl("")


def test_addresses_of_containers_are_not_the_machines() -> None:
    devices: list[dict[str, t.Any]] = [
        {"ifname": "eth0", "addr_info": [{"local": "10.0.0.7"}, {"local": "2001:db8::1", "temporary": True}]},
        {"ifname": "docker0", "addr_info": [{"local": "172.17.0.1"}]},
        {"ifname": "br-0a1b2c3d4e5f", "addr_info": [{"local": "172.18.0.1"}]},
        {"ifname": "br0", "addr_info": [{}, {"local": "10.0.1.7"}]},
        {},
    ]
    assert parse_addresses(devices) == ["10.0.0.7", "10.0.1.7"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (EVERYWHERE, ["gpu7.example.org", "gpu7", "10.0.0.7", "localhost", "127.0.0.1", "::1"]),
        ("10.0.0.7", ["gpu7.example.org", "gpu7", "10.0.0.7"]),
        ("127.0.0.1", ["gpu7.example.org", "gpu7", "127.0.0.1"]),
    ],
)
def test_generated_certificate_has_the_names_that_people_use(
    address: str, expected: list[str], make_settings: MakeSettings
) -> None:
    settings = make_settings(tls="generated", bind_address=address)
    assert names_for(settings) == expected
    assert read_certificate(start(settings)).names == expected


def test_generated_pair(make_settings: MakeSettings) -> None:
    settings = make_settings(tls="generated")
    first = start(settings).read_bytes()
    found = check_pair(settings.certificate_file, settings.private_key_file)
    assert 820 < (found.ends - time.time()) / 86400 < 826
    assert stat.S_IMODE(settings.private_key_file.stat().st_mode) == 0o400
    assert settings.private_key_file.stat().st_uid == find_account(settings.user).uid
    assert sorted(path.name for path in settings.certificate_file.parent.iterdir()) == [
        *("generated_certificate.pem", "generated_private_key.pem", "settings.json", "token")
    ], "nothing of the making is left"
    assert start(settings).read_bytes() == first, "a second start must not change what people compared"
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-text", "-in", settings.certificate_file],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "CA:FALSE" in text
    assert "TLS Web Server Authentication" in text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("nothing", ""),
        ("host name", "a certificate without gpu8"),
        ("bind address", "a certificate without 10.0.0.9"),
        ("time", "a certificate that ends on 20"),
        ("lost key", "no certificate"),
    ],
)
def test_generated_certificate_is_renewed(
    change: str, expected: str, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(tls="generated", bind_address="10.0.0.7")
    before = start(settings).read_bytes()
    if change == "host name":
        monkeypatch.setattr("socket.gethostname", lambda: "gpu8")
    if change == "bind address":
        settings = make_settings(tls="generated", bind_address="10.0.0.9")
    if change == "time":
        later = time.time() + 800 * 86400
        monkeypatch.setattr(time, "time", lambda: later)
    if change == "lost key":
        settings.private_key_file.unlink()
    assert why_outdated(settings).startswith(expected)
    assert bool(why_outdated(settings)) is bool(expected)
    after = start(settings).read_bytes()
    assert (after != before) is bool(expected)
    if change != "time":
        assert not why_outdated(settings)


def test_given_pair_is_copied_for_the_user_and_its_renewal_noticed(
    make_given: t.Callable[..., Settings], make_pair: MakePair
) -> None:
    settings = make_given()
    start(settings)
    assert settings.certificate_file.read_bytes() == Path(settings.tls_certificate).read_bytes()
    assert stat.S_IMODE(settings.private_key_file.stat().st_mode) == 0o400
    assert not why_outdated(settings)
    renewed = make_pair()
    for new, old in zip(renewed, (settings.tls_certificate, settings.tls_private_key), strict=True):
        new.replace(old)
    assert why_outdated(settings) == "an older certificate"
    start(settings)
    assert not why_outdated(settings)


@pytest.mark.parametrize(
    ("day", "expected"), [(59, ""), (61, "ends on 20"), (91, "ended on 20")], ids=["early", "near", "over"]
)
def test_given_certificate_near_its_end_is_named(
    day: int, expected: str, make_given: t.Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_given()
    start(settings)
    later = time.time() + day * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    problem = renewal_problem(settings)
    assert bool(problem) is bool(expected)
    assert expected in problem
    if expected:
        assert f"The certificate {settings.tls_certificate} of instance keras " in problem
        assert f"renew it in {settings.tls_certificate}" in problem
    # That of the last start is used on where somebody took it away.
    Path(settings.tls_certificate).unlink()
    assert expected in renewal_problem(settings)


def test_chain_that_was_completed_is_noticed(make_given: t.Callable[..., Settings]) -> None:
    settings = make_given()
    start(settings)
    with open(settings.tls_certificate, "a", encoding="utf-8") as file:
        file.write(settings.certificate_file.read_text())
    assert why_outdated(settings) == "an older certificate"


def test_broken_renewal_does_not_take_a_notebook_down(
    make_given: t.Callable[..., Settings], make_pair: MakePair, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = make_given()
    before = start(settings).read_bytes()
    make_pair()[1].replace(settings.tls_private_key)
    assert not why_outdated(settings), "what cannot be used is not waited for"
    assert start(settings).read_bytes() == before
    assert "does not belong to the certificate" in capsys.readouterr().out
    settings.certificate_file.unlink()
    with pytest.raises(OperatorError, match="`tls_private_key`"):
        start(settings)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("no certificate", "fullchain0.pem cannot be read: No such file"),
        ("no key", "privkey0.pem cannot be read: No such file"),
        ("not PEM", "fullchain0.pem holds no certificate in PEM form"),
        ("rubbish", "fullchain0.pem holds no certificate that can be read"),
        ("other key", "does not belong to the certificate"),
        ("empty key", "cannot be used"),
        ("encrypted key", "is encrypted"),
        ("no path", "`tls_certificate` (empty) is no absolute path"),
        ("ended", "fullchain0.pem ended on 20"),
        ("nothing", ""),
    ],
)
def test_preflight_of_given_files(
    damage: str,
    expected: str,
    make_given: t.Callable[..., Settings],
    make_pair: MakePair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = make_given(password="secret" if damage == "encrypted key" else "")
    public, private = Path(settings.tls_certificate), Path(settings.tls_private_key)
    if damage == "no certificate":
        public.unlink()
    if damage == "no key":
        private.unlink()
    if damage == "not PEM":
        public.write_bytes(b"\x30\x82\xff")
    if damage == "rubbish":
        public.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    if damage == "other key":
        make_pair()[1].replace(private)
    if damage == "empty key":
        private.write_text("")
    if damage == "no path":
        settings = settings._replace(tls_certificate="")
    if damage == "ended":
        later = time.time() + 100 * 86400
        monkeypatch.setattr(time, "time", lambda: later)
    problems = certificate_problems(settings)
    assert expected in " ".join(problems)
    assert bool(problems) is bool(expected)


def test_preflight_without_openssl(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "the package openssl" in certificate_problems(make_settings(tls="generated"))[0]
    assert not certificate_problems(make_settings())


@pytest.mark.parametrize(("tls", "allowed"), [("none", False), ("generated", True), ("files", True)])
def test_other_addresses_need_tls(tls: str, allowed: bool, make_settings: MakeSettings) -> None:
    problems = list_problems([make_settings(tls=tls, bind_address=EVERYWHERE)], allow_plain_http=False)
    assert (not problems) is allowed
    assert allowed or "Set it to generated" in problems[0]


def test_server_is_told_by_a_file(make_settings: MakeSettings, account: Account) -> None:
    settings = make_settings(tls="generated", cull_idle_minutes=30)
    options = " ".join(container_options(settings, account, "1"))
    assert "JUPYTER_CONFIG_PATH=/run/gpulab" in options
    assert f'"source={layout.STATE}/keras/jupyter_server_config.json"' in options
    assert f'"source={layout.CONFIG}/keras/generated_private_key.pem",target=/run/secrets/' in options
    assert options.count("readonly") == 6
    assert server_config(settings) == {
        "ServerApp": {"certfile": "/run/gpulab/certificate.pem", "keyfile": "/run/secrets/jupyter_private_key"},
        "MappingKernelManager": {
            "cull_idle_timeout": 1800,
            "cull_interval": 60,
            "cull_connected": False,
            "cull_busy": False,
        },
        "TerminalManager": {"cull_inactive_timeout": 1800, "cull_interval": 60},
    }
    prepare(settings, find_account(settings.user))
    written = settings.state / "jupyter_server_config.json"
    assert json.loads(written.read_text()) == server_config(settings)
    assert stat.S_IMODE(written.stat().st_mode) == 0o644


def test_nothing_is_told_without_need(make_settings: MakeSettings, account: Account) -> None:
    assert not server_config(make_settings())
    assert "JUPYTER_CONFIG_PATH" not in " ".join(container_options(make_settings(), account, "1"))


def test_hash_names_what_the_server_is_told(make_settings: MakeSettings, account: Account) -> None:
    changes: list[dict[str, t.Any]] = [{}, {"tls": "files"}, {"tls": "generated"}]
    changes += [{"cull_idle_minutes": 30}, {"cull_idle_minutes": 31}]
    assert len({settings_hash(make_settings(**change), account) for change in changes}) == len(changes)


def test_settings_of_the_first_release_are_understood(make_settings: MakeSettings) -> None:
    settings = make_settings()
    assert (settings.tls, settings.cull_idle_minutes) == ("none", 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "http://127.0.0.1:8888"),
        ({"bind_address": EVERYWHERE}, "http://gpu7.example.org:8888"),
        ({"bind_address": "10.0.0.7"}, "http://10.0.0.7:8888"),
        ({"bind_address": "2001:db8::7"}, "http://[2001:db8::7]:8888"),
        ({"tls": "generated"}, "https://127.0.0.1:8888"),
        ({"tls": "generated", "bind_address": "::"}, "https://gpu7.example.org:8888"),
        ({"tls": "generated", "bind_address": "10.0.0.7"}, "https://10.0.0.7:8888"),
    ],
)
def test_url_that_people_can_open(changes: dict[str, t.Any], expected: str, make_settings: MakeSettings) -> None:
    settings = make_settings(**changes)
    if settings.tls == "generated":
        start(settings)
    scheme = expected.partition(":")[0]
    assert public_url(settings, scheme, settings.bind_address, settings.port) == expected


@pytest.mark.parametrize(
    ("names", "address", "expected"),
    [
        ("DNS:notebook.example.org", EVERYWHERE, "notebook.example.org"),
        ("DNS:notebook.example.org", "10.0.0.7", "notebook.example.org"),
        ("DNS:notebook.example.org", "127.0.0.1", "127.0.0.1"),
        ("DNS:*.example.org,IP:10.0.0.7", EVERYWHERE, "gpu7.example.org"),
        ("DNS:*.example.org,IP:10.0.0.7", "10.0.0.7", "10.0.0.7"),
    ],
)
def test_url_has_a_name_that_the_certificate_has(
    names: str, address: str, expected: str, make_given: t.Callable[..., Settings]
) -> None:
    settings = make_given(names=names)._replace(bind_address=address)
    start(settings)
    assert public_url(settings, "https", address, 8888) == f"https://{expected}:8888"


def test_machine_that_is_only_known_as_localhost(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getfqdn", lambda: "localhost.localdomain")
    assert public_url(make_settings(), "http", EVERYWHERE, 8888) == "http://gpu7:8888"


@pytest.fixture
def tls_settings(docker: Docker, server: Server, make_settings: MakeSettings) -> Settings:
    """An instance that runs what is configured, with TLS."""
    made = make_settings(port=server.port, tls="generated")
    start(made)
    made.token_file.chmod(0o600)
    made.token_file.write_text(TOKEN)
    server.speak_tls(made.certificate_file, made.private_key_file)
    started_from = {
        layout.LABEL_SETTINGS: settings_hash(made, find_account(made.user)),
        layout.LABEL_IMAGE: "sha256:one",
        layout.LABEL_CERTIFICATE: read_certificate(made.certificate_file).fingerprint,
    }
    docker.put_container(made, labels=started_from)
    return made


def test_status_by_tls(tls_settings: Settings) -> None:
    found = status("keras")
    assert found["health"] == "healthy"
    assert found["refuses_wrong_token"]
    assert found["url"] == f"https://127.0.0.1:{tls_settings.port}/lab"
    assert found["fingerprint"] == read_certificate(tls_settings.certificate_file).fingerprint
    assert found["differs"] == []
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", tls_settings.certificate_file],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.strip().endswith(f"={found['fingerprint']}")


def test_outdated_certificate_waits_for_a_busy_notebook(
    tls_settings: Settings, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/api/terminals"] = [{"name": "1"}]
    monkeypatch.setattr("socket.gethostname", lambda: "gpu8")
    assert status("keras")["pending"] == (
        "Instance keras runs with a certificate without gpu8, because terminal 1 is open."
    )


def test_generated_certificate_near_its_end_says_what_to_do(
    tls_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = read_certificate(tls_settings.certificate_file).end_date
    later = time.time() + 800 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    found = status("keras")
    assert found["pending"] == (
        f"Instance keras runs with a certificate that ends on {ends} (site.yml, or `systemctl restart "
        f"jupyter-keras.service`, makes another)."
    )
    assert found["certificate"] == ""


def test_given_certificate_of_a_notebook_that_runs(
    tls_settings: Settings, make_given: t.Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = make_given()
    assert status("keras")["certificate"] == ""
    later = time.time() + 61 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    assert f"renew it in {given.tls_certificate}" in status("keras")["certificate"]


def test_running_server_is_asked_as_it_was_started(tls_settings: Settings, make_settings: MakeSettings) -> None:
    make_settings(port=tls_settings.port, tls="none")
    found = status("keras")
    assert found["health"] == "healthy"
    assert found["url"].startswith("https://")
    assert found["differs"] == ["older settings"]


def test_token_is_not_sent_to_another_server(tls_settings: Settings, server: Server) -> None:
    with pytest.raises(NoAnswerError, match="another certificate"):
        request(Endpoint(f"https://127.0.0.1:{server.port}", "00"), "/api/status", TOKEN)
    assert server.asked == []
    with pytest.raises(NoAnswerError):
        request(Endpoint(f"http://127.0.0.1:{server.port}"), "/api")


def test_strict_clients_accept_the_generated_certificate(tls_settings: Settings) -> None:
    context = ssl.create_default_context(cafile=str(tls_settings.certificate_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(f"https://127.0.0.1:{tls_settings.port}/api", timeout=5) as answer:
        assert answer.status == 200


def test_removal_takes_keys_away(docker: Docker, make_settings: MakeSettings) -> None:
    settings = make_settings(tls="generated")
    start(settings)
    remove(settings.name, force=False)
    assert not settings.certificate_file.parent.exists()
    assert [path.name for path in settings.state.iterdir()] == ["home"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_key_belongs_to_the_user_of_the_notebook(make_settings: MakeSettings) -> None:
    settings = make_settings(tls="generated")
    settings.state.mkdir(parents=True)
    for uid in (65534, 65533):
        prepare_certificate(settings, Account("somebody", uid, uid, "/nonexistent"))
        owner = settings.private_key_file.stat()
        assert (owner.st_uid, stat.S_IMODE(owner.st_mode)) == (uid, 0o400)
