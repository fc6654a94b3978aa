"""Cells whose gates' sums are normalised: what they begin with, what they keep, and growth."""

import numpy as np
import pytest
from helpers.refusals import expect
from helpers.windows import WindowedPair, trainer_of

import nbt

UNITS, SYMBOLS = 6, 5
CELLS = {
    "lstm": nbt.LSTM(UNITS, norm="rms"),
    "coupled": nbt.LSTM(UNITS, norm="rms", coupled=True),
    "diagonal": nbt.LSTM(UNITS, norm="rms", recurrent=False),
    "gru": nbt.GRU(UNITS, norm="rms"),
    "mgu": nbt.MGU(UNITS, norm="rms"),
}
every_cell = pytest.mark.parametrize("name", CELLS)


def trainer(cell, rule="nobacktrack", optimizer=None, every=3, **more):
    return trainer_of(rule, cell, nbt.Softmax(SYMBOLS), optimizer or nbt.Adam(), every, **more)


def symbols(steps, seed=0):
    return np.random.default_rng(seed).integers(0, SYMBOLS, steps)


@every_cell
def test_gains_begin_at_one_and_are_learned(name):
    cell = CELLS[name]
    normed, plain = trainer(cell, seed=4), trainer(type(cell)(UNITS), seed=4)
    gates = len(cell.gates)
    gain = normed.state_dict()["cell.gain"]
    assert gain.shape == (gates, UNITS)
    assert (gain == 1).all()
    assert normed.state_dict()["optimizer.theta.m"].shape[:2] == (
        gates,
        2 + UNITS * cell.recurrent + SYMBOLS,
    )
    if name in ("lstm", "gru", "mgu"):  # the same weights as without
        assert normed.parameter_count == plain.parameter_count + gates * UNITS
        for key, value in plain.parameters.items():
            assert (normed.parameters[key] == value).all(), key
    normed.learn(symbols(60))
    assert (normed.parameters["cell.gain"] != 1).all()


@every_cell
def test_a_factor_of_all_weights_does_not_matter(name):
    def shown(cell, factor):
        one = trainer(cell, dtype="float64")
        state = one.state_dict()
        weights = [key for key in ("cell.W", "cell.r") if key in state]
        one.load_state_dict(state | {key: factor * state[key] for key in weights})
        one.observe(symbols(50))
        return one.state_dict()["state.y"]

    cell = CELLS[name]
    np.testing.assert_allclose(shown(cell, 1e3), shown(cell, 1), atol=1e-4)
    plain = type(cell)(UNITS)
    assert np.abs(shown(plain, 1e3) - shown(plain, 1)).max() > 0.1


@pytest.mark.parametrize("kind", [nbt.LSTM, nbt.GRU, nbt.MGU])
def test_refused(kind):
    expect(ValueError, "norm", lambda: kind(3, norm="layer"))
    expect(TypeError, "norm", lambda: kind(3, norm=True))
    with pytest.raises(TypeError):
        kind(3, "rms")


@pytest.mark.parametrize("more", [1, 2, 4])
@pytest.mark.parametrize("inputs", ["own", "vector"])
@pytest.mark.parametrize("cell", ["rms", "rms alone", "rms gru"])
@pytest.mark.parametrize("rule", ["nobacktrack", "rtrl"])
def test_growing_inputs(rule, cell, inputs, more):
    """In the midst of a window, with 3 to 7 rows of inputs: then C goes on as the oracle does."""
    own = {"rank": 2} if rule == "nobacktrack" else {}
    pair = WindowedPair(rule, cell=cell, inputs=inputs, every=3, A=3, m=3, seed=more, **own)
    assert not pair.steps("learn", "pairs", 4)
    before = pair.trainer.state_dict()
    if inputs == "own":
        pair.trainer.grow(3 + more)
        pair.A = pair.m = 3 + more
        pair.readout = pair.trainer.readout
    else:
        pair.trainer.grow(inputs=3 + more)
        pair.m = 3 + more
    after = pair.trainer.state_dict()
    assert (after["cell.gain"] == before["cell.gain"]).all()
    for key in ("optimizer.theta.J", *(("estimator.d",) if own else ("estimator.G",))):
        assert (after[key][..., :-more, :] == before[key]).all(), key
        assert not after[key][..., -more:, :].any(), key
    pair.start_oracle()
    assert not pair.follow(6)
