"""Beside another distribution with the same import name, whichever was installed last."""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
import types
import warnings
from pathlib import Path

import pytest

import nbt
from nbt import installation

SITE = Path(nbt.__file__).parents[1]
THEIRS = {
    "nbt/__init__.py": '__all__ = ["nbt", "world"]\nfrom . import *\n',
    "nbt/nbt.py": "class NBTFile: pass\n",
    "nbt/world.py": "",
}


@pytest.fixture
def site(tmp_path):
    """A folder of packages with ours in it."""
    shutil.copytree(SITE / "nbt", tmp_path / "nbt", ignore=shutil.ignore_patterns("__pycache__"))
    (info,) = SITE.glob("nobacktrack-*.dist-info")
    shutil.copytree(info, tmp_path / info.name)
    return tmp_path


def install_theirs(site, init=True):
    for name, text in THEIRS.items():
        if init or not name.endswith("__init__.py"):
            (site / name).write_text(text)
    info = site / "NBT-1.5.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: NBT\nVersion: 1.5.1\n")
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in THEIRS))


def python(site, *args):
    """A process that finds the packages of `site` first."""
    others = os.pathsep.join([str(site), sysconfig.get_paths()["purelib"]])
    env = {**os.environ, "PYTHONPATH": others}
    done = subprocess.run(
        [sys.executable, *args], env=env, cwd=site, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


SAID = ("NBT 1.5.1 (nbt/__init__.py, nbt/nbt.py, nbt/world.py)", "an environment of its own")


def test_alone_nothing_is_said(site):
    code, out, err = python(site, "-W", "error", "-c", "import nbt; print(nbt.__file__)")
    assert (code, err) == (0, "")
    assert out.startswith(str(site))
    code, out, err = python(site, "-m", "nbt", "--version")
    assert (code, err) == (0, "")
    assert "warning" not in out


def test_ours_last_warns(site):
    install_theirs(site, init=False)
    code, out, err = python(site, "-c", "import nbt; print(nbt.NoBackTrack.__name__)")
    assert (code, out) == (0, "NoBackTrack\n")
    for words in SAID:
        assert words in err
    code, out, _ = python(site, "-m", "nbt", "--version")
    assert code == 0
    assert all(words in out for words in SAID)


def test_theirs_last_the_command_says_it(site):
    install_theirs(site)
    assert python(site, "-c", "import nbt; nbt.nbt.NBTFile")[0] == 0
    for args in (["--version"], ["train", "data:anbn", "--steps", "9"]):
        code, out, err = python(site, "-m", "nbt", *args)
        assert (code, out) == (1, "")
        assert err.startswith("nbt: error: ")
        assert err.count("\n") == 1
        assert all(words in err for words in SAID)
    entry = "import sys; from nbt.cli import main; sys.exit(main())"  # as the script nbt has it
    assert python(site, "-c", entry)[2].startswith("nbt: error: other files lie among those")


def test_theirs_removed_again_the_command_says_what_to_do(monkeypatch):
    """With it went nbt/__init__.py, and what is left is a package without names."""
    monkeypatch.setitem(sys.modules, "nbt", types.ModuleType("nbt"))
    with pytest.raises(SystemExit, match="pip install --force-reinstall nobacktrack"):
        installation.check()


def test_a_file_of_nobody_is_left_alone(site):
    (site / "nbt" / "mine.py").write_text("")
    code, _, err = python(site, "-W", "error", "-c", "import nbt")
    assert (code, err) == (0, "")


def test_the_list_of_modules_that_import_later_is_right():
    """So that looking at other distributions' lists, which takes time, is not done for nothing."""
    code = "import nbt; from nbt import installation as i; print(i.strangers(), sorted(i.LATER))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    strange, later = out.stdout.splitlines()[0].split("] [")
    assert strange.strip("[ ") == ""
    files = {path.stem for path in Path(nbt.__file__).parent.glob("*.py")}
    assert set(installation.LATER) <= files, later


def test_looking_takes_less_than_a_millisecond():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        least = min(_seconds(installation.warn) for _ in range(50))
    assert least < 1e-3


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
