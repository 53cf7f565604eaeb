"""JupyterLab as `make lab` opens it: it asks nobody about news, and nothing of the network."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ".jupyter"
DEADLINE = 90
STARTED = "#jp-main-dock-panel .jp-NotebookPanel, #jp-main-dock-panel .jp-Launcher"


@pytest.fixture
def lab(tmp_path) -> Iterator[str]:
    """Yield the address of a JupyterLab of a person who never opened one, with the settings that `make lab` names."""
    recipe = re.search(r"^lab:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.M)[1]
    (found,) = re.findall(r'JUPYTER_CONFIG_PATH="\$\(CURDIR\)/([^:"]+)', recipe)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["lab", "--allow-root", "--no-browser", f"--port={port}", "--IdentityProvider.token=", "--ip=127.0.0.1"]
    words += [f"--ServerApp.root_dir={ROOT}", f"--LabApp.workspaces_dir={tmp_path}"]
    home = {
        "HOME": str(tmp_path),
        "JUPYTER_CONFIG_PATH": str(ROOT / found),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "own"),
    }
    home |= {"JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings")}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyter", *words], env=os.environ | home, stdout=log, stderr=log, cwd=tmp_path
        )
        try:
            _wait_for(address := f"http://127.0.0.1:{port}/lab", server, tmp_path / "log")
            yield address
        finally:
            server.terminate()
            server.wait(DEADLINE)


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    give_up = time.monotonic() + DEADLINE
    while time.monotonic() < give_up and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text("utf-8"))


def test_a_newcomer_is_asked_nothing_and_nothing_asks_the_network(chromium, lab):
    context = chromium.new_context()
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(lab)
    page.wait_for_selector(STARTED, timeout=DEADLINE * 1000)
    page.wait_for_timeout(3000)  # the question for news comes once all is there
    told = page.locator(".Toastify__toast").all_inner_texts()
    context.close()
    assert told == []
    assert not [url for url in asked if not url.startswith((lab.removesuffix("/lab"), "data:", "blob:"))]
    # what the server itself would ask for
    assert not [url for url in asked if re.search(r"/lab/api/(news|update)", url)]
