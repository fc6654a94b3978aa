"""The best known settings, and who takes them: Python, the command line."""

import dataclasses
import io
import itertools

import numpy as np
import pytest

import nbt
from nbt.cli import run
from nbt.trainers.presets import PRESETS

WORDS = {"fast": ["--fast"], "default": [], "best": ["--best"], "paper": ["--paper"]}


def of_command(tmp_path, *words, source="data:anbn"):
    """What `nbt train` makes."""
    path = str(tmp_path / "model")
    assert run(["train", source, "--steps", "30", *words, "--save", path]) == 0
    return nbt.load(path)


@pytest.mark.parametrize("effort", WORDS)
def test_the_command_line_takes_the_preset_for_symbols(effort, tmp_path):
    mine = nbt.NoBackTrack(readout=nbt.Softmax(3), **nbt.preset("symbols", effort))
    mine.learn(nbt.datasets.anbn(1, 32, seed=0).read(30))
    theirs = of_command(tmp_path, *WORDS[effort])
    assert theirs.describe() == mine.describe()
    for name, value in mine.state_dict().items():
        assert theirs.state_dict()[name].tobytes() == value.tobytes(), name


def test_the_paper_is_as_it_was():
    """To the bit; first learned before there were presets."""
    literal = nbt.NoBackTrack(
        nbt.RNN(20),
        nbt.Softmax(3),
        nbt.Kalman(nbt.InverseSqrt(1.0), prior=1, outlier=None),
        rank=1,
        blocks=1,
        exact_self=False,
        norm="kalman",
        dtype="float64",
    )
    for kind in ("symbols", "numbers"):
        preset = nbt.NoBackTrack(readout=nbt.Softmax(3), **nbt.preset(kind, "paper"))
        assert preset.describe() == literal.describe()


def of_numbers(columns, effort="default", **more):
    return nbt.preset("numbers", effort, readout=nbt.Gaussian(columns), **more)


@pytest.mark.parametrize("effort", WORDS)
def test_the_command_line_takes_the_preset_for_numbers(effort, tmp_path):
    preset = nbt.NoBackTrack(**of_numbers(1, effort))
    theirs = of_command(tmp_path, *WORDS[effort], source="data:sines")
    assert theirs.describe() == preset.describe()


