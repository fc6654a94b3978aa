"""The table of options: what help says of them, their older words, and errors that name them."""

import itertools
import re
import tomllib

import click
import pytest

import nbt
from nbt.cells import ACTIVATIONS
from nbt.cli import command, run
from nbt.cli.options import table
from nbt.cli.options.command import asked_for
from nbt.cli.options.defaults import OPTIMIZERS, TRAINERS, of, shown
from nbt.cli.options.rows import Older
from nbt.cli.options.table import GROUPS, TABLE
from nbt.errors import DataError
from nbt.optimizers import FISHERS, REDUCTIONS, SHARED
from nbt.scoring import score
from nbt.trainers.forms import SPLITS

COMMANDS = sorted(command.commands)
TAKEN = [(name, row.name) for name in COMMANDS for row in TABLE.values() if name in row.commands]


def options_of(name):
    """The options of a command that are shown, but for help."""
    return [
        one
        for one in command.commands[name].params
        if isinstance(one, click.Option) and not one.hidden
    ]


def option(name, row):
    (found,) = (one for one in options_of(name) if one.name == row)
    return found


def context_of(name, *args):
    """A command line, read."""
    return command.commands[name].make_context(name, [str(arg) for arg in args])


def help_of(name, columns):
    """What --help shows in a terminal of so many columns."""
    parent = click.Context(command, info_name="nbt", terminal_width=columns)
    one = command.commands[name] if name else command
    return one.get_help(click.Context(one, parent, info_name=name) if name else parent)


# ---- one table ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_every_command_is_in_the_table_once(name):
    names = [one.name for one in options_of(name)]
    assert names == [row for taken, row in TAKEN if taken == name]
    assert len(names) == len(set(names))
    for one in options_of(name):
        row = TABLE[one.name]
        assert row.word in one.opts
        assert bool(row.letter) == (len(one.opts) == 2)


def test_a_name_or_an_older_word_stands_for_one_option_in_a_command():
    assert len(TABLE) == sum(map(len, GROUPS.values()))
    for row in TABLE.values():
        assert set(row.commands.split()) <= set(COMMANDS), row.name
    for name in COMMANDS:
        params = [one for one in command.commands[name].params if isinstance(one, click.Option)]
        words = [word for one in params for word in (*one.opts, *one.secondary_opts)]
        assert len(words) == len(set(words)), name


def test_choices_are_those_of_the_classes():
    for row, choices in (
        ("split", SPLITS),
        ("reduction", tuple(one for one in REDUCTIONS if one != SHARED)),
        ("readout_reduction", (REDUCTIONS[0], SHARED)),
        ("fisher", FISHERS),
        ("rule", tuple(TRAINERS)),
        ("optimizer", tuple(OPTIMIZERS)),
    ):
        assert tuple(option("train", row).type.choices) == choices
    assert tuple(option("train", "activation").type.kind.choices) == ACTIVATIONS


# ---- what help says -------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "columns"), [*itertools.product(["", *COMMANDS], [80, 100])])
def test_help_fits(name, columns):
    text = help_of(name, columns)
    assert max(map(len, text.splitlines())) <= columns
    assert not re.search(r"\w\.\.\.$", text.replace("FIGURES...", ""), re.M)  # nothing is cut
    assert "<=" not in text


@pytest.mark.parametrize("name", COMMANDS)
def test_help_comes_in_groups(name):
    """Every option in its own, none beside."""
    text = help_of(name, 100)
    titles = re.findall(r"^(\S.*):$", text, re.M)
    wanted = [title for title in GROUPS if any(name in row.commands for row in GROUPS[title])]
    assert titles == [*wanted, "Help"]
    text = text[text.index(f"\n{wanted[0]}:") :]
    for row in TABLE.values():
        shown_once = len(re.findall(rf"^  (?:-\w, )?{row.word}(?![\w-])", text, re.M))
        assert shown_once == (name in row.commands.split()), row.name
    for one in command.commands[name].params:
        if isinstance(one, Older):
            assert not re.search(rf"^ +{one.opts[0]}(?![\w-])", text, re.M)


@pytest.mark.parametrize(("name", "row"), TAKEN)
def test_help_says_what_an_option_is(name, row):
    """A sentence, and not a piece of one such as "Of kalman."."""
    one = option(name, row)
    sentence = one.help.partition("  [default: ")[0]
    first = sentence.split()[0]
    assert re.match(r"[A-Z]", first)
    assert first not in ("Of", "For", "In", "With", "As", "Between", "So", "How")
    assert sentence.endswith(".")
    assert len(sentence.split()) >= 4


