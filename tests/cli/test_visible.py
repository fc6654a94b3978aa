"""What comes from data reaches a terminal only as signs: no command to it, no turned line, and
nothing that its locale has no bytes for."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from helpers.terminals import lines_of, on_terminal

import nbt
from nbt.cli import run
from nbt.display.visible import visible
from nbt.training.report import html

EVIL = "a\x1b]0;owned\x07\x9b2J\u202eb\u2066\r\x7f"
SEEN = "a␛]0;owned␇\ufffd2J\ufffdb\ufffd␍␡"
LINUX = pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
PLAIN = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")  # rich's own colours and cursor


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain, naïve, 日本語 ∂h", "plain, naïve, 日本語 ∂h"),
        (EVIL, SEEN),
        ("\ud800x\udcff", "\ufffdx\ufffd"),
        ("one\ntwo\tthree", "one␊two␉three"),
        ("\u2028\u2029\u200e\u061c\ufeff", "\ufffd" * 5),
        ("a\xa0b \U0001f469\u200d\U0001f52c \ue000", "a\xa0b \U0001f469\u200d\U0001f52c \ue000"),
        (ValueError("x\x00"), "x␀"),
    ],
)
def test_signs(text, seen):
    assert visible(text) == seen
    assert visible(seen) == seen


def test_what_is_kept():
    assert visible("a\nb\tc\x1b", keep="\n\t") == "a\nb\tc␛"


# ---- models with such words and names ------------------------------------------------------------


def words(path, symbols):
    """A model that has learned these words, or characters, one after the other."""
    alphabet = nbt.streams.Alphabet(symbols)
    trainer = nbt.NoBackTrack(nbt.RNN(4), nbt.Softmax(len(alphabet)), seed=1)
    history = nbt.History({"stream": EVIL, "columns": [EVIL], "trainer": EVIL})
    history.add([0.5, 0.25], 0.1)
    place = {"name": EVIL + "\ud800", "state": {"position": 2}}
    nbt.Checkpoint(trainer, alphabet, place, history).save(path)
    return path


@pytest.fixture
def model(tmp_path):
    return words(tmp_path / "m", (EVIL, "x\ud800", "é", "日本"))


@pytest.fixture
def numbers(tmp_path):
    trainer = nbt.NoBackTrack(nbt.RNN(3), nbt.Gaussian(2), inputs=nbt.Vector(2))
    history = nbt.History({"columns": [EVIL, "y\udcff"], "unit": "nats", "stream": EVIL})
    history.add([0.5], 0.1)
    nbt.Checkpoint(trainer, None, None, history).save(tmp_path / "n")
    return tmp_path / "n"


ENVIRONMENTS = {
    "usual": {},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin": {"PYTHONIOENCODING": "latin-1"},
}
TERMINALS = ("usual", "ascii", "C")
COMMANDS = {
    "info": lambda model: ("info", "-m", model),
    "info --json": lambda model: ("info", "--json", "-m", model),
    "predict": lambda model: ("predict", "-m", model),
    "sample": lambda model: ("sample", "-n", "30", "-m", model),
    "an error": lambda model: ("info", "-m", model.with_name(f"none\x1b[2J{model.name}")),
    "a bad option": lambda model: ("sample", "-m", model, "--\x1b[2J\u202e"),
    "a bad value": lambda model: ("sample", "-m", model, "-n", "\x1b[2J\u202e"),
}


def harmless(text):
    """Is there nothing that a terminal would obey, but for the colours of rich?"""
    return not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]",
                         PLAIN.sub("", text))  # fmt: skip


@LINUX
@pytest.mark.parametrize("environment", TERMINALS)
@pytest.mark.parametrize("command", COMMANDS)
def test_on_a_terminal(model, command, environment):
    args, own = COMMANDS[command](model), ENVIRONMENTS[environment]
    stream = "stderr" if command.startswith("a") else "stdout"
    code, written = on_terminal(*args, stream=stream, **own)
    assert code == (2 if command.startswith("a") else 0), written
    assert harmless(written.replace("\r\n", "\n"))
    assert written.strip()


@LINUX
@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("command", ["info", "predict", "sample", "an error"])
def test_through_a_pipe(model, command, environment):
    args = [sys.executable, "-m", "nbt", *map(str, COMMANDS[command](model))]
    settings = {**os.environ, **ENVIRONMENTS[environment]}
    done = subprocess.run(args, capture_output=True, env=settings)
    assert done.returncode == (2 if command == "an error" else 0), done.stderr
    assert b"Traceback" not in done.stderr
    assert harmless(done.stderr.decode("latin-1" if environment == "latin" else "utf-8"))


@LINUX
@pytest.mark.parametrize("environment", TERMINALS)
def test_numbers(numbers, environment):
    for args in (("info", "-m", numbers), ("predict", "-m", numbers)):
        code, written = on_terminal(*args, stream="stdout", **ENVIRONMENTS[environment])
        assert code == 0, written
        assert harmless(written.replace("\r\n", "\n"))


# ---- samples -------------------------------------------------------------------------------------


def sample(*args, **environment):
    command = [sys.executable, "-m", "nbt", "sample", "-n", "400", *map(str, args)]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


@LINUX
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_samples_are_exact_in_a_pipe(tmp_path, environment):
    """Whatever the locale: characters in UTF-8, bytes as they are."""
    path = words(tmp_path / "m", "a\n\x1b\té\udcff")
    alphabet = nbt.Checkpoint.load(path).alphabet
    written = sample("-m", path, **ENVIRONMENTS[environment])
    text = written.decode("utf-8", "surrogateescape")
    assert len(text) == 400
    assert set(text) == set(alphabet.symbols)
    raw = words(tmp_path / "raw", bytes([0, 27, 97, 255]))
    assert set(sample("-m", raw, **ENVIRONMENTS[environment])) == {0, 27, 97, 255}


@LINUX
def test_samples_on_a_terminal(tmp_path):
    path = words(tmp_path / "m", "a\n\x1b\té")
    _, written = on_terminal("sample", "-n", "200", "-m", path, stream="stdout")
    assert {"a", "\n", "␛", "\t", "é"} <= set(written)
    assert "\x1b" not in written
    _, written = on_terminal("sample", "--raw", "-n", "200", "-m", path, stream="stdout")
    assert "\x1b" in written
    assert "␛" not in written


@LINUX
def test_bytes_on_a_terminal_are_read_as_utf_8(tmp_path):
    trainer = nbt.NoBackTrack(nbt.RNN(3), nbt.Softmax(2))
    trainer.learn([0, 1] * 500)
    path = tmp_path / "b"
    nbt.Checkpoint(trainer, nbt.streams.Alphabet(b"\xc3\xa9")).save(path)
    temperature = ("--temperature", "0.05")
    _, written = on_terminal("sample", "-n", "60", *temperature, "-m", path, stream="stdout")
    assert "é" in written
    assert "\ufffd" not in written


def test_readouts_wider_than_the_alphabet(tmp_path, capsysbinary):
    trainer = nbt.NoBackTrack(nbt.RNN(3), nbt.Softmax(5))
    nbt.Checkpoint(trainer, nbt.streams.Alphabet("ab")).save(tmp_path / "m")
    assert run(["sample", "-n", "50", "-m", str(tmp_path / "m")]) == 0
    assert set(capsysbinary.readouterr().out) == set(b"ab")
    assert run(["predict", "-m", str(tmp_path / "m")]) == 0


# ---- what learns, scores, and draws --------------------------------------------------------------


@LINUX
@pytest.mark.parametrize("environment", TERMINALS)
def test_training(tmp_path, environment):
    """A file with such a name, learned, kept and reported."""
    name = EVIL.replace("\x9b", "") + "[red]"
    source = tmp_path / name
    source.write_text("the cat sat on the mat\n" * 9)
    out = tmp_path / f"run{name}"
    args = ("train", source, "-o", out, "--units", "3", "--report", "--save", tmp_path / f"s{name}")
    code, written = on_terminal(*args, **ENVIRONMENTS[environment])
    assert code == 0, written
    assert harmless("\n".join(lines_of(written)).replace("\r", ""))  # of the live line
    page = (out / "report.html").read_text()
    assert harmless(page)
    assert "[red]" in page


@LINUX
@pytest.mark.parametrize("environment", TERMINALS)
def test_scores(tmp_path, environment):
    (tmp_path / "log").write_text("plain\n" * 20 + f"{EVIL}\n" + "日本語\n", encoding="utf-8")
    args = ("score", "--top", "3", tmp_path / "log")
    code, written = on_terminal(*args, stream="stdout", **ENVIRONMENTS[environment])
    assert code == 0, written
    assert harmless(written.replace("\r\n", "\n"))
    assert environment != "usual" or "日本語" in PLAIN.sub("", written)


@LINUX
def test_a_comparison(tmp_path):
    """Tables, pictures and the report, of a source whose name rich and matplotlib would read."""
    pytest.importorskip("matplotlib")
    source = tmp_path / "[red]$x^{\x1b[2J\u202e.txt"
    source.write_text("the cat sat on the mat\n" * 9)
    args = ("--steps", "50", "--seeds", "1", "--rules", "rtrl", "--jobs", "1", "--units", "3")
    code, written = on_terminal("compare", source, *args, "--output", tmp_path / "out")
    assert code == 0, written
    seen = "\n".join(lines_of(written))
    assert harmless(seen.replace("\r", "\n"))
    assert "[red]$x^{␛[2J" in seen.replace("\n", "")
    assert harmless((tmp_path / "out" / "report.html").read_text().replace("\r", ""))


@pytest.mark.filterwarnings("ignore:Glyph")  # a font need not have pictures of control characters
def test_pages_and_pictures(tmp_path):
    history = nbt.History({"stream": f"<b>{EVIL}$x^{{\ud800", "trainer": {"x": EVIL}})
    history.add([0.5, 0.25, 0.1], 0.1)
    page = html(history, EVIL)
    assert harmless(page)
    assert "<b>" not in page
    page.encode()
    pytest.importorskip("matplotlib")
    history.plot(tmp_path / "p.svg")
    assert harmless(pathlib.Path(tmp_path / "p.svg").read_text())


def test_settings_that_are_no_numbers(tmp_path):
    """What a file holds is shown or drawn as far as it makes sense."""
    for rate in ("x", [1], float("nan"), 1e308, None):
        history = nbt.History({"entropy_rate": rate, "columns": 3})
        history.add([1e300, 0.5, 0.25], 0.1)
        assert "<svg" in html(history, "t")


def test_warnings_are_a_line(tmp_path):
    """A followed file that is not there any more; its name is cleaned, too."""
    code = (
        "import sys, warnings, nbt.cli as cli\n"
        "cli.command.main = lambda *a, **k: warnings.warn('gone: \\x1b[2J\\nx') or 0\n"
        "cli.main([])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "nbt: warning: gone: ␛[2J x\n"


def test_json_is_ascii(model):
    args = [sys.executable, "-m", "nbt", "info", "--json", "-m", str(model)]
    done = subprocess.run(args, capture_output=True, text=True)
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["stream"] == EVIL + "\ud800"