@pytest.mark.parametrize(
    ("words", "inputs"), [([], None), (["--target", "b,c"], 1), (["--lags", "5"], 5)]
)
def test_columns_of_a_table_take_it(words, inputs, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c\n" + "1,2,3\n4,3,1\n" * 20)
    source, columns = str(tmp_path / "t.csv"), "a" if "--target" in words else "a,b"
    theirs = of_command(tmp_path, "--columns", columns, *words, source=source)
    given = {"inputs": nbt.Vector(2, lags=5)} if "--lags" in words else {"inputs": inputs}
    assert theirs.describe() == nbt.NoBackTrack(**of_numbers(2, **given)).describe()


@pytest.mark.parametrize(
    ("size", "inputs", "lags", "seen"),
    [
        (1, None, 2, True),
        (16, None, 2, True),
        (17, None, 1, True),
        (64, None, 1, True),
        (65, None, 1, False),
        (2, 2, 2, True),
        (2, 3, 1, True),  # other numbers than those that are predicted
        (2, nbt.Vector(2, standardize=False), 1, True),
        (2, nbt.Vector(2, lags=9), 9, True),
        (2, nbt.Vector(2, lags=33), 33, False),
    ],
)
@pytest.mark.parametrize("readout", [nbt.Gaussian, nbt.Bernoulli])
def test_what_the_readout_of_numbers_sees(readout, size, inputs, lags, seen):
    setting = nbt.preset("numbers", readout=readout(size), inputs=inputs)
    trainer = nbt.NoBackTrack(**setting)
    same = readout is nbt.Bernoulli and isinstance(inputs, nbt.Vector) and inputs.lags == 1
    assert trainer.inputs.lags == (2 if same else lags)  # events are not standardised
    assert trainer.readout.direct == seen
    assert (trainer.cell == nbt.RNN(20)) == (not seen)
    shared = trainer.readout_optimizer.reduction == "shared"
    assert shared == (seen and readout is nbt.Gaussian)


def test_numbers_from_symbols():
    setting = nbt.preset("numbers", readout=nbt.Gaussian(2), inputs=nbt.Symbols(5))
    assert setting["inputs"] == nbt.Symbols(5)
    nbt.NoBackTrack(**setting).learn([1, 4], [[1.0, 2.0], [3.0, 4.0]])


def test_a_part_of_it_for_numbers(tmp_path):
    shared = nbt.Kalman(readout_prior=1.0, reduction="shared")
    for words, changed in (
        ("--units 7", {"cell": nbt.RNN(7)}),
        ("--lags 1", {"inputs": nbt.Vector(1)}),
        ("--decay 0.2", {"optimizer": nbt.Kalman(0.2)}),
        ("--readout-prior 3", {"readout_optimizer": dataclasses.replace(shared, readout_prior=3)}),
        ("--readout-decay 0.01", {"readout_optimizer": dataclasses.replace(shared, decay=0.01)}),
        ("--optimizer sgd", {"optimizer": nbt.SGD(), "readout_optimizer": nbt.SGD()}),
        ("--no-direct", {"readout": nbt.Gaussian(1)}),
    ):
        theirs = of_command(tmp_path, *words.split(), source="data:sines")
        assert theirs.describe() == nbt.NoBackTrack(**of_numbers(1) | changed).describe(), words
    for words in ("--cell rnn", "--blocks 20"):
        theirs = of_command(tmp_path, *words.split(), source="data:sines")
        assert theirs.describe() == nbt.NoBackTrack(nbt.RNN(20), nbt.Gaussian(1)).describe()


def errors_of(y, **setting):
    """Of one step ahead, in deviations of what is known of y."""
    more = {"missing": "mask", "seed": 1} | setting
    trainer = nbt.NoBackTrack(**more)
    means = np.array([(trainer.predict()[0], trainer.learn(row))[0] for row in y])
    return (y - means) / np.nanstd(y, axis=0).clip(1e-9)


def of_clean(y, effort="default"):
    return nbt.preset("clean", effort, readout=nbt.Gaussian(y.shape[1]))


def late(errors):
    return np.sqrt(np.nanmean(errors[len(errors) // 2 :] ** 2))


def spoiled(y, how):
    """The series with what real ones have, and how far off the second half may be."""
    y = y.copy()
    if how == "outlier":
        y[500] = 1e6
        return y, 0.15
    if how == "gaps":
        y[500:600] = y[700::7] = np.nan
        return y, 0.2
    if how == "offset":
        return y + 1e5, 0.05
    return np.hstack([y, np.full_like(y[:, :1], 7.0)]), 0.05


@pytest.mark.parametrize("effort", ["fast", "default"])
@pytest.mark.parametrize("how", ["outlier", "gaps", "offset", "constant"])
def test_clean_numbers_as_they_come(how, effort):
    """A value of 10⁶, gaps, numbers near 10⁵, a constant column. The network that is learned is at
    0.2 to 0.5 there."""
    clean = nbt.datasets.mackey_glass(seed=1).read(3000)
    y, most = spoiled(clean, how)
    errors = errors_of(y, **of_clean(y, effort))[:, 0]
    assert np.isfinite(errors[np.isfinite(y[:, 0])]).all()
    errors *= np.nanstd(y[:, 0]) / clean.std()
    assert late(errors) < most


@pytest.mark.parametrize("effort", ["fast", "default"])
@pytest.mark.parametrize("series", [nbt.datasets.mackey_glass, nbt.datasets.lorenz])
def test_clean_numbers_are_soon_as_if_an_outlier_had_not_been(series, effort):
    """Errors from 1 000 to 2 000 steps later are at most 1.5 times those without it."""
    y = series(seed=1).read(2500)

    def later(place):
        """Errors in the deviation of the series itself; of the same steps for all places."""
        spoiled = y.copy()
        if place is not None:
            spoiled[place] = 1e6
        errors = errors_of(spoiled, **of_clean(y, effort)) * np.std(spoiled, axis=0)
        return np.sqrt(np.mean((errors / np.std(y, axis=0))[1500:] ** 2))

    usual = later(None)
    for place in (500, 100, 5):
        assert later(place) < 1.5 * usual, place


def test_clean_numbers_are_predicted_better_than_by_a_network_that_is_learned():
    for series in (nbt.datasets.mackey_glass, nbt.datasets.lorenz):
        y = series(seed=1).read(3000)
        before = {"cell": nbt.RNN(20), "readout": nbt.Gaussian(y.shape[1])}
        assert late(errors_of(y, **of_clean(y))) < 0.2 * late(errors_of(y, **before))


@pytest.mark.parametrize("effort", ["fast", "default", "best"])
@pytest.mark.parametrize("from_pipe", [False, True])
def test_the_command_line_takes_the_preset_for_text(effort, from_pipe, tmp_path, monkeypatch):
    text = "GET /index\nPUT /a\n" * 3
    (tmp_path / "log").write_text(text)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    source = "-" if from_pipe else str(tmp_path / "log")
    theirs = of_command(tmp_path, *WORDS[effort], source=source)
    size = theirs.readout.symbols
    mine = nbt.NoBackTrack(**nbt.preset("text", effort, readout=nbt.Softmax(size)))
    assert mine.readout.counts == 6
    assert theirs.describe() == mine.describe()


def test_counts_can_be_left_out(tmp_path):
    (tmp_path / "log").write_text("GET /index\nPUT /a\n" * 3)
    theirs = of_command(tmp_path, "--counts", "0", source=str(tmp_path / "log"))
    assert theirs.readout.counts == 0


@pytest.mark.parametrize(
    ("kind", "readout"),
    [("text", None), ("text", nbt.Gaussian(2)), ("numbers", None), ("numbers", nbt.Softmax(2))],
)
def test_text_and_numbers_need_their_readout(kind, readout):
    with pytest.raises(TypeError, match=r"readout: expected the .* is to have with"):
        nbt.preset(kind, readout=readout)


@pytest.mark.parametrize("key", PRESETS, ids=" ".join)
def test_a_preset_is_a_new_dictionary(key):
    more = {"readout": nbt.Gaussian(2) if key[0] in ("numbers", "clean") else nbt.Softmax(2)}
    nbt.preset(*key, **more)["cell"] = None
    assert nbt.preset(*key, **more)["cell"] is not None


@pytest.mark.parametrize("key", PRESETS, ids=" ".join)
def test_inputs_come_back(key):
    readout = nbt.Gaussian(2) if key[0] in ("numbers", "clean") else nbt.Softmax(2)
    setting = nbt.preset(*key, readout=readout, inputs=nbt.Vector(3))
    assert nbt.NoBackTrack(**setting).inputs == nbt.Vector(3)


def test_what_a_preset_is_not():
    for args, words in (
        (("words",), "kind: expected one of 'text', 'symbols', 'lines', 'numbers'"),
        (("symbols", "slow"), "effort: expected one of"),
        (("lines", "best"), "effort: expected one of 'default', got 'best'"),
    ):
        with pytest.raises(ValueError, match=words):
            nbt.preset(*args)
    with pytest.raises(TypeError, match="effort: "):
        nbt.preset("symbols", 3)


GATED = nbt.LSTM(3), nbt.GRU(3), nbt.MGU(3), nbt.LRU(4)
RULES = {
    nbt.NoBackTrack: nbt.Kalman(),
    nbt.RTRL: nbt.Kalman(),
    nbt.TruncatedBPTT: nbt.SGD(nbt.InverseSqrt(1.0)),
}


@pytest.mark.parametrize(("rule", "cell"), [*itertools.product(RULES, GATED)], ids=str)
def test_cells_with_gates_have_adam_beside_kalman(rule, cell):
    trainer = rule(cell, nbt.Softmax(3))
    assert trainer.optimizer == nbt.Adam()
    assert trainer.readout_optimizer == nbt.Kalman(nbt.InverseSqrt(0.02))
    assert trainer.describe() == rule(cell, nbt.Softmax(3), nbt.Adam()).describe()


@pytest.mark.parametrize("rule", RULES)
def test_other_cells_have_what_they_had(rule):
    for cell in (nbt.RNN(3), nbt.LeakyRNN(3), nbt.Stack([nbt.RNN(2)] * 2)):
        assert rule(cell, nbt.Softmax(3)).optimizer == RULES[rule]


# ---- a part of it is overridden ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "make"),
    [
        ("--units 7", lambda s: nbt.NoBackTrack(nbt.LSTM(7), s)),
        (
            "--best --units 7",
            lambda s: nbt.NoBackTrack(nbt.LSTM(7, coupled=True, norm="rms", memory=(1, 16)), s),
        ),
        ("--cell lstm --fast", lambda s: nbt.NoBackTrack(nbt.LSTM(32), s)),
        ("--cell gru --fast", lambda s: nbt.NoBackTrack(nbt.GRU(32), s)),
        ("--optimizer kalman", lambda s: nbt.NoBackTrack(nbt.LSTM(96), s, nbt.Kalman())),
        ("--rate 0.01", lambda s: nbt.NoBackTrack(nbt.LSTM(96), s, nbt.Adam(0.01))),
        (
            "--readout-decay 0.5",
            lambda s: nbt.NoBackTrack(
                nbt.LSTM(96), s, readout_optimizer=nbt.Kalman(nbt.Constant(0.5))
            ),
        ),
        ("--every 3 --rank 2", lambda s: nbt.NoBackTrack(nbt.LSTM(96), s, every=3, rank=2)),
        ("--cell rnn", lambda s: nbt.NoBackTrack(nbt.RNN(20), s)),
        ("--cell leaky", lambda s: nbt.NoBackTrack(nbt.LeakyRNN(20), s)),
        ("--rule rtrl", lambda s: nbt.RTRL(nbt.RNN(20), s)),
        ("--cell lstm --rule tbptt", lambda s: nbt.TruncatedBPTT(nbt.LSTM(20), s)),
        ("--activation tanh", lambda s: nbt.NoBackTrack(nbt.RNN(20, "tanh"), s)),
        ("--blocks 2", lambda s: nbt.NoBackTrack(nbt.RNN(20), s, blocks=2)),
    ],
)
def test_options_override_a_part(words, make, tmp_path):
    theirs = of_command(tmp_path, *words.split())
    assert theirs.describe() == make(nbt.Softmax(3)).describe()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("--fast --best", "--fast and --best: expected one of them"),
        ("--best --cell leaky", "--best chooses the network, which --cell leaky does, too"),
        ("--fast --paper", "--fast chooses the network, which --paper does, too"),
        ("--fast --layers 2", "--fast chooses the network, which --layers does, too"),
        ("--fast --rule rtrl", "--fast chooses the network, which --rule rtrl does, too"),
    ],
)
def test_what_does_not_go_together(words, error, capsys):
    assert run(["train", "data:anbn", "--steps", "9", *words.split()]) == 2
    assert error in capsys.readouterr().err


@pytest.mark.parametrize("effort", ["fast", "best"])
def test_info_says_what_was_chosen(effort, tmp_path, capsys):
    of_command(tmp_path, *WORDS[effort])
    capsys.readouterr()
    assert run(["info", "-m", str(tmp_path / "model")]) == 0
    seen = " ".join(capsys.readouterr().out.split())
    preset = nbt.preset("symbols", effort)
    for value in (preset["cell"], preset["optimizer"], preset["readout_optimizer"]):
        assert str(value) in seen
    assert "every=10, rank=0" in seen


def test_score_has_that_for_lines(tmp_path, capsys):
    log, model = tmp_path / "log", str(tmp_path / "model")
    log.write_text("GET /a 200\nGET /b 200\n" * 20 + "POST /ü 500\n")
    for words, units in (([], 20), (["--units", "7"], 7)):
        assert run(["score", str(log), *words, "--save", model]) == 0
        trainer = nbt.load(model)
        same = nbt.NoBackTrack(nbt.RNN(units), trainer.readout, nbt.Kalman())
        assert trainer.describe() == same.describe()
    assert run(["score", str(log), "-m", model, "--units", "3"]) == 2
    assert "--units: expected none, the model has its own" in capsys.readouterr().err


@pytest.mark.parametrize("effort", ["fast", "default", "best"])
def test_sample_predict_and_score_take_such_a_model(effort, tmp_path, capsys):
    """Its alphabet grew: of the symbol that it began with, none came."""
    log, model = tmp_path / "log", str(tmp_path / "model")
    log.write_text("GET /a 200\nGET /b 200\n" * 100)
    words = ["--alphabet", "grow", *WORDS[effort]]
    assert run(["train", str(log), *words, "--save", model]) == 0
    assert nbt.load(model).cell == nbt.preset("text", effort, readout=nbt.Softmax(2))["cell"]
    capsys.readouterr()
    assert run(["score", str(log), "-m", model]) == 0
    bits = [float(line.split()[1]) for line in capsys.readouterr().out.splitlines()]
    assert sum(bits[-50:]) / 50 < 1
    assert run(["sample", "-m", model, "-n", "5", "--seed", "0"]) == 0
    assert run(["predict", "-m", model]) == 0


@pytest.mark.parametrize("words", [[], ["--units", "20"], ["--decay", "0.1/sqrt(t)"]])
def test_a_run_of_before_goes_on_by_the_words_that_began_it(words, tmp_path):
    """They meant plain units and Kalman then."""
    text, folder = tmp_path / "text", tmp_path / "run"
    text.write_text("abracadabra\n" * 50)
    args = ["train", str(text), "-o", str(folder), *words]
    assert run([*args, "--cell", "rnn", "--steps", "100"]) == 0
    assert run([*args, "--steps", "200", "--resume"]) == 0
    trainer = nbt.load(folder)
    assert (trainer.step, trainer.cell, trainer.optimizer) == (200, nbt.RNN(20), nbt.Kalman())
