"""The authority signs what SPIFFE asks for, survives a restart, and keeps its keys to itself."""

from __future__ import annotations

import ipaddress
import json
import stat
from pathlib import Path

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from mesh.identity.authority import Authority, CsrError
from mesh.identity.keys import new_key, signing_request
from mesh.identity.tokens import TokenError, TokenVerifier
from plexus.mesh.v1.identity_service_pb2 import Svid


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "authority", "plexus.local")


def _names(svid: Svid) -> x509.SubjectAlternativeName:
    certificate = x509.load_pem_x509_certificate(svid.certificate_pem.encode())
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_a_certificate_carries_one_spiffe_id_and_is_signed_by_the_bundle(
    authority: Authority,
) -> None:
    svid = authority.sign(signing_request(new_key()), "records", 60)
    spiffe_id = "spiffe://plexus.local/ns/plexus/sa/records"
    assert svid.spiffe_id == spiffe_id
    assert _names(svid).get_values_for_type(x509.UniformResourceIdentifier) == [spiffe_id]
    certificate = x509.load_pem_x509_certificate(svid.certificate_pem.encode())
    certificate.verify_directly_issued_by(
        x509.load_pem_x509_certificate(svid.trust_bundle_pem.encode())
    )
    assert svid.expire_time.seconds == int(certificate.not_valid_after_utc.timestamp())


def test_only_who_is_given_hosts_can_be_known_by_them(authority: Authority) -> None:
    request = signing_request(new_key())
    plain = _names(authority.sign(request, "records", 60))
    hosted = _names(authority.sign(request, "control-plane", 60, ["127.0.0.1", "localhost"]))
    assert plain.get_values_for_type(x509.DNSName) == ["records.plexus.local"]
    assert plain.get_values_for_type(x509.IPAddress) == []
    assert hosted.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]
    assert "localhost" in hosted.get_values_for_type(x509.DNSName)


def test_it_is_the_same_authority_after_a_restart_and_nobody_else_reads_its_keys(
    tmp_path: Path,
) -> None:
    first = Authority.open(tmp_path / "authority", "plexus.local")
    second = Authority.open(tmp_path / "authority", "plexus.local")
    assert first.trust_bundle == second.trust_bundle
    assert first.token_keys() == second.token_keys()
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "authority").iterdir()
    }
    assert modes == {"ca.key": 0o600, "ca.pem": 0o644, "token.key": 0o600}


def _foreign_request() -> str:
    key = rsa.generate_private_key(65537, 2048)
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return request.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("csr_pem", "why"),
    [("", "read"), ("-----BEGIN NOTHING-----", "read"), (_foreign_request(), "P-256")],
    ids=["empty", "malformed", "another kind of key"],
)
def test_a_request_that_cannot_be_signed_is_refused(
    authority: Authority, csr_pem: str, why: str
) -> None:
    with pytest.raises(CsrError, match=why):
        authority.sign(csr_pem, "records", 60)


def _verifier(authority: Authority, path: Path) -> TokenVerifier:
    path.write_text(authority.token_keys())
    return TokenVerifier(path)


def test_a_token_says_who_it_speaks_for_and_what_it_opens(
    authority: Authority, tmp_path: Path
) -> None:
    token, expires = authority.issue_token("app_portal", ["triage.write", "records.read"], 60)
    found = _verifier(authority, tmp_path / "keys.json").verify(token)
    assert found.subject == "app_portal"
    assert found.scopes == {"records.read", "triage.write"}
    assert found.expires == expires


def test_a_token_that_is_not_good_is_refused(authority: Authority, tmp_path: Path) -> None:
    verifier = _verifier(authority, tmp_path / "keys.json")
    other = Authority.open(tmp_path / "other", "plexus.local")
    good, _ = authority.issue_token("app_portal", [], 60)
    unsigned = jwt.encode(jwt.decode(good, options={"verify_signature": False}), "", "none")
    for bad in (
        "",
        "a.b.c",
        good[:-8] + "AAAAAAAA",
        unsigned,
        other.issue_token("app_portal", [], 60)[0],
        authority.issue_token("app_portal", [], -1)[0],
    ):
        with pytest.raises(TokenError):
            verifier.verify(bad)


def test_a_remembered_token_is_refused_once_its_keys_are_replaced(
    authority: Authority, tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    verifier = _verifier(authority, path)
    token, _ = authority.issue_token("app_portal", [], 60)
    verifier.verify(token)
    other = Authority.open(tmp_path / "other", "plexus.local")
    path.write_text(other.token_keys())
    assert json.loads(path.read_text())["keys"][0]["alg"] == "ES256"
    newer, _ = other.issue_token("app_portal", [], 60)
    verifier.verify(newer)
    with pytest.raises(TokenError):
        verifier.verify(token)
