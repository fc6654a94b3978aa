"""The command, as a user calls it."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from helpers.terminals import COMMAND, on_terminal

import nbt
from nbt.cli import run
from nbt.cli.options.defaults import TRAINERS

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text"
    path.write_text("the cat sat on the mat, the rat on the cat\n" * 40)
    return str(path)


def call(*args, **options):
    """A process of its own: exit code, stdout, stderr."""
    options = {"capture_output": True, "timeout": 120, "text": True, **options}
    done = subprocess.run([*COMMAND, *map(str, args)], **options)
    return done.returncode, done.stdout, done.stderr


def bits(stderr):
    return float(re.search(r"^average +([\d.]+) bits per symbol$", stderr, re.M)[1])


# ---- what is shown --------------------------------------------------------------------------


def test_table_of_a_file(text):
    code, out, err = call("train", text)
    assert (code, out) == (0, "")
    assert not CONTROL.search(err)
    rows = re.findall(r"^ +(\d+\.\d{4}) +(\d+\.\d{4}) +(\d+) +(\S+) +(\S+ m?s)$", err, re.M)
    assert [int(row[2]) for row in rows] == [2**k for k in range(11)] + [1720]
    assert bits(err) == float(rows[-1][0]) < 4
    symbols = len(set("the cat sat on the mat, the rat on the cat\n"))
    assert f"{symbols} symbols" in err
    assert "end of the source" in err
    assert f"{4 * 64 * (65 + symbols) + 65 * symbols:,} parameters" in err
    assert "entropy" not in err


def test_known_entropy_rate_is_in_each_line():
    code, _, err = call("train", "data:anbn", "--steps", "1_000")
    assert code == 0
    assert "data:anbn[1,32], 3 symbols, entropy rate 0.1429" in err
    rows = [line for line in err.splitlines() if re.match(r" +\d\.\d{4}", line)]
    assert len(rows) == 11
    assert all(row.endswith(" 0.1429") for row in rows)


def test_json_rows(text):
    code, out, err = call("train", text, "--json", "--steps", "1e3")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["step"] for row in rows] == [2**k for k in range(10)] + [1000]
    assert list(rows[0]) == ["step", "average_bits", "since_bits", "seconds", "symbols_per_second"]
    assert bits(err) == pytest.approx(rows[-1]["average_bits"], abs=1e-4)
    assert "all steps done" in err


def test_same_numbers_as_in_python(text):
    _, out, _ = call("train", text, "--json", "--seed", "5", "--cell", "leaky", "--units", "7")
    stream = nbt.streams.text(text)
    cell, readout = nbt.LeakyRNN(7), nbt.Softmax(len(stream.alphabet))
    history = nbt.train(nbt.NoBackTrack(cell, readout, seed=5), stream)
    row = json.loads(out.splitlines()[-1])
    assert row["average_bits"] == history.average_bits[-1]


def test_version():
    code, out, err = call("--version")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"nbt {nbt.__version__}"
    assert {line.split(":")[0] for line in lines[1:]} == {"compiler", "openmp", "isa", "isas"}


def test_no_command_shows_help():
    code, out, err = call()
    assert (code, out) == (2, "")
    assert "Usage: nbt" in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("nbt tr", "plain,train"),
        ("nbt train --rule ", "plain,nobacktrack plain,rtrl plain,tbptt"),
        ("nbt train my", "file,my"),
        ("nbt info --model my", "file,my"),
        ("nbt sample --model my", "file,my"),
        ("nbt train --save my", "file,my"),
    ],
)
def test_shells_complete_it(words, expected):
    count = len(words.split()) - (not words.endswith(" "))
    env = {**os.environ, "_NBT_COMPLETE": "bash_complete"}
    _, out, _ = call(env={**env, "COMP_WORDS": words, "COMP_CWORD": str(count)})
    assert out.split() == expected.split()


def test_layers_are_shown_a_line_each():
    sizes = ("--units", "4,3,3", "--activation", "tanh,sigmoid,sigmoid")
    code, _, err = call("train", "data:anbn", "--steps", "9", *sizes)
    assert code == 0
    assert "network   3 layers, 10 units\n" in err
    assert "layer 1   RNN(units=4, activation='tanh')\n" in err
    assert "layer 2-3 RNN(units=3, activation='sigmoid')\n" in err
    code, _, err = call("train", "data:anbn", "--steps", "9", "--layers", "10", "--units", "2")
    assert "network    10 layers, 20 units\n" in err
    assert "layer 1-10 RNN(units=2, activation='sigmoid')\n" in err


@pytest.mark.parametrize("variable", ["NO_COLOR", "FORCE_COLOR"])
def test_no_control_characters_whatever_the_environment(text, variable):
    code, _, err = call("train", text, env={**os.environ, variable: "1"})
    assert code == 0
    assert not CONTROL.search(err)


# ---- options to classes ---------------------------------------------------------------------


def built(monkeypatch, *args):
    """The trainer that a command line makes, without training it."""
    seen = []
    monkeypatch.setattr("nbt.cli.job.Job.run", lambda self: seen.append(self.trainer) or 0)
    assert run(["train", "data:anbn", "--steps", "9", *args]) == 0
    return repr(seen[0])


@pytest.mark.parametrize(
    ("word", "schedule"),
    [
        ("0.1", nbt.Constant(0.1)),
        ("0.1/sqrt(t)", nbt.InverseSqrt(0.1)),
        ("1e-3/√t", nbt.InverseSqrt(0.001)),
        (".5 / sqrt(t + 1)", nbt.InverseSqrt(0.5)),
        ("0.006/sqrt(1+t/20000)", nbt.InverseSqrt(0.006, after=20_000)),
        ("1e-2 / sqrt( 1 + t / 5e3 )", nbt.InverseSqrt(0.01, after=5000)),
        ("sqrt:0.1", nbt.InverseSqrt(0.1)),  # as it was
        ("const:0.1", nbt.Constant(0.1)),
    ],
)
def test_a_rate_means_what_it_means_in_python(monkeypatch, word, schedule):
    sgd, kalman = nbt.SGD(schedule), nbt.Kalman(schedule)
    assert sgd == nbt.SGD(0.1) or word != "0.1"
    for options, optimizer in (
        ("--cell rnn --optimizer sgd --rate", sgd),
        ("--cell rnn --decay", kalman),
    ):
        expected = nbt.NoBackTrack(nbt.RNN(20), nbt.Softmax(3), optimizer)
        assert built(monkeypatch, *options.split(), word) == repr(expected)


@pytest.mark.parametrize(
    ("args", "make"),
    [
        ("--cell rnn", lambda: nbt.NoBackTrack(nbt.RNN(20), nbt.Softmax(3))),
        ("--rule rtrl", lambda: nbt.RTRL(nbt.RNN(20), nbt.Softmax(3))),
        ("--rule tbptt", lambda: nbt.TruncatedBPTT(nbt.RNN(20), nbt.Softmax(3))),
        (
            "--cell leaky --activation tanh --units 9 --rank 2 --blocks 3 --no-exact-self --norm "
            "euclidean --optimizer sgd --rate 0.5/sqrt(t) --dtype float64 --seed 7",
            lambda: nbt.NoBackTrack(
                nbt.LeakyRNN(9, activation="tanh"),
                nbt.Softmax(3),
                nbt.SGD(nbt.InverseSqrt(0.5)),
                rank=2,
                blocks=3,
                exact_self=False,
                norm="euclidean",
                dtype="float64",
                seed=7,
            ),
        ),
        (
            "--cell rnn --optimizer adam",
            lambda: nbt.NoBackTrack(nbt.RNN(20), nbt.Softmax(3), nbt.Adam()),
        ),
        (
            "--cell rnn --optimizer adam --rate 0.01 --b1 0 --b2 0.99 --readout-optimizer adam "
            "--readout-rate 0.02",
            lambda: nbt.NoBackTrack(
                nbt.RNN(20),
                nbt.Softmax(3),
                nbt.Adam(0.01, 0.0, 0.99),
                readout_optimizer=nbt.Adam(0.02, 0.0, 0.99),
            ),
        ),
        (
            "--cell rnn --optimizer adam --readout-decay 0.1/sqrt(t) --readout-prior 5",
            lambda: nbt.NoBackTrack(
                nbt.RNN(20),
                nbt.Softmax(3),
                nbt.Adam(),
                readout_optimizer=nbt.Kalman(nbt.InverseSqrt(0.1), readout_prior=5),
            ),
        ),
        (
            "--cell rnn --readout-optimizer sgd",
            lambda: nbt.NoBackTrack(
                nbt.RNN(20), nbt.Softmax(3), nbt.Kalman(), readout_optimizer=nbt.SGD()
            ),
        ),
        (
            "--cell rnn --prior 2 --readout-decay 0.2/sqrt(t)",
            lambda: nbt.NoBackTrack(
                nbt.RNN(20),
                nbt.Softmax(3),
                nbt.Kalman(prior=2),
                readout_optimizer=nbt.Kalman(nbt.InverseSqrt(0.2), prior=2),
            ),
        ),
        (
            "--cell rnn --readout-prior 2",
            lambda: nbt.NoBackTrack(nbt.RNN(20), nbt.Softmax(3), nbt.Kalman(readout_prior=2)),
        ),
        (
            "--rule tbptt --window 4 --rate const:0.01",
            lambda: nbt.TruncatedBPTT(
                nbt.RNN(20), nbt.Softmax(3), nbt.SGD(nbt.Constant(0.01)), window=4
            ),
        ),
        (
            "--rule tbptt --optimizer kalman --decay sqrt:0.25 --prior 3",
            lambda: nbt.TruncatedBPTT(
                nbt.RNN(20), nbt.Softmax(3), nbt.Kalman(nbt.InverseSqrt(0.25), 3.0)
            ),
        ),
        (
            "--cell leaky --learn-leak --layers 2 --units 4",
            lambda: nbt.NoBackTrack(
                nbt.Stack([nbt.LeakyRNN(4, learn_leak=True)] * 2), nbt.Softmax(3)
            ),
        ),
        (
            "--units 30 --sources 4 --layers 2 --seed 8",
            lambda: nbt.NoBackTrack(
                nbt.Stack([nbt.RNN(30, graph=nbt.Graph.random(30, 4, seed)) for seed in (8, 9)]),
                nbt.Softmax(3),
                seed=8,
            ),
        ),
        (
            "--cell leaky --learn-leak --units 3 --sources 2",
            lambda: nbt.NoBackTrack(
                nbt.LeakyRNN(3, learn_leak=True, graph=nbt.Graph.random(3, 2)), nbt.Softmax(3)
            ),
        ),
        (
            "--cell ctrnn --dt 0.5 --rule rtrl",
            lambda: nbt.RTRL(nbt.Continuous(nbt.CTRNN(20), 0.5), nbt.Softmax(3)),
        ),
        (
            "--units 5,4,3 --activation tanh,sigmoid,tanh --rule rtrl",
            lambda: nbt.RTRL(
                nbt.Stack([nbt.RNN(5, "tanh"), nbt.RNN(4), nbt.RNN(3, "tanh")]), nbt.Softmax(3)
            ),
        ),
        (
            "--units 5,4 --layers 2 --activation tanh --cell leaky",
            lambda: nbt.NoBackTrack(
                nbt.Stack([nbt.LeakyRNN(n, activation="tanh") for n in (5, 4)]), nbt.Softmax(3)
            ),
        ),
        (
            "--cell lstm --units 6 --every 5 --rank 2",
            lambda: nbt.NoBackTrack(nbt.LSTM(6), nbt.Softmax(3), every=5, rank=2),
        ),
        (
            "--cell lstm --layers 2 --units 6",
            lambda: nbt.NoBackTrack(nbt.Stack([nbt.LSTM(6), nbt.LSTM(6)]), nbt.Softmax(3)),
        ),
        (
            "--cell gru --units 6,4 --rule tbptt --window 7",
            lambda: nbt.TruncatedBPTT(
                nbt.Stack([nbt.GRU(6), nbt.GRU(4)]), nbt.Softmax(3), window=7
            ),
        ),
        (
            "--cell gru --layers 2 --rule rtrl --every 3",
            lambda: nbt.RTRL(nbt.Stack([nbt.GRU(20), nbt.GRU(20)]), nbt.Softmax(3), every=3),
        ),
        (
            "--cell gru --layers 1 --rule rtrl --every 3",
            lambda: nbt.RTRL(nbt.GRU(20), nbt.Softmax(3), every=3),
        ),
        (
            "--cell mgu --rule tbptt --window 7",
            lambda: nbt.TruncatedBPTT(nbt.MGU(20), nbt.Softmax(3), window=7),
        ),
        (
            "--every 4 --rank 0",
            lambda: nbt.NoBackTrack(nbt.LSTM(96), nbt.Softmax(3), every=4, rank=0),
        ),
        (
            "--activation tanh,sigmoid --cell ctrnn",
            lambda: nbt.NoBackTrack(
                nbt.Stack(
                    [nbt.Continuous(nbt.CTRNN(20, activation=a), 0.1) for a in ("tanh", "sigmoid")]
                ),
                nbt.Softmax(3),
            ),
        ),
        (
            "--units 6,4 --sources 3,2 --seed 5",
            lambda: nbt.NoBackTrack(
                nbt.Stack(
                    [
                        nbt.RNN(6, graph=nbt.Graph.random(6, 3, 5)),
                        nbt.RNN(4, graph=nbt.Graph.random(4, 2, 6)),
                    ]
                ),
                nbt.Softmax(3),
                seed=5,
            ),
        ),
        (
            "--units 6,4 --sources 2 --seed 5",
            lambda: nbt.NoBackTrack(
                nbt.Stack(
                    [nbt.RNN(n, graph=nbt.Graph.random(n, 2, s)) for n, s in ((6, 5), (4, 6))]
                ),
                nbt.Softmax(3),
                seed=5,
            ),
        ),
        (
            "--rank 3 --split blocks",
            lambda: nbt.NoBackTrack(nbt.RNN(20), nbt.Softmax(3), rank=3, split="blocks"),
        ),
        (
            "--rule tbptt --optimizer kalman --reduction diagonal",
            lambda: nbt.TruncatedBPTT(
                nbt.RNN(20), nbt.Softmax(3), nbt.Kalman(reduction="diagonal")
            ),
        ),
        (
            "--reduction block --fisher exact --outlier none --units 4",
            lambda: nbt.NoBackTrack(
                nbt.RNN(4),
                nbt.Softmax(3),
                nbt.Kalman(reduction="block", fisher="exact", outlier=None),
            ),
        ),
        (
            "--cell rnn --outlier 3",
            lambda: nbt.NoBackTrack(nbt.RNN(20), nbt.Softmax(3), nbt.Kalman(outlier=3.0)),
        ),
        (
            "--paper --outlier 10 --rule rtrl",
            lambda: nbt.RTRL(
                nbt.RNN(20),
                nbt.Softmax(3),
                nbt.Kalman(nbt.InverseSqrt(1.0), 1.0, outlier=10.0),
                dtype="float64",
            ),
        ),
        (
            "--paper --reduction full --units 3 --layers 2",
            lambda: nbt.NoBackTrack(
                nbt.Stack([nbt.RNN(3)] * 2),
                nbt.Softmax(3),
                nbt.Kalman(nbt.InverseSqrt(1.0), 1.0, outlier=None, reduction="full"),
                norm="kalman",
                dtype="float64",
            ),
        ),
        (
            "--cell rnn --prior 2",
            lambda: nbt.NoBackTrack(nbt.RNN(20), nbt.Softmax(3), nbt.Kalman(prior=2.0)),
        ),
        (
            "--cell rnn --optimizer sgd",
            lambda: nbt.NoBackTrack(nbt.RNN(20), nbt.Softmax(3), nbt.SGD()),
        ),
        (
            "--paper --cell leaky",
            lambda: nbt.NoBackTrack(
                nbt.LeakyRNN(20),
                nbt.Softmax(3),
                nbt.Kalman(nbt.InverseSqrt(1.0), 1.0, outlier=None),
                rank=1,
                blocks=1,
                exact_self=False,
                norm="kalman",
                dtype="float64",
            ),
        ),
        (
            "--paper --optimizer sgd --rate 0.03/√t --rank 10 --dtype float32",
            lambda: nbt.NoBackTrack(
                nbt.RNN(20),
                nbt.Softmax(3),
                nbt.SGD(nbt.InverseSqrt(0.03)),
                rank=10,
                blocks=1,
                exact_self=False,
                norm="euclidean",
            ),
        ),
        (
            "--paper --rule tbptt",
            lambda: nbt.TruncatedBPTT(
                nbt.RNN(20), nbt.Softmax(3), nbt.SGD(nbt.InverseSqrt(1.0)), dtype="float64"
            ),
        ),
        (
            "--paper --rule rtrl",
            lambda: nbt.RTRL(
                nbt.RNN(20),
                nbt.Softmax(3),
                nbt.Kalman(nbt.InverseSqrt(1.0), 1.0, outlier=None),
                dtype="float64",
            ),
        ),
    ],
)
def test_options_reach_the_classes(monkeypatch, args, make):
    assert built(monkeypatch, *args.split()) == repr(make())


def test_generated_source_has_low_high_and_seed(capsys):
    assert run(["train", "data:anbn[2,5]", "--seed", "3", "--steps", "50", "--json"]) == 0
    out = capsys.readouterr()
    assert "data:anbn[2,5], 3 symbols" in out.err
    trainer = nbt.NoBackTrack(readout=nbt.Softmax(3), seed=3, **nbt.preset("symbols"))
    losses = trainer.learn(nbt.datasets.anbn(2, 5, seed=3).read(50))
    average = json.loads(out.out.splitlines()[-1])["average_bits"]
    assert average == pytest.approx(losses.mean() / 0.6931471805599453, rel=1e-12)


# ---- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["data:anbn"], "never ends: give --steps or --seconds"),
        (["data:none", "--steps", "9"], "expected one of anbn[LOW,HIGH], brackets"),
        (["data:anbn[5,1]", "--steps", "9"], "low <= high"),
        (["data:anbn", "--steps", "9", "--alphabet", "bytes"], "has its own"),
        (["/no/such/file"], "No such file"),
        (["/"], "directory"),
        ([], "Missing argument"),
        (["TEXT", "--nonsense"], "--nonsense"),
        (["TEXT", "--steps", "0"], "positive whole number"),
        (["TEXT", "--steps", "1.5"], "positive whole number"),
        (["TEXT", "--steps", "nan"], "positive whole number"),
        (["TEXT", "--steps", "1e99"], "positive whole number"),
        (["TEXT", "--seconds", "-1"], "positive number"),
        (["TEXT", "--seconds", "inf"], "positive number"),
        (["TEXT", "--units", "x"], "positive whole number"),
        (["TEXT", "--units", "2000000000"], "units"),
        (["TEXT", "--units", "5", "--blocks", "6"], "blocks"),
        (["TEXT", "--cell", "lstn"], "lstn"),
        (["TEXT", "--cell", "mgu", "--sources", "2"], "--sources is not for --cell mgu"),
        (["TEXT", "--cell", "lstm", "--activation", "tanh"], "--activation is not for --cell lstm"),
        (["TEXT", "--cell", "lstm", "--blocks", "2"], "--blocks: expected 1 for cells with gates"),
        (["TEXT", "--cell", "lstm", "--reduction", "block"], "--reduction is for --optimizer"),
        (["TEXT", "--every", "3", "--exact-steps", "2"], "--exact-steps: expected 0 with every=3"),
        (["TEXT", "--every", "3", "--layers", "2"], "--every: expected 1 for a cell that is not"),
        (
            ["TEXT", "--cell", "rnn", "--rank", "0"],
            "--rank: expected an integer in [1, 65536], got 0",
        ),
        (["TEXT", "--learn-leak"], "--learn-leak is for --cell leaky"),
        (["TEXT", "--dt", "1", "--cell", "leaky"], "--dt is for --cell ctrnn"),
        (["TEXT", "--cell", "ctrnn", "--blocks", "2"], "--blocks: expected 1 for layers, graphs"),
        (["TEXT", "--units", "5", "--sources", "5"], "--sources: expected an integer in [0, 4]"),
        (["TEXT", "--units", "9,5", "--sources", "2,2,2"], "--sources 2,2,2: expected one value"),
        (["TEXT", "--sources", "5,0"], "'--sources': '0' is not a positive whole number"),
        (["TEXT", "--units", "9,5", "--sources", "5"], "--sources: expected an integer in [0, 4]"),
        (
            ["TEXT", "--layers", "3", "--units", "8,4"],
            "--layers 3 and --units 8,4: expected one value for all layers or one for each, "
            "got 3 and 2",
        ),
        (
            ["TEXT", "--units", "8,4", "--activation", "tanh,tanh,sigmoid"],
            "--units 8,4 and --activation tanh,tanh,sigmoid: expected one",
        ),
        (
            ["TEXT", "--layers", "2", "--units", "8,4", "--activation", "tanh,tanh,tanh"],
            "--layers 2 and --activation tanh,tanh,tanh: expected one",
        ),
        (["TEXT", "--layers", "1", "--units", "8,4"], "--layers 1 and --units 8,4: expected one"),
        (["TEXT", "--layers", "2000000000"], "--layers: expected an integer in [1, 1024]"),
        (["TEXT", "--units", "1," * 1024 + "1"], "--layers: expected an integer in [1, 1024]"),
        (["TEXT", "--units", "8,"], "'--units': '' is not a positive whole number"),
        (["TEXT", "--units", "8,0"], "'--units': '0' is not a positive whole number"),
        (["TEXT", "--activation", "tanh,relu"], "'--activation': 'relu' is not one of"),
        (["TEXT", "--outlier", "0"], "'--outlier': '0' is not a positive number, nor none"),
        (["TEXT", "--outlier", "None"], "'None' is not a positive number, nor none"),
        (["TEXT", "--outlier", "3", "--optimizer", "sgd"], "--outlier is for --optimizer"),
        (
            ["TEXT", "--outlier", "3", "--reduction", "full"],
            "--outlier is for --reduction quasi-diagonal, not full",
        ),
        (
            ["TEXT", "--outlier", "3", "--fisher", "exact", "--paper"],
            "--outlier is for --fisher outer, not exact",
        ),
        (["TEXT", "--split", "pairs"], "'--split': 'pairs' is not"),
        (
            ["TEXT", "--split", "blocks", "--rule", "rtrl"],
            "--split is for --rule",
        ),
        (
            ["TEXT", "--split", "blocks", "--blocks", "2"],
            "--blocks: expected 1 with --split blocks",
        ),
        (
            ["TEXT", "--split", "blocks", "--reduction", "full"],
            "--split: expected None with --reduction full, got 'blocks'",
        ),
        (
            ["TEXT", "--split", "blocks", "--exact-steps", "2"],
            "--exact-steps: expected 0 with --split blocks",
        ),
        (["TEXT", "--reduction", "none"], "'--reduction': 'none' is not one of"),
        (["TEXT", "--reduction", "full", "--optimizer", "sgd"], "--reduction is for --optimizer"),
        (
            ["TEXT", "--reduction", "diagonal", "--exact-self"],
            "--exact-self: expected False with --reduction diagonal, --fisher outer, got True",
        ),
        (["TEXT", "--fisher", "exact", "--rate", "1"], "is for --optimizer"),
        (
            ["TEXT", "--fisher", "exact", "--rule", "tbptt", "--optimizer", "kalman"],
            "--fisher: expected 'outer'",
        ),
        (
            ["data:sines", "--steps", "9", "--fisher", "exact"],
            "--fisher: expected 'outer' where numbers are standardised",
        ),
        (
            ["TEXT", "--alphabet", "grow", "--reduction", "diagonal"],
            "--reduction: an alphabet that grows",
        ),
        (["TEXT", "--alphabet", "grow", "--fisher", "exact"], "--fisher: an alphabet that grows"),
        (["TEXT", "--rate", "0.1", "--optimizer", "kalman"], "--rate is for --optimizer sgd"),
        (["TEXT", "--rate", "0.1", "--decay", "0.1"], "is for --optimizer"),
        (["TEXT", "--cell", "rnn", "--b2", "0.9"], "--b2 is for --optimizer adam, not kalman"),
        (["TEXT", "--optimizer", "adam", "--b2", "1"], "--b2: expected a number in [0, 1)"),
        (
            ["TEXT", "--readout-rate", "0.1"],
            "--readout-rate is for --readout-optimizer sgd or adam, not kalman",
        ),
        (["TEXT", "--rate", "1/sqrt(1+t/0)", "--optimizer", "adam"], "expected a number above 0"),
        (["TEXT", "--decay", "1/sqrt(1+t/x)"], "neither a number nor NUMBER/sqrt(t)"),
        (["TEXT", "--decay", "linear:3"], "neither a number nor NUMBER/sqrt(t)"),
        (["TEXT", "--decay", "const:"], "NUMBER/sqrt(t)"),
        (["TEXT", "--decay", "0.1/sqrt"], "NUMBER/sqrt(t)"),
        (["TEXT", "--decay", "0.1/t"], "NUMBER/sqrt(t)"),
        (["TEXT", "--decay", "-1"], "'--decay': expected a finite number in [0, inf], got -1.0"),
        (["TEXT", "--decay", "-1/sqrt(t)"], "'--decay': expected a finite number in [0, inf]"),
        (
            ["TEXT", "--decay", "0.1"],
            "--decay is for --optimizer kalman, not adam, which nobacktrack has unless told: "
            "--optimizer kalman --decay 0.1",
        ),
        (
            ["TEXT", "--cell", "rnn", "--rate", "0.1"],
            "--rate is for --optimizer sgd or adam, not kalman, which nobacktrack has unless told: "
            "--optimizer sgd --rate 0.1",
        ),
        (
            ["TEXT", "--rate", "0.1/√t", "--rule", "rtrl"],
            "rtrl has unless told: --optimizer sgd --rate '0.1/sqrt(t)'",
        ),
        (
            ["TEXT", "--rule", "tbptt", "--decay", "0.1"],
            "tbptt has unless told: --optimizer kalman --decay 0.1",
        ),
        (
            ["data:sines", "--steps", "9", "--rule", "tbptt", "--rate", "0.1"],
            "tbptt has unless told: --optimizer sgd --rate 0.1",
        ),
        (["TEXT", "--prior", "0"], "positive number"),
        (["TEXT", "--rank", "2", "--rule", "rtrl"], "--rank is for --rule nobacktrack"),
        (["TEXT", "--no-exact-self", "--rule", "tbptt"], "--exact-self is for"),
        (["TEXT", "--window", "2", "--rule", "rtrl"], "--window is for --rule tbptt"),
        (["TEXT", "--norm", "kalman", "--optimizer", "sgd"], "norm"),
        (["TEXT", "--seed", "-1"], "--seed"),
        (["TEXT", "--alphabet", "aa"], "'a' comes twice"),
        (["TEXT", "--alphabet", ""], "at least one symbol"),
        (["TEXT", "--save", "/no/such/folder/x"], "no folder"),
        (["TEXT", "--save", "/"], "--save: expected a file, '/' is a folder"),
        (["data:anbm", "--steps", "9"], "'data:anbm': expected one of anbn[LOW,HIGH], "),
        (["-", "--alphabet", "file"], "twice"),
    ],
)
def test_wrong_usage_is_one_line_and_2(text, capsys, args, words):
    assert run(["train", *[text if arg == "TEXT" else arg for arg in args]]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.count("\n") == 1
    assert out.err.startswith("nbt: error: ")
    assert words in out.err


@pytest.mark.parametrize(
    ("content", "args", "words"),
    [
        (b"", [], "is empty"),
        (b"ab\xff", [], "byte 2 is not UTF-8 (invalid start byte); --errors replace"),
        (b"abab", ["--format", "npy"], "f: not an array of numbers in a file of NumPy"),
        (b"abab\nabc\n", ["--alphabet", "ab\n"], "line 2, byte 7: 'c'"),
    ],
)
def test_bad_data_is_one_line_and_3(tmp_path, content, args, words):
    (tmp_path / "f").write_bytes(content)
    code, _, err = call("train", tmp_path / "f", *args)
    assert code == 3
    last = err.splitlines()[-1]
    assert last.startswith("nbt: error: ")
    assert words in last
    assert "Traceback" not in err


def test_a_folder_that_cannot_be_written_to(text, tmp_path, capsys, monkeypatch):
    """Is said before anything is learned."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for args in (["train", text], ["score", text], ["diagnose", text, "--plot"]):
        place = [str(tmp_path / "x.png")] if "--plot" in args else ["--save", str(tmp_path / "x")]
        assert run([*args, *place]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert f"{str(tmp_path)!r} cannot be written to" in err


def test_too_little_memory_is_one_line_and_2(text, capsys, monkeypatch):
    def refused(cell, readout=None, optimizer=nbt.Kalman(), **options):  # noqa: B008
        raise MemoryError("Unable to allocate 64.0 GiB")

    for name in ("train", "diagnose"):  # the latter needs more than the former
        if name == "train":
            monkeypatch.setitem(TRAINERS, "nobacktrack", refused)
        else:
            monkeypatch.setattr(nbt, "diagnose", refused)
        assert run([name, text]) == 2
        said = "nbt: error: there is not enough memory: Unable to allocate 64.0 GiB\n"
        assert capsys.readouterr().err == said
        monkeypatch.undo()


def test_what_came_before_bad_data_is_shown_and_saved(tmp_path):
    (tmp_path / "f").write_text("ab" * 50 + "x")
    code, _, err = call("train", tmp_path / "f", "--alphabet", "ab", "--save", tmp_path / "t")
    assert code == 3
    assert "learned   100 symbols" in err
    assert nbt.load(tmp_path / "t").step == 100


def test_divergence_is_4_and_never_saved(text, tmp_path):
    args = ["--rule", "tbptt", "--rate", "const:1e30", "--activation", "tanh"]
    code, _, err = call("train", text, *args, "--save", tmp_path / "t")
    assert code == 4
    assert re.match(r"nbt: error: .*step \d+", err.splitlines()[-1])
    assert "Traceback" not in err
    assert not (tmp_path / "t").exists()


@pytest.mark.skipif(os.name == "nt", reason="needs limits of a process")
def test_save_that_fails_is_1_after_the_summary(text, tmp_path):
    place = tmp_path / "model"
    code, _, err = call("train", text, "--steps", "100", "--save", place, preexec_fn=_small_files)
    assert code == 1
    assert "learned   100 symbols" in err
    assert err.splitlines()[-1].startswith(f"nbt: error: {place}: ")


def _small_files():
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


# ---- pipes, signals, terminals --------------------------------------------------------------


def test_pipe_of_bytes():
    code, out, err = call("train", "-", "--json", input="héllo\n" * 100)
    assert code == 0
    assert "standard input, 256 symbols" in err
    assert json.loads(out.splitlines()[-1])["step"] == 700


def test_pipe_of_characters():
    code, out, _ = call("train", "-", "--json", "--alphabet", "hélo\n", input="héllo\n" * 100)
    assert code == 0
    assert json.loads(out.splitlines()[-1])["step"] == 600


def test_empty_pipe():
    code, out, err = call("train", "-", input="")
    assert (code, out) == (3, "")
    assert err.splitlines()[-1] == "nbt: error: standard input: is empty"


def start(*args, **options):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*COMMAND, *map(str, args)], **{**pipes, **options})


