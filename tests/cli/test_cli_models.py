"""`nbt predict`, `score` and `info` of models that are used as they were not learned."""

import json
import subprocess
import sys

import numpy as np
import pytest

import nbt
from nbt.cli import run


@pytest.fixture
def table(tmp_path):
    rows = [f"{'ab'[i % 2]},{i % 3},{2 * (i % 3) + 1}" for i in range(60)]
    path = tmp_path / "w.csv"
    path.write_text("\n".join(["word,rain,flow", *rows]) + "\n")
    return path


def said(capsys, *args):
    """Exit code, stdout, stderr."""
    capsys.readouterr()
    code = run([str(arg) for arg in args])
    return (code, *capsys.readouterr())


# ---- forecasts of a model with targets ----------------------------------------------------------


@pytest.fixture
def flow(table, tmp_path):
    path = tmp_path / "flow.st"
    assert (
        run(["train", str(table), "--columns", "rain", "--target", "flow", "--save", str(path)])
        == 0
    )
    return path


def test_a_target_is_not_fed_as_an_input(flow, capsys):
    code, out, err = said(capsys, "predict", "-m", flow, "--ahead", 3)
    assert (code, out) == (2, "")
    assert "predicts flow from rain; give the 3 records of rain to come with --inputs FILE" in err


def test_a_target_is_forecast_from_the_inputs_to_come(flow, tmp_path, capsys):
    (tmp_path / "to_come.csv").write_text("flow,rain\n,2\n,0\n,1\n")
    args = ["predict", "-m", flow, "--ahead", 3, "--json", "--inputs", tmp_path / "to_come.csv"]
    code, out, _ = said(capsys, *args)
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    x = np.array([[2.0], [0.0], [1.0]])
    expected = nbt.load(flow).forecast(3, quantiles=(0.05, 0.5, 0.95), x=x)
    assert [row["50%"] for row in rows] == pytest.approx(expected[1, :, 0])
    assert [row["column"] for row in rows] == ["flow"] * 3
    code, _, err = said(capsys, *args[:4], 4, *args[5:])
    assert code == 2
    assert "--inputs: expected 4 records, got 3" in err


def test_inputs_are_for_models_that_need_them(table, tmp_path, capsys):
    path = tmp_path / "rain.st"
    assert run(["train", str(table), "--columns", "rain", "--save", str(path)]) == 0
    code, _, err = said(capsys, "predict", "-m", path, "--ahead", 2, "--inputs", table)
    assert (code, "predicts its own inputs" in err) == (2, True)
    code, _, err = said(capsys, "predict", "-m", path, "--inputs", table)
    assert (code, "--inputs needs --ahead" in err) == (2, True)


# ---- words --------------------------------------------------------------------------------------


@pytest.fixture
def words(table, tmp_path):
    path = tmp_path / "words.st"
    args = ["--format", "csv", "--column", "word", "--save", str(path)]
    assert run(["train", str(table), *args]) == 0
    return path


@pytest.mark.parametrize("temperature", ["1e-9", "1e-310"])
def test_the_coldest_samples_are_the_most_probable_symbols(words, temperature, capfd):
    capfd.readouterr()
    args = ["-m", str(words), "-n", "6", "--prompt", "b", "--temperature", temperature]
    assert run(["sample", *args]) == 0
    assert capfd.readouterr().out.split() == list("ababab")


def test_a_model_of_words_reads_as_it_learned(words, table, capsys):
    code, out, _ = said(capsys, "predict", "-m", words, table)
    assert code == 0
    said_so = said(capsys, "predict", "-m", words, table, "--format", "csv", "--column", "word")
    assert said_so[:2] == (0, out)
    settings = nbt.Checkpoint.load(words).history.settings
    assert (settings["format"], settings["column"]) == ("csv", "word")


def test_where_it_is_not_known_how_it_learned_that_is_asked(words, table, tmp_path, capsys):
    checkpoint = nbt.Checkpoint.load(words)
    for key in ("format", "column"):  # as an older version left them out
        del checkpoint.history.settings[key]
    checkpoint.save(tmp_path / "older.st")
    code, _, err = said(capsys, "predict", "-m", tmp_path / "older.st", table)
    assert code == 2
    assert "learned words; give --format csv or jsonl, and --column" in err
    given = ("--format", "csv", "--column", "word")
    assert said(capsys, "predict", "-m", tmp_path / "older.st", table, *given)[0] == 0
    code, _, err = said(capsys, "score", "-m", words, table)
    assert (code, "expected a model of characters or bytes" in err) == (2, True)