NO_DEFAULT = {  # options without which nothing happens
    *("save", "plot", "column", "columns", "target", "ahead", "inputs", "prompt"),
    *(("train", "output"), ("score", "top")),
}


@pytest.mark.parametrize(("name", "row"), TAKEN)
def test_help_says_every_default(name, row):
    one = option(name, row)
    text = one.get_help_record(click.Context(command.commands[name]))[1]
    if one.is_flag and not one.secondary_opts:
        assert "[default" not in text
        assert context_of_defaults(name)[row] is None
    elif NO_DEFAULT & {row, (name, row)}:
        assert "[default" not in text
    else:
        assert re.search(r"\[(default: .+|required)\]$", text)


def context_of_defaults(name):
    one = command.commands[name]
    arguments = [arg.name for arg in one.params if isinstance(arg, click.Argument) and arg.required]
    words = ["-m", "x"] if TABLE["model"].required and name in TABLE["model"].required else []
    return context_of(name, *words, *("all" for _ in arguments)).params


def said(row, name="train"):
    return TABLE[row].said(name)


def test_the_defaults_that_help_says_are_those_of_the_classes():
    softmax, gaussian = nbt.Softmax(3), nbt.Gaussian(1, False)
    trainer = nbt.NoBackTrack(nbt.RNN(20), softmax)
    for name in ("rank", "split", "norm", "dtype", "seed", "threads", "missing"):
        assert said(name).split("; ")[0] == str(getattr(trainer, name)).lower(), name
    for name in ("reduction", "fisher", "outlier"):
        assert said(name) == shown(getattr(trainer.optimizer, name)), name
    assert said("activation") == nbt.RNN(1).activation
    decay, rate = nbt.Kalman().decay, nbt.SGD().rate
    assert said("decay") == f"{decay.scale:g}/sqrt(t)"
    windowed = nbt.TruncatedBPTT(nbt.RNN(2), softmax)
    of_tbptt = f"{windowed.optimizer.rate.scale:g}/sqrt(t) for tbptt without --optimizer"
    adam = nbt.Adam()
    of_adam = f"{adam.rate.scale:g}/sqrt(1+t/{adam.rate.after:g}) for adam"
    assert said("rate") == f"{rate.scale:g}/sqrt(t); {of_tbptt}; {of_adam}"
    assert said("rate", "diagnose") == f"{rate.scale:g}/sqrt(t); {of_adam}"
    assert [said("b1"), said("b2")] == [f"{adam.b1:g}", f"{adam.b2:g}"]
    beside = nbt.NoBackTrack(nbt.RNN(2), softmax, adam).readout_optimizer
    assert said("readout_decay").endswith(f"; {beside.decay.scale:g}/sqrt(t) beside adam")
    assert said("window") == f"{windowed.window}"
    small, large = (nbt.NoBackTrack(nbt.RNN(n), softmax) for n in (32, 33))
    assert (small.blocks, small.window) == (32, 0)
    assert nbt.NoBackTrack(nbt.RNN(33), softmax, blocks=2).window == 0
    assert said("exact_steps") == f"0; {large.window} for more than 32 units without --blocks"
    bare = nbt.NoBackTrack(nbt.RNN(33), softmax, window=0)
    each = f"one for each unit; {large.blocks} for more than 32 units, or {bare.blocks} if no"
    assert said("blocks").startswith(each)
    priors = [
        nbt.Kalman().lambdas(cell, readout)[0] / 10
        for cell, readout in (
            (nbt.LeakyRNN(10), softmax),
            (nbt.LeakyRNN(10, activation="tanh"), softmax),
            (nbt.RNN(10), softmax),
        )
    ]
    assert re.findall(r"[\d.]+", said("prior")) == [f"{prior:g}" for prior in priors]
    readout_prior = nbt.Kalman().lambdas(nbt.RNN(10), softmax)[1]
    assert said("readout_prior").startswith(f"{readout_prior:g};")
    assert nbt.Kalman().lambdas(nbt.RNN(10), gaussian) == (10, 10)
    assert said("cap") == str(of(nbt.streams.file, "cap"))
    assert said("longest") == str(of(nbt.streams.table, "longest"))
    assert option("score", "recent").default == of(score, "window")
    assert option("diagnose", "replicas").default == of(nbt.diagnose, "replicas")
    assert option("predict", "paths").default == of(nbt.NoBackTrack.forecast, "paths")