def test_a_pipe_is_learned_as_it_comes():
    process = start("train", "-", "--json")
    try:
        for sent, step in ((b"a", 1), (b"b", 2), (b"cd", 4)):
            process.stdin.write(sent)
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["step"] == step
    finally:
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_head_ends_it_quietly(tmp_path):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    limits = ("--seconds", "60", "--json", "--save", tmp_path / "t")
    process = start("train", "data:anbn", *limits, env=env)
    for _ in range(3):
        assert process.stdout.readline()
    process.stdout.close()
    begun = time.monotonic()
    err = process.stderr.read().decode()
    process.stderr.close()
    process.stdin.close()
    assert process.wait(60) == 0
    assert time.monotonic() - begun < 30
    assert "rror" not in err
    assert "stopped" not in err
    assert nbt.load(tmp_path / "t").step > 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a shell and /dev/full")
@pytest.mark.parametrize(
    ("redirection", "code"), [(">&-", 0), ("2>&-", 0), ("<&-", 0), (">/dev/full", 1)]
)
def test_closed_and_full_outputs(redirection, code):
    line = f"'{sys.executable}' -m nbt train data:anbn --steps 4 --json {redirection}"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=120)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.parametrize("source", ["data:anbn", "-"])
def test_interrupt_is_130_with_the_summary(tmp_path, source):
    limits = ["--seconds", "60"]
    process = start("train", source, "--json", "--save", tmp_path / "t", *limits)
    if source == "-":
        process.stdin.write(b"abc")
        process.stdin.flush()
    for _ in range(2):
        assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    err = err.decode()
    assert "Traceback" not in err
    assert "stopped   interrupted" in err
    learned = int(re.search(r"learned +([\d,]+) symbols", err)[1].replace(",", ""))
    assert nbt.load(tmp_path / "t").step == learned
    if source == "-":
        assert learned == 3
    else:
        assert json.loads(out.splitlines()[-1])["step"] == learned


def test_live_line_on_a_terminal():
    code, seen = on_terminal("train", "data:anbn", "--seconds", "0.7")
    assert code == 0
    assert "s left" in seen
    assert "\x1b[2K" in seen  # a line rewritten in place
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h") == 1  # the cursor is shown again
    assert seen.index("time is up") > seen.rindex("s left")


def test_no_color_on_a_terminal():
    _, plain = on_terminal("train", "data:anbn", "--seconds", "0.3", NO_COLOR="1")
    _, colored = on_terminal("train", "data:anbn", "--seconds", "0.3")
    assert re.search(r"\x1b\[[\d;]*3\dm", colored)
    assert not re.search(r"\x1b\[[\d;]*3\d", plain)


def test_dumb_terminal():
    _, seen = on_terminal("train", "data:anbn", "--seconds", "0.3", TERM="dumb")
    assert not CONTROL.search(seen.replace("\r\n", "\n"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_save_to_what_is_no_file(text, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    before = sorted(os.listdir(tmp_path))
    assert run(["train", text, "--save", str(tmp_path / "pipe")]) == 2
    assert "is a device or a pipe" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == before
