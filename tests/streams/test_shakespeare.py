"""Where the text comes from: a path, NBT_DATA_DIR, or one download; and one line where it cannot.

Nothing here leaves this machine: a server of our own stands for the one that has the files.
"""

import gc
import hashlib
import http.server
import os
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from nbt import baselines, datasets
from nbt.datasets import texts
from nbt.errors import DataError, MissingExtra

HERE = os.environ.get("NBT_DATA_DIR")
REAL = Path(HERE) / texts.FILE if HERE else None
SCARCE = "give a path, or set NBT_DATA_DIR to a folder with shakespeare.txt"


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch, tmp_path):
    monkeypatch.delenv("NBT_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    yield
    with warnings.catch_warnings():  # requests leaves a failed connection to the collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def served(monkeypatch):
    """Works to be served, and the names of those that were asked for."""
    works = {work: f"{work}\nto be, or not\n" for work in texts.WORKS.split()}
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            work = self.path.removeprefix("/").removesuffix(".txt")
            asked.append(work)
            body = works.get(work, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    whole = "".join(text + "\n" for text in works.values()).encode()
    monkeypatch.setattr(texts, "SOURCE", f"http://127.0.0.1:{server.server_address[1]}/")
    monkeypatch.setattr(texts, "SHA256", hashlib.sha256(whole).hexdigest())
    yield works, asked, whole
    server.shutdown()
    thread.join()
    server.server_close()


def read_all(stream):
    return stream.alphabet.decode(stream.read(1 << 24)).encode()


def test_a_path(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("exeunt")
    assert read_all(datasets.shakespeare(path)) == b"exeunt"
    with pytest.raises(DataError, match=r"there is no file '.*none.txt'$"):
        datasets.shakespeare(tmp_path / "none.txt")


def test_the_folder_of_data(tmp_path, monkeypatch):
    (tmp_path / texts.FILE).write_text("exit")
    monkeypatch.setenv("NBT_DATA_DIR", str(tmp_path))
    assert read_all(datasets.by_name("shakespeare", seed=3)) == b"exit"


@pytest.mark.parametrize("named", [True, False])
def test_downloads_once(served, tmp_path, monkeypatch, named):
    pytest.importorskip("pooch")
    _, asked, whole = served
    folder = tmp_path / ("data" if named else "cache/nbt")
    if named:
        monkeypatch.setenv("NBT_DATA_DIR", str(folder))
    stream = datasets.shakespeare()
    assert read_all(stream) == whole
    assert asked == texts.WORKS.split()
    assert (folder / texts.FILE).read_bytes() == whole
    assert read_all(datasets.shakespeare()) == whole
    assert len(asked) == 42
    assert [path.name for path in folder.iterdir()] == [texts.FILE]


@pytest.mark.parametrize(
    ("damage", "why"), [({"hamlet": "to be"}, "another checksum"), ({"hamlet": ""}, "answers 404")]
)
def test_one_line_for_a_bad_download(served, tmp_path, damage, why):
    pytest.importorskip("pooch")
    works, *_ = served
    works.update(damage)
    with pytest.raises(DataError) as caught:
        datasets.shakespeare()
    check_line(str(caught.value), why)
    assert not list((tmp_path / "cache").rglob("*.txt"))


def test_one_line_without_a_network(monkeypatch):
    pytest.importorskip("pooch")
    monkeypatch.setattr(texts, "SOURCE", "http://127.0.0.1:9/")
    with pytest.raises(DataError) as caught:
        datasets.shakespeare()
    check_line(str(caught.value), "no connection to 127.0.0.1:9")


def test_one_line_without_pooch(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtra) as caught:
        datasets.shakespeare()
    check_line(str(caught.value), "pip install 'nobacktrack[data]'")


def check_line(line, why, limit=180):
    assert line.startswith("shakespeare: ")
    assert why in line
    assert line.endswith((SCARCE, SCARCE.replace("give a", "or give a")))
    assert "\n" not in line
    assert len(line) < limit


@pytest.mark.skipif(
    not (REAL and REAL.is_file()), reason=f"NBT_DATA_DIR={HERE or ''} has no file {texts.FILE}"
)
class TestTheRealText:
    def test_is_the_one_that_is_downloaded(self):
        assert hashlib.sha256(REAL.read_bytes()).hexdigest() == texts.SHA256

    def test_size(self):
        stream = datasets.shakespeare(REAL)
        assert len(stream.alphabet) == 80
        assert sum(len(stream.read(1 << 20)) for _ in range(6)) == 5_283_837
        assert (stream.endless, stream.entropy_rate) == (False, None)

    @pytest.mark.parametrize(
        ("depth", "alpha", "most"), [(8, 0.2, 2.054), (8, 0.5, 2.08), (4, 0.5, 2.153)]
    )
    def test_context_tree_weighting(self, depth, alpha, most):
        losses = baselines.CTW(80, depth, alpha=alpha).learn(datasets.shakespeare(REAL).read(10**6))
        assert losses.mean() / np.log(2) <= most