# ---- older words ----------------------------------------------------------------------------

VALUES = {"rule": "tbptt", "recent": 7, "exact_steps": 3, "output": "folder"}
OLDER = [(name, word, row) for row in TABLE.values() for name, word in row.older.items()]


def test_which_older_words_there_are():
    found = {(name, word, row.word) for name, word, row in OLDER}
    assert found == {
        ("train", "--trainer", "--rule"),
        ("compare", "--out", "--output"),
        ("reproduce", "--out", "--output"),
        ("score", "--window", "--recent"),
        ("diagnose", "--window", "--exact-steps"),
    }


@pytest.mark.parametrize(("name", "word", "row"), OLDER)
def test_an_older_word_means_what_the_new_one_does(name, word, row, capsys):
    source = "all" if name == "reproduce" else "x"
    new = context_of(name, source, row.word, VALUES[row.name])
    assert capsys.readouterr().err == ""
    for args in ((word, VALUES[row.name]), (f"{word}={VALUES[row.name]}",)):
        old = context_of(name, source, *args)
        out, err = capsys.readouterr()
        assert old.params == new.params
        assert old.params[row.name] == VALUES[row.name]
        assert asked_for(old) == asked_for(new)
        assert row.name in asked_for(new)
        assert out == ""
        assert err == (
            f"nbt: note: {word} is {row.word} now; the old word goes with the next release\n"
        )


def test_the_new_word_comes_before_the_older_one():
    for args in (("--rule", "rtrl", "--trainer", "tbptt"), ("--trainer=tbptt", "--rule=rtrl")):
        assert context_of("train", "x", *args).params["rule"] == "rtrl"


def test_what_is_wrong_with_an_older_word_is_said_of_the_new_one(capsys):
    assert run(["score", "x", "--window", "0"]) == 2
    note, error = capsys.readouterr().err.splitlines()
    assert note.startswith("nbt: note: --window is --recent now")
    assert "'--recent': '0' is not a positive whole number" in error


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text"
    path.write_text("abracadabra\n" * 50)
    return str(path)


def test_a_window_of_nobacktrack_is_exact_steps(text, tmp_path, capsys):
    """--window N of nbt train was one word for two things."""
    described = []
    for k, word in enumerate(("--window", "--exact-steps")):
        folder = str(tmp_path / str(k))
        assert run(["train", text, "--units", "3", word, "2", "-o", folder]) == 0
        assert ("--window of nobacktrack is --exact-steps now" in capsys.readouterr().err) == (
            not k
        )
        described.append(nbt.load(folder).describe())
    assert described[0] == described[1]
    assert described[0]["window"] == 2
    bad = ["train", text, "--window", "2", "--exact-steps", "2"]
    assert run(bad) == 2
    assert "--window is for --rule tbptt, not nobacktrack" in capsys.readouterr().err
    assert run(["train", text, "--rule", "tbptt", "--exact-steps", "2"]) == 2
    assert "--exact-steps is for --rule nobacktrack, not tbptt" in capsys.readouterr().err
    assert run(["train", text, "--exact-steps", "0", "--steps", "9"]) == 0


def test_a_model_that_stands_by_its_place(text, tmp_path, capsys):
    model = str(tmp_path / "model")
    assert run(["train", text, "--units", "3", "--save", model]) == 0
    capsys.readouterr()
    assert run(["info", "-m", model]) == 0
    new = capsys.readouterr()
    assert run(["info", model]) == 0
    old = capsys.readouterr()
    assert (old.out, new.err) == (new.out, "")
    assert old.err == (
        "nbt: note: nbt info RUN is nbt info -m RUN now; the old word goes with the next release\n"
    )
    assert run(["info"]) == 2
    assert "Missing option '-m' / '--model'" in capsys.readouterr().err