# ---- a file of the model's symbols ---------------------------------------------------------------

READS = {  # formats with which a model of each reads a file, and what its symbols are called
    "text": ("characters", {"text", "lines"}),
    "bytes": ("bytes", {"text", "lines", "bytes"}),
    "npy": ("integers", {"npy"}),
    "csv": ("words", {"csv"}),
}


@pytest.mark.parametrize("learned", READS)
def test_a_model_reads_files_of_its_own_symbols(learned, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("hello\n" * 30)
    (tmp_path / "a.csv").write_text("word\n" + "a\nb\n" * 30)
    np.save(tmp_path / "a.npy", np.arange(60) % 3)
    places = {"csv": tmp_path / "a.csv", "npy": tmp_path / "a.npy"}

    def reads(format):
        column = ("--column", "word") if format == "csv" else ()
        return (places.get(format, tmp_path / "a.txt"), "--format", format, *column)

    model, (called, formats) = tmp_path / "m", READS[learned]
    assert said(capsys, "train", *reads(learned), "--save", model)[0] == 0
    own = said(capsys, "predict", "-m", model, reads(learned)[0])
    assert own == said(capsys, "predict", "-m", model, *reads(learned))
    assert own[0] == 0, own
    for format in ("text", "lines", "bytes", "npy", "csv"):
        code, _, err = said(capsys, "predict", "-m", model, *reads(format))
        if format in formats:
            assert code == 0, (format, err)
        else:
            assert code == 2
            assert f"learned {called}; give --format" in err
            assert len(err.splitlines()) == 1


# ---- a run that failed at once ------------------------------------------------------------------


def test_a_run_that_learned_nothing_says_why(tmp_path, capsys):
    path, folder = tmp_path / "e.csv", tmp_path / "run"
    path.write_text("x,y\n1,ERR\n2,3\n")
    args = ["train", path, "--columns", "x,y", "-o", folder]
    assert said(capsys, *args)[0] == 3
    for more in ([], ["--ahead", 2]):
        code, out, err = said(capsys, "predict", "-m", folder, *more)
        assert (code, out) == (2, "")
        assert "has learned nothing, as its run failed: " in err
        assert "'ERR' is not a number" in err
    facts = json.loads(said(capsys, "info", "-m", folder, "--json")[1])
    assert "'ERR' is not a number" in facts["failure"]
    path.write_text("x,y\n1,4\n2,3\n")
    assert said(capsys, *args, "--resume")[0] == 0
    assert said(capsys, "predict", "-m", folder)[0] == 0
    assert json.loads(said(capsys, "info", "-m", folder, "--json")[1])["failure"] is None


def test_a_run_that_has_not_begun_says_so(tmp_path, capsys):
    stream = nbt.streams.symbols([0, 1], alphabet=nbt.streams.Alphabet("ab"))
    trainer = nbt.NoBackTrack(nbt.RNN(2), nbt.Softmax(2))
    trainer.save(tmp_path / "m", stream, nbt.History())
    for command in ("predict", "sample"):
        code, _, err = said(capsys, command, "-m", tmp_path / "m")
        assert (code, "has learned nothing yet" in err) == (2, True)


def test_a_reader_that_goes_away_is_no_failure(tmp_path, capsys):
    """`nbt train … | head -1`: the run can go on, and info names no failure."""
    path, folder = tmp_path / "a.txt", tmp_path / "run"
    path.write_text("abracadabra\n" * 20000)
    command = [sys.executable, "-m", "nbt", "train", str(path), "-o", str(folder)]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, **pipe) as process:
        for _ in range(11):  # what it learns with, and the first row
            process.stdout.readline()
        process.stdout.close()
    assert process.returncode == 0
    facts = json.loads(said(capsys, "info", "-m", folder, "--json")[1])
    assert 0 < facts["step"] < 240_000
    assert facts["failure"] is None
