"""A PostgreSQL server of the tests' own, where PostgreSQL is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSWORD = "g€heim:4@h/x y"
QUOTED = "g%E2%82%ACheim%3A4%40h%2Fx%20y"
POSTGRES = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server of the test's own; gives host and port."""
    with running() as place:
        yield place


@contextmanager
def running(*tls: Path) -> Iterator[str]:
    """Run a server, with TLS if a certificate and its key are given; give host and port."""
    if not POSTGRES.is_dir():
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    folder = Path(tempfile.mkdtemp())
    (folder / "password").write_text(PASSWORD, "utf-8")
    kept = [Path(shutil.copy(file, folder)) for file in tls]
    user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    if user:
        for path in (folder, folder / "password", *kept):
            shutil.chown(path, user)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [POSTGRES / program, "-D", folder / "db", *arguments],
            user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    run("initdb", "-U", "bank", f"--pwfile={folder / 'password'}", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync")
    secured = f" -c ssl=on -c ssl_cert_file={kept[0]} -c ssl_key_file={kept[1]}" if kept else ""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run(
        "pg_ctl",
        "-w",
        "-l",
        str(folder / "log"),
        "-o",
        f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -F" + secured,
        "start",
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)
