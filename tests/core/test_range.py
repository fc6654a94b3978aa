"""What leaves the range of numbers is noticed in its own call, and looked for only then
(csrc/machine/float_mode.h)."""

import numpy as np
import pytest

import nbt

N, M = 7, 12  # units; symbols: more than wait, and no whole vec
RULES = {
    "default": (nbt.NoBackTrack, {}),
    "window": (nbt.NoBackTrack, {"window": 3}),
    "rank 2": (nbt.NoBackTrack, {"rank": 2, "blocks": 3, "norm": "kalman"}),
    "one pass": (nbt.NoBackTrack, {"exact_self": False, "blocks": 1, "norm": "euclidean"}),
    "shared": (nbt.NoBackTrack, {"rank": 2, "split": "blocks"}),
    "RTRL": (nbt.RTRL, {}),
    "TBPTT": (nbt.TruncatedBPTT, {"window": 4}),
}
OPTIMIZERS = {"sgd": nbt.SGD(0.1), "kalman": nbt.Kalman()}


@pytest.fixture(params=nbt.build_info()["isas"])
def isa(request, monkeypatch):
    monkeypatch.setenv("NBT_ISA", request.param)


def build(rule, optimizer, readout=None, graph=None, dtype="float32", activation="sigmoid", **how):
    kind, own = RULES[rule]
    if optimizer == "sgd" and own.get("norm") == "kalman":
        own = own | {"norm": "fisher"}
    cell = nbt.RNN(N, activation, graph=graph)
    readout = readout or nbt.Softmax(M)
    return kind(cell, readout, OPTIMIZERS[optimizer], dtype=dtype, **own | how)


def overwritten(trainer, **arrays):
    """The trainer with other numbers in some arrays of its state; dots are two underscores."""
    state = trainer.state_dict()
    for name, value in arrays.items():
        key = name.replace("__", ".")
        state[key] = np.full_like(state[key], value)
    trainer.load_state_dict(state)
    return trainer


# ---- no look without a reason --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rule", RULES)
def test_a_sound_run_is_not_looked_at(rule, optimizer, dtype, isa):
    """Padding, products that are zero, norms of what is not there: nothing is divided by 0."""
    symbols = np.random.default_rng(0).integers(0, M, 200)
    for activation in ("sigmoid", "tanh"):
        for graph in (None, nbt.Graph.random(N, 3, seed=1)):
            if graph is not None and rule in ("window", "rank 2", "one pass"):
                continue
            trainer = build(rule, optimizer, graph=graph, dtype=dtype, activation=activation)
            trainer.learn(symbols)
            trainer.observe(symbols[:50])
            trainer.load_state_dict(trainer.state_dict())
            trainer.learn(symbols)
            assert trainer._live.learner.looks == 0


