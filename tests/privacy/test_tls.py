"""A server that is not local is reached by TLS, by a certificate of its name that is trusted, or not at all."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from postgres_server import PASSWORD, QUOTED, running

from bankmine.bank.snapshot import read_source
from bankmine.errors import SourceError


def authority(folder: Path) -> Path:
    """Write the certificate of a new authority, and one of a server called localhost that it signed."""
    now, keys = dt.datetime.now(dt.UTC), [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("authority", "localhost")]
    for number, (key, name, file) in enumerate(zip(keys, names, ("root.crt", "server.crt"), strict=True)):
        made = x509.CertificateBuilder(names[0], name, key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=2))
        made = made.add_extension(x509.BasicConstraints(not number, None), critical=True)
        if number:
            made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        (folder / file).write_bytes(made.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    (folder / "server.key").touch(0o600)
    (folder / "server.key").write_bytes(keys[1].private_bytes(*reversed(plain)))
    return folder / "root.crt"


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    """A server with TLS: its port, and the certificate of its authority."""
    folder = tmp_path_factory.mktemp("authority")
    root = authority(folder)
    with running(folder / "server.crt", folder / "server.key") as place:
        yield place.rpartition(":")[2], root


def reached(folder: Path, monkeypatch, place: str, **told: object) -> int:
    """Open a source in a database; return how many customers it has."""
    database = {
        "driver": "postgresql",
        "uri_env": "TEST_BANK_URI",
        "relations": {"customers": "SELECT 1 AS customer_id"},
    }
    content = {"database": database | told, "extracted_on": dt.date(2025, 12, 31)}
    (folder / "source.yml").write_text(yaml.safe_dump(content), "utf-8")
    monkeypatch.setenv("TEST_BANK_URI", f"postgresql://bank:{QUOTED}@{place}")
    return read_source(str(folder)).raw["customers"].count().to_pyarrow().as_py()


def test_a_server_that_proves_its_name_is_reached(trusted, tmp_path, monkeypatch):
    port, root = trusted
    shutil.copy(root, tmp_path)
    assert reached(tmp_path, monkeypatch, f"localhost:{port}/postgres", root_certificate="root.crt") == 1


WRONG = {
    "another name": ("127.0.0.1", "", "root.crt", "its certificate is of another name"),
    "another authority of its name": ("localhost", "", "other.crt", "its certificate is not signed by the authority"),
    "unknown authority": ("localhost", "", None, "its certificate is of no trusted authority"),
    "authority that is not there": ("localhost", "", "none.crt", "the root_certificate of source.yml is not there"),
    "a weaker mode": ("localhost", "?sslmode=require", "root.crt", "the URI says a weaker sslmode than verify-full"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_any_other_server_is_refused_in_one_line(trusted, tmp_path, monkeypatch, what):
    host, more, file, said = WRONG[what]
    port, root = trusted
    (tmp_path / "others").mkdir()
    shutil.copy(authority(tmp_path / "others"), tmp_path / "other.crt")
    shutil.copy(root, tmp_path)
    told = {"root_certificate": file} if file else {}
    with pytest.raises(SourceError, match=said) as refused:
        reached(tmp_path, monkeypatch, f"{host}:{port}/postgres{more}", **told)
    assert "\n" not in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_a_server_without_tls_is_reached_only_where_it_is_said_to_be_local(server, tmp_path, monkeypatch):
    with pytest.raises(SourceError, match="the server answers without TLS"):
        reached(tmp_path, monkeypatch, f"{server}/postgres")
    assert reached(tmp_path, monkeypatch, f"{server}/postgres", local=True) == 1