OLDER_RUN = """version = "0.1.0"
source = "SOURCE"
format = "lines"
follow = false
steps = 200
on_divergence = "rollback"
schedules = "as in Python"

[trainer]
trainer = "TruncatedBPTT"
dtype = "float32"
seed = 0
window = 4

[trainer.cell]
kind = "RNN"
units = 3
activation = "sigmoid"

[trainer.readout]
kind = "Softmax"
symbols = 6

[trainer.optimizer]
kind = "SGD"

[trainer.optimizer.rate]
kind = "InverseSqrt"
scale = 1.0

[trainer.inputs]
kind = "Symbols"
size = 6
"""  # as it was written when these words were others


@pytest.mark.parametrize("words", ["", "--trainer tbptt --window 4 --units 3", "--rule tbptt"])
def test_a_run_of_before_goes_on(words, text, tmp_path, capsys):
    folder = tmp_path / "run"
    new = ["--rule", "tbptt", "--window", "4", "--units", "3", "--format", "lines"]
    begun = ["train", text, *new, "-o", str(folder), "--on-divergence", "rollback"]
    assert run([*begun, "--steps", "200"]) == 0
    written = tomllib.loads((folder / "run.toml").read_text())
    before = tomllib.loads(OLDER_RUN.replace("SOURCE", text))
    assert written | {"follow": False} == before | {"version": nbt.__version__}
    (folder / "run.toml").write_text(OLDER_RUN.replace("SOURCE", text))
    again = ["train", "-o", str(folder), "--resume", "--steps", "400", *words.split()]
    if words == "--rule tbptt":  # some of its options and not all
        assert run(again) == 2
        assert "--rule: the run in" in capsys.readouterr().err
        return
    assert run(again) == 0
    straight = str(tmp_path / "straight")
    assert run(["train", text, *new, "-o", straight, "--steps", "400"]) == 0
    states = [nbt.load(path).state_dict() for path in (folder, straight)]
    for name, value in states[1].items():
        assert states[0][name].tobytes() == value.tobytes(), name


# ---- errors name the option -----------------------------------------------------------------