@pytest.mark.parametrize("readout", [nbt.Gaussian(3), nbt.Bernoulli(3)], ids=["gauss", "bernoulli"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rule", RULES)
def test_nor_is_one_of_numbers(rule, optimizer, readout, isa):
    x = np.random.default_rng(1).random((200, 3))
    trainer = build(rule, optimizer, readout)
    trainer.learn(x)
    assert trainer._live.learner.looks == 0


def test_large_states_are_not_looked_at(isa):
    """exp and tanh make no powers of what is far out."""
    for activation in ("sigmoid", "tanh"):
        trainer = nbt.RTRL(
            nbt.RNN(N, activation), nbt.Softmax(M), nbt.SGD(0.0), inputs=nbt.Vector(2, False)
        )
        trainer.observe(np.full((20, 2), 1e13), [0] * 20)
        assert trainer._live.learner.looks == 0


def test_a_look_that_finds_nothing_changes_no_bit(assert_same_state):
    """An overflow of what is dropped: two products of one denominator."""
    plain, large = (build("RTRL", "kalman") for _ in range(2))
    for trainer in (plain, large):
        overwritten(trainer, optimizer__theta__J=1e25, optimizer__phi__J=1e25)
    symbols = np.random.default_rng(2).integers(0, M, 40)
    whole = plain.learn(symbols)
    assert plain._live.learner.looks > 0
    parts = [large.learn(symbols[k : k + 1]) for k in range(40)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert_same_state(plain.state_dict(), large.state_dict())


# ---- whatever is not finite ----------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rule", RULES)
def test_every_array_that_overflows_is_noticed_in_its_call(rule, optimizer, isa):
    """Each array of the state in turn grows until something is not finite."""
    symbols = np.random.default_rng(3).integers(0, M, 12)
    first = build(rule, optimizer)
    first.learn(symbols)
    start = first.state_dict()
    for key, value in start.items():
        if value.dtype.kind != "f" or not value.any() or key.endswith(".alpha"):
            continue
        for size in (1e12, 1e19, 1e30, 1e37):
            trainer = build(rule, optimizer)
            peak = np.abs(value).max()
            if key.startswith("waiting."):
                continue
            trainer.load_state_dict(start | {key: value / peak * np.float32(size)})
            for symbol in symbols:
                try:
                    trainer.learn([symbol])
                except nbt.DivergenceError:
                    break
                state = trainer.state_dict()
                bad = [k for k, v in state.items() if not np.isfinite(v).all()]
                assert not bad, f"{key} of {size}: {bad}"


@pytest.mark.parametrize("scale", [3e19, 3e25, 3e30])
def test_what_waits_for_the_next_step_is_noticed_in_its_own(scale, isa):
    """w̄ moves with the next step's pass: that it will leave the range is known before."""
    trainer = build("default", "kalman")
    state = trainer.state_dict()
    trainer.load_state_dict(state | {"cell.W": state["cell.W"] * np.float32(scale)})
    for symbol in np.random.default_rng(4).integers(0, M, 400):
        try:
            trainer.learn([symbol])
        except nbt.DivergenceError:
            break
        assert all(np.isfinite(value).all() for value in trainer.state_dict().values())


@pytest.mark.parametrize("rule", RULES)
def test_what_threads_do_is_noticed(rule):
    """Large enough to be shared."""
    kind, own = RULES[rule]
    if rule in ("shared", "RTRL"):
        pytest.skip("not shared by threads, or too large")
    own = own | ({"norm": "fisher", "blocks": 1} if "blocks" in own else {})
    trainer = kind(nbt.RNN(1100), nbt.Softmax(3), nbt.SGD(3e38), threads=2, **own)
    with pytest.raises(nbt.DivergenceError):
        trainer.learn([0, 1, 2] * 10)


def test_functions_of_a_system_that_give_what_is_not_finite():
    """They leave no note: what they give is looked at."""
    from helpers import systems

    for name in ("step", "jvp", "rows"):

        def bad(*args, name=name):
            result = getattr(systems.Ring, name)(*args)
            if name == "rows":
                indptr, indices, data = result
                return indptr, indices, np.where(np.arange(len(data)) == 1, np.nan, data)
            return np.where(np.arange(len(result)) == 1, np.nan, result)

        for rule in (nbt.NoBackTrack, nbt.RTRL):
            trainer = rule(systems.ring(**{name: bad}), nbt.Softmax(2), inputs=2)
            with pytest.raises(nbt.DivergenceError):
                trainer.learn(np.ones((3, 2)), [0, 1, 0])


# ---- predictions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["readout.W", "readout.b", "cell.W", "cell.r"])
def test_absurd_weights_predict_nothing(key, isa):
    trainer = build("default", "kalman")
    trainer.learn([0, 1, 2])
    state = trainer.state_dict()
    signs = np.where(np.arange(state[key].size) % 2, -1, 1).reshape(state[key].shape)
    trainer.load_state_dict(state | {key: signs * np.float32(3e38)})
    if key in ("cell.r", "readout.b"):  # σ holds the one, softmax the other
        assert np.isfinite(trainer.predict(3)).all()
        return
    with pytest.raises(
        nbt.DivergenceError, match=r"3e\+38, too large, so what is predicted"
    ) as caught:
        trainer.predict(3)
    assert caught.value.array == key
    assert f"{key}[" in str(caught.value)


def test_absurd_weights_predict_nothing_along_a_block():
    trainer = nbt.RTRL(nbt.RNN(3), nbt.Gaussian(1), inputs=1)
    overwritten(trainer, readout__W=3e38)
    with pytest.raises(nbt.DivergenceError, match=r"readout\.W\[0, 0\] is 3e\+38, too large"):
        trainer.predict_along([[0.5]])


# ---- afterwards ----------------------------------------------------------------------------------


def diverged():
    trainer = nbt.RTRL(
        nbt.LeakyRNN(3), nbt.Softmax(2), inputs=nbt.Vector(2, False), dtype="float32"
    )
    overwritten(trainer, cell__r=3.0)
    x = np.ones((30, 2))
    x[20] = 3e38
    before = trainer.state_dict()
    with pytest.raises(nbt.DivergenceError) as caught:
        trainer.learn(x, [0] * 30)
    return trainer, caught.value, before


def test_later_calls_say_what_happened_and_how_to_go_on():
    trainer, error, before = diverged()
    assert error.position == error.step == 20
    assert any("load_state_dict" in note for note in error.__notes__)
    good = np.ones((2, 2))
    calls = [
        lambda: trainer.learn(good, [0, 0]),
        lambda: trainer.observe(good, [0, 0]),
        lambda: trainer.predict(good[0]),
        lambda: trainer.grow(3),
        lambda: setattr(trainer, "threads", 2),
    ]
    for call in calls:
        with pytest.raises(nbt.DivergenceError) as caught:
            call()
        assert str(error) in str(caught.value)
        assert "load_state_dict() of a state from before" in str(caught.value)
        assert (caught.value.step, caught.value.array) == (error.step, error.array)
    trainer.load_state_dict(before)
    assert np.isfinite(trainer.learn(good, [0, 0])).all()


def test_one_input_far_out_is_no_error_where_all_stays_finite():
    """Nor are the good ones after it."""
    trainer = nbt.RTRL(
        nbt.LeakyRNN(3), nbt.Softmax(2), inputs=nbt.Vector(2, False), dtype="float32"
    )
    x = np.ones((30, 2))
    x[20] = 1e30
    assert np.isfinite(trainer.learn(x, [0] * 30)).all()
    assert np.isfinite(trainer.learn(x[:20], [0] * 20)).all()


def test_what_diverged_is_not_saved(tmp_path):
    trainer, _, _ = diverged()
    with pytest.raises((nbt.CheckpointError, nbt.DivergenceError)):
        trainer.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_new_sequence_keeps_what_was_learned():
    """Where only what is carried along left its range."""
    cell = nbt.RNN(4, "tanh")
    trainer = nbt.NoBackTrack(cell, nbt.Softmax(3), nbt.SGD(0.0))
    overwritten(trainer, cell__W=3, cell__r=0, state__h=0)
    symbols = np.zeros(5000, int)
    with pytest.raises(nbt.DivergenceError, match="estimator"):
        trainer.observe(symbols)
    trainer.reset_state()
    assert np.isfinite(trainer.learn([0, 1, 2])).all()


def test_the_error_of_what_the_state_does_not_show_is_no_lie():
    """A number of 2.9 is not called too large."""
    trainer = overwritten(build("RTRL", "sgd"), state__h=2.0)
    state = trainer.state_dict()
    error = nbt.DivergenceError("something", 3, position=0)
    message = str(nbt.divergence.named(error, state))
    assert "too large" not in message
    assert "made of the state" in message
