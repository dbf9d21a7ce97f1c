"""TLS: the local authority, the files one brings along, and no plain HTTP for other machines."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import SdkException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkworkspaceapp.v1 import ListImageServersRequest, WorkspaceAppClient
from tests.service import PROGRAM, Service, leftovers

from goldsmith.certificates import CertificateProblem, provide, server_context
from goldsmith.cli.problems import Unusable
from goldsmith.settings import Settings
from goldsmith.setup import provide_tls, require_safe_transport

from .conftest import Wire

HSTS = "strict-transport-security"


def goldsmith(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GOLDSMITH_")}
    return subprocess.run(
        [PROGRAM, *arguments], env=clean | environment, capture_output=True, text=True, timeout=60, check=False
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(path: Path) -> set[str]:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Service]:
    """A service that `goldsmith init --tls` prepared."""
    folder = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("secured") / "data"))
    done = goldsmith("init", "--tls", "--data-dir", folder)
    assert done.returncode == 0, done.stderr
    service = Service(folder).start()
    yield service
    service.stop()
    assert leftovers(folder.parent) == []


def sdk(service: Service, ca_file: str | None) -> WorkspaceAppClient:
    known = service.credentials
    config = HttpConfig.get_default_config()
    config.retry_times = 0
    config.ssl_ca_cert = ca_file
    keys = BasicCredentials(known["access_key"], known["secret_key"], known["project_id"])
    builder = WorkspaceAppClient.new_builder().with_http_config(config).with_credentials(keys)
    return builder.with_endpoint(known["endpoint"]).build()


def test_init_makes_an_authority_and_serve_uses_it(secured: Service) -> None:
    known, tls = secured.credentials, secured.data_dir / "tls"

    assert known["endpoint"] == secured.endpoint
    assert secured.endpoint.startswith("https://127.0.0.1:")
    assert known["ca_file"] == str(tls / "ca.pem")
    assert sorted(path.name for path in tls.iterdir()) == ["ca.key", "ca.pem", "server.key", "server.pem"]
    assert [mode(tls), mode(tls / "ca.key"), mode(tls / "server.key")] == [0o700, 0o600, 0o600]
    assert names(tls / "server.pem") == {"localhost", "127.0.0.1", "::1", socket.gethostname()}

    answer = httpx.get(secured.endpoint + "/healthz", verify=ssl.create_default_context(cafile=known["ca_file"]))
    assert answer.headers[HSTS] == "max-age=31536000"


def test_the_official_sdk_comes_over_tls(secured: Service) -> None:
    client = sdk(secured, secured.credentials["ca_file"])

    assert client.list_image_servers(ListImageServersRequest()).count == 0


def test_the_command_line_comes_over_tls(secured: Service) -> None:
    for words in (("iam", "user", "list"), ("audit", "list"), ("audit", "export")):
        done = goldsmith(*words, "--data-dir", secured.data_dir)
        assert (done.returncode, done.stderr) == (0, ""), words


def test_who_does_not_know_the_authority_does_not_trust_the_server(secured: Service) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        Wire(secured.endpoint, ssl.create_default_context())


def test_old_protocols_are_not_spoken_and_http_1_1_is(secured: Service) -> None:
    trusted = secured.credentials["ca_file"]

    def agreed(version: ssl.TLSVersion) -> str | None:
        context = ssl.create_default_context(cafile=trusted)
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
        wire = Wire(secured.endpoint, context)
        try:
            assert isinstance(wire.socket, ssl.SSLSocket)
            assert wire.socket.selected_alpn_protocol() == "http/1.1"
            return wire.socket.version()
        finally:
            wire.socket.close()

    assert agreed(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert agreed(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    context = server_context(secured.data_dir / "tls" / "server.pem", secured.data_dir / "tls" / "server.key")
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_refusal_over_tls_has_its_headers_too(secured: Service) -> None:
    wire = Wire(secured.endpoint, ssl.create_default_context(cafile=secured.credentials["ca_file"]))

    answer = wire.send("GET / HTTP/1.1\r\n\r\n").answer()
    wire.socket.close()

    assert (answer.status, answer[HSTS]) == (400, "max-age=31536000")


def test_plain_http_to_a_tls_port_gets_nothing(secured: Service) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(secured.endpoint.replace("https:", "http:") + "/healthz")


def test_init_again_adds_tls_to_a_folder_and_keeps_what_is_good(folder: Path) -> None:
    before = json.loads((folder / "credentials.json").read_text())

    for _ in range(2):
        provide_tls(Settings(data_dir=folder))
    made = {path.name: path.read_bytes() for path in (folder / "tls").iterdir()}
    provide_tls(Settings(data_dir=folder, listen="images.example:8443"))
    after = json.loads((folder / "credentials.json").read_text())

    changed = {"endpoint": "https://images.example:8443", "ca_file": str(folder / "tls" / "ca.pem")}
    assert after == before | changed
    assert mode(folder / "credentials.json") == 0o600
    now = {path.name: path.read_bytes() for path in (folder / "tls").iterdir()}
    assert {name for name in made if now[name] != made[name]} == {"server.pem", "server.key"}
    assert "images.example" in names(folder / "tls" / "server.pem")


def test_a_certificate_is_renewed_in_time_and_not_before(tmp_path: Path) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = tmp_path / "tls" / "server.pem"

    provide(tmp_path / "tls", "127.0.0.1", begin)
    first = certificate.read_bytes()
    provide(tmp_path / "tls", "127.0.0.1", begin + timedelta(days=300))
    assert certificate.read_bytes() == first
    provide(tmp_path / "tls", "127.0.0.1", begin + timedelta(days=380))
    assert certificate.read_bytes() != first


def test_certificates_of_ones_own_are_served_and_then_to_other_machines(
    folder: Path, tmp_path: Path, new_service: type[Service]
) -> None:
    provide(tmp_path / "mine", "127.0.0.1")
    files = ("--tls-cert", str(tmp_path / "mine" / "server.pem"), "--tls-key", str(tmp_path / "mine" / "server.key"))

    service = new_service(folder.name).start("--listen", "0.0.0.0:0", *files)

    assert service.endpoint.startswith("https://0.0.0.0:")
    assert "ca_file" not in service.credentials
    context = ssl.create_default_context(cafile=tmp_path / "mine" / "ca.pem")
    port = service.endpoint.rsplit(":", 1)[1]
    assert httpx.get(f"https://localhost:{port}/healthz", verify=context).status_code == 200


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        provide(tmp_path / name, "127.0.0.1")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "broken").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    certificate, key = tmp_path / "a" / "server.pem", tmp_path / "a" / "server.key"

    for given, told in {
        (certificate, tmp_path / "b" / "server.key"): f"{tmp_path}/b/server.key is not that of the certificate",
        (tmp_path / "none", key): f"cannot read the TLS certificate {tmp_path}/none: No such file",
        (certificate, tmp_path / "none"): f"cannot read the TLS key {tmp_path}/none: No such file",
        (tmp_path / "text", key): "text is not in PEM form",
        (tmp_path / "broken", key): "cannot be used",
        (key, certificate): "cannot be used",
    }.items():
        with pytest.raises(CertificateProblem, match=told):
            server_context(*given)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--tls-cert", "a.pem"), "--tls-key is missing"),
        (("--tls-key", "a.key"), "--tls-cert is missing"),
        (("--tls-cert", "a.pem", "--tls-key", "a.key"), "cannot read the TLS certificate a.pem: No such file"),
    ],
)
def test_serve_says_what_is_wrong_before_it_makes_anything(tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    done = goldsmith("serve", "--data-dir", tmp_path / "new", "--listen", "127.0.0.1:0", *options)

    assert done.returncode == 1
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
def test_other_machines_are_not_served_without_tls(tmp_path: Path, listen: str) -> None:
    done = goldsmith("serve", "--data-dir", tmp_path / "new", "--listen", listen)

    assert done.returncode == 1
    assert "goldsmith init --tls" in done.stderr
    assert "--insecure-http" in done.stderr
    assert not (tmp_path / "new").exists()


def test_other_machines_are_served_without_tls_when_that_is_meant_or_a_proxy_has_it(
    folder: Path, new_service: type[Service]
) -> None:
    proxy = {"GOLDSMITH_TRUSTED_PROXIES": '["127.0.0.1"]'}
    service = new_service(folder.name, **proxy).start("--listen", "0.0.0.0:0", "--insecure-http")

    assert service.endpoint.startswith("http://0.0.0.0:")
    address = service.endpoint.replace("0.0.0.0", "127.0.0.1") + "/healthz"
    assert HSTS in httpx.get(address, headers={"X-Forwarded-Proto": "https"}).headers
    assert HSTS not in httpx.get(address).headers


@pytest.mark.parametrize(
    ("listen", "is_safe"),
    [("127.0.0.1:1", True), ("127.8.8.8:1", True), ("[::1]:1", True), ("localhost:1", True), ("192.0.2.1:1", False),
     ("[::ffff:192.0.2.1]:1", False), ("0.0.0.0:1", False), ("[::]:1", False), ("example.org:1", False)],
)  # fmt: skip
def test_only_this_machine_is_safe_without_tls(listen: str, is_safe: bool) -> None:
    settings = Settings(listen=listen)
    require_safe_transport(settings.model_copy(update={"allow_insecure_http": True}), None)
    if is_safe:
        require_safe_transport(settings, None)
        return
    with pytest.raises(Unusable, match="goldsmith init --tls"):
        require_safe_transport(settings, None)


def test_the_sdk_refuses_an_authority_it_was_not_told(secured: Service, tmp_path: Path) -> None:
    provide(tmp_path / "other", "127.0.0.1")

    with pytest.raises(SdkException):
        sdk(secured, str(tmp_path / "other" / "ca.pem")).list_image_servers(ListImageServersRequest())