HUGE = str(2**62)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["train", "TEXT", "--optimizer", "sgd", "--rate", "-1"], "'--rate': expected a finite"),
        (["train", "TEXT", "--rate", "-1/sqrt(t)"], "'--rate': expected a finite"),
        (["train", "TEXT", "--threads", HUGE], "--threads: expected an integer in [1, "),
        (["train", "TEXT", "--units", HUGE], "--units: expected an integer in [1, "),
        (["train", "TEXT", "--rank", HUGE], "--rank: expected an integer in [0, "),
        (["train", "TEXT", "--blocks", HUGE], "--blocks: expected an integer in [1, 20]"),
        (["train", "TEXT", "--exact-steps", HUGE], "--exact-steps: expected an integer in [0, "),
        (
            ["train", "TEXT", "--rule", "tbptt", "--window", HUGE],
            "--window: expected an integer in [1, ",
        ),
        (["train", "TEXT", "--cap", HUGE], "--cap: expected an integer in [2, "),
        (["train", "TEXT", "--layers", HUGE], "--layers: expected an integer in [1, "),
        (["train", "TEXT", "--encoding", "x"], "--encoding: expected a name that Python knows"),
        (
            ["train", "TEXT", "--format", "bytes", "--alphabet", "ab"],
            "--alphabet: expected none for --format bytes, got 'ab'",
        ),
        (["train", "TABLE", "--columns", "a", "--target", "b,b"], "--target: "),
        (["train", "TABLE", "--columns", "a", "--delimiter", "xx"], "--delimiter: "),
        (["train", "TABLE", "--columns", "a", "--lags", HUGE], "--lags: expected an integer"),
        (["train", "TEXT", "--lags", "3"], "--lags is for numbers, which --columns names"),
        (["train", "TABLE", "--columns", "a", "--encoding", "x"], "--encoding: expected a name"),
        (["score", "TEXT", "--units", HUGE], "--units: expected an integer in [1, "),
        (["score", "TEXT", "--cap", "1"], "--cap: expected an integer in [2, "),
        (["compare", "TEXT", "--seeds", HUGE], f"'--seeds': '{HUGE}' is more than 1,000,000"),
        (["compare", "TEXT", "--budget", "1e308"], "'--budget': '1e308' is not a time such as"),
        (["score", "TEXT", "--recent", HUGE], f"'--recent': '{HUGE}' is more than 4,294,967,296"),
        (["compare", "TEXT", "--units", HUGE], "--units: expected an integer in [1, "),
        (
            ["compare", "TEXT", "--alphabet", "aa"],
            "--alphabet: expected distinct symbols, 'a' comes twice",
        ),
        (["diagnose", "TEXT", "--replicas", HUGE], "--replicas: expected an integer in [2, "),
        (["diagnose", "TEXT", "--exact-steps", HUGE], "--exact-steps: expected an integer"),
        (["diagnose", "TEXT", "--units", HUGE], "--units: expected an integer in [1, "),
        (["predict", "-m", "NUMBERS", "--ahead", HUGE], "--ahead: expected an integer in [1, "),
        (
            ["predict", "-m", "NUMBERS", "--ahead", "2", "--paths", HUGE],
            "--paths: expected an integer in [1, ",
        ),
    ],
)
def test_what_the_library_says_of_an_argument_is_said_of_the_option(
    text, tmp_path, capsys, args, words
):
    table = tmp_path / "table.csv"
    table.write_text("a,b\n" + "".join(f"{k % 7},{k % 3}\n" for k in range(50)))
    names = {"TEXT": text, "TABLE": str(table), "NUMBERS": str(tmp_path / "model")}
    if "NUMBERS" in args:
        learn = ["train", str(table), "--columns", "a,b", "--units", "3"]
        assert run([*learn, "--save", names["NUMBERS"]]) == 0
        capsys.readouterr()
    assert run([names.get(arg, arg) for arg in args]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("nbt: error: ")
    assert words in error


@pytest.mark.parametrize(
    ("name", "content", "args", "words"),
    [
        ("train", "a\n1\nx\n2\n", ["--columns", "a"], "; --on-bad-record skip goes on after it"),
        ("diagnose", "a\n1\nx\n2\n", ["--columns", "a"], "; --on-bad-record skip goes on"),
        ("train", "a,b\n1,\n2,3\n", ["--columns", "b"], "number is missing; --missing says what"),
        ("train", b"ab\xff", [], "; --errors replace goes on after it, --alphabet bytes reads"),
        ("diagnose", b"ab\xff", [], "; --errors replace goes on after it, --alphabet bytes"),
        ("train", b"a\n1\n\xff\n", ["--columns", "a"], "; --encoding cp1252 reads a file of"),
    ],
)
def test_advice_in_bad_data_is_words_of_the_command(tmp_path, capsys, name, content, args, words):
    path = tmp_path / "f.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert run([name, str(path), *args]) == 3
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_advice_that_is_followed_helps(tmp_path):
    path = tmp_path / "f.csv"
    path.write_bytes(b"a\n1\n\xff\n2\n3\n")
    assert run(["train", str(path), "--columns", "a"]) == 3
    assert run(["train", str(path), "--columns", "a", "--on-bad-record", "skip"]) == 0
    path.write_bytes(b"ab\xff" * 9)
    assert run(["diagnose", str(path), "--steps", "9", "--replicas", "3"]) == 3
    more = ["--steps", "9", "--replicas", "3", "--errors", "replace"]
    assert run(["diagnose", str(path), *more]) == 0


def test_words_that_a_command_lacks_stay_those_of_the_library():
    said = "errors='replace' goes on after it, no column='x'; missing= says what is done"
    typed = "--errors replace goes on after it, no --column x; --missing says what is done"
    assert table.as_typed("train", said) == typed
    assert table.as_typed("compare", said) == said


def test_other_errors_of_the_library_are_no_usage(text, monkeypatch):
    """A fault of ours is not taken for one of the person's."""

    def broken(*args, **options):
        raise ValueError("weights: a fault")

    monkeypatch.setattr("nbt.cli.train.build_stream", broken)
    with pytest.raises(ValueError, match="weights: a fault"):
        run(["train", text])
    monkeypatch.setattr("nbt.cli.train.build_stream", lambda *_, **__: raise_data())
    assert run(["train", text]) == 3


def raise_data():
    raise DataError("units: of data")


def test_lags_are_those_of_the_model(tmp_path, capsys):
    table, model = tmp_path / "table.csv", tmp_path / "model"
    table.write_text("a,b\n" + "".join(f"{k % 7},{k % 3}\n" for k in range(50)))
    learn = ["train", str(table), "--columns", "a,b", "--units", "3", "--lags", "4"]
    assert run([*learn, "--save", str(model)]) == 0
    assert nbt.load(model).inputs == nbt.Vector(2, lags=4)
    assert run(["predict", "-m", str(model), "--ahead", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 2
