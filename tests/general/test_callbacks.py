"""What a system's Python functions do with what they get, and what they give: kept, or refused."""

import gc

import numpy as np
import pytest
from helpers import systems

import nbt

A = 4


def pairs(steps, seed=3, own_loss=False):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(steps, 3)) if own_loss else rng.integers(0, A, steps)
    return rng.normal(size=(steps, 2)), y


def build(function, **changes):
    """A trainer that calls a function of this name."""
    own = {"inputs": 2, "dtype": "float64"}
    if function == "loss":
        changes = {"loss": systems.Ring.loss} | changes
        return nbt.RTRL(systems.ring(**changes), None, **own)
    if function == "vjp":
        own |= {"optimizer": nbt.SGD(0.01), "window": 3}
        return nbt.TruncatedBPTT(systems.ring(**changes), nbt.Softmax(A), **own)
    return nbt.NoBackTrack(systems.ring(**changes), nbt.Softmax(A), rank=2, **own)


FUNCTIONS = ("step", "jvp", "rows", "vjp", "loss")

# ---- kept ----------------------------------------------------------------------------------------


def grow(trainer):
    if trainer.readout.targets.size:  # there are no symbols
        trainer.reset_state()
    else:
        trainer.grow(A + 3)


def set_threads(trainer):
    trainer.threads = 2


THEN = {
    "reset_state": lambda trainer: trainer.reset_state(),
    "load_state_dict": lambda trainer: trainer.load_state_dict(trainer.state_dict()),
    "grow": grow,
    "threads": set_threads,
    "del": lambda trainer: None,
}


@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_arguments_that_are_kept(function, then):
    """Whole, a part of them, and what they lie in, whatever becomes of the trainer: their numbers
    stay as they were, those of θ as the learner left them."""
    kept, parameters, original = [], [], getattr(systems.Ring, function)

    def keeps(*arguments):
        for place, one in enumerate(arguments):
            if place == 2:
                parameters.append((one, one[1:], memoryview(one)))
            else:
                kept.append((one, one[1:], one[::-1], memoryview(one), one.base, one.tobytes()))
        return original(*arguments)

    trainer = build(function, **{function: keeps})
    trainer.learn(*pairs(12, own_loss=function == "loss"))
    theta = trainer.state_dict()["cell.theta"].tobytes()
    THEN[then](trainer)
    del trainer
    gc.collect()
    room = [np.full(64, 7.0) for _ in range(1000)]  # where freed memory would be used again
    for one, part, reverse, view, base, before in kept:
        assert one.tobytes() == view.tobytes() == bytes(base) == before
        assert part.tobytes() == before[8:]
        assert reverse[::-1].tobytes() == before
    for one, part, view in parameters:
        assert one.tobytes() == view.tobytes() == theta
        assert part.tobytes() == theta[8:]
    assert len({before for *_, before in kept}) >= 12
    del room


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_part_that_is_kept(function):
    """A view or the memory of an argument, not itself."""
    parts = [lambda one: one[1:], memoryview, lambda one: one.base, lambda one: one.reshape(1, -1)]
    original = getattr(systems.Ring, function)
    for part in parts:
        kept = []

        def keeps(*arguments, part=part, kept=kept):
            places = [k for k in range(len(arguments)) if k != 2]
            kept.extend((part(arguments[k]), bytes(part(arguments[k]))) for k in places)
            return original(*arguments)

        build(function, **{function: keeps}).learn(*pairs(12, own_loss=function == "loss"))
        assert all(bytes(one) == before for one, before in kept)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_kept_changes_nothing(function):
    kept, original = [], getattr(systems.Ring, function)

    def keeps(*arguments):
        kept.append(arguments)
        return original(*arguments)

    trainer, reference = build(function, **{function: keeps}), build(function)
    data = pairs(30, own_loss=function == "loss")
    assert trainer.learn(*data).tobytes() == reference.learn(*data).tobytes()


def test_an_argument_may_be_the_result():
    """As it is, or a part of another."""
    trainer = build("step", step=lambda h, x, theta: h)
    reference = build("step", step=lambda h, x, theta: h.copy())
    data = pairs(30)
    assert trainer.learn(*data).tobytes() == reference.learn(*data).tobytes()


# ---- refused -------------------------------------------------------------------------------------


def set_shape(one):
    one.shape = (1, len(one))


def set_dtype(one):
    one.dtype = np.int64


def set_strides(one):
    one.strides = (0,)


def set_writeable(one):
    one.flags.writeable = True


def write(one):
    one[0] = 1.0


def add(one):
    one += 1.0


def write_base(one):
    np.frombuffer(memoryview(one), np.uint8)[0] = 1


DEEDS = {
    set_shape: "changed the shape or the type of its argument",
    set_dtype: "changed the shape or the type of its argument",
    set_strides: "changed the shape or the type of its argument",
    set_writeable: "WRITEABLE",
    write: "read-only",
    add: "read-only",
    write_base: "read-only",
}


class Once:
    """A function that does something else at one of its calls, when `left` says so."""

    def __init__(self, function, other):
        self.function, self.other, self.left = function, other, 0

    def __call__(self, *arguments):
        self.left -= 1
        return (self.other if self.left == 0 else self.function)(*arguments)


def refused(function, other, error, match, assert_same_state):
    """A call that fails at some step leaves the trainer as it was, and it goes on."""
    once = Once(getattr(systems.Ring, function), other)
    trainer, reference = build(function, **{function: once}), build(function)
    one, two = (pairs(13, seed, own_loss=function == "loss") for seed in (1, 2))
    assert trainer.learn(*one).tobytes() == reference.learn(*one).tobytes()
    once.left = 5
    with pytest.raises(error, match=match):
        trainer.learn(*two)
    assert_same_state(trainer.state_dict(), reference.state_dict())
    assert trainer.learn(*two).tobytes() == reference.learn(*two).tobytes()
    assert_same_state(trainer.state_dict(), reference.state_dict())


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_arguments_are_left_alone(function, deed, which, assert_same_state):
    original = getattr(systems.Ring, function)

    def after(*arguments):
        result = original(*arguments)
        deed(arguments[which % len(arguments)])
        return result

    def before(*arguments):
        deed(arguments[which % len(arguments)])
        original(*arguments)  # it may fail
        raise ValueError(DEEDS[deed])

    refused(function, after, ValueError, DEEDS[deed], assert_same_state)
    refused(function, before, Exception, None, assert_same_state)


def test_the_error_says_what_to_do():
    def flat(h, x, theta):
        h.shape = (1, 3)
        return h[0]

    with pytest.raises(
        ValueError,
        match=r"step: changed the shape or the type of its argument h; expected a function that "
        r"leaves its arguments as they are: h.reshape\(…\) and h.view\(…\) make other arrays",
    ):
        build("step", step=flat).learn(*pairs(2))


VECTORS = {
    "masked": (lambda v: np.ma.masked_array(v, v > v.min()), "without a mask"),
    "masked nowhere": (np.ma.masked_array, "without a mask"),
    "complex": (lambda v: v + 0j, "expected an array of real numbers of shape"),
    "objects": (lambda v: v.astype(object), "expected an array of real numbers of shape"),
    "text": (lambda v: v.astype(str), "expected an array of real numbers of shape"),
    "truth": (lambda v: v > 0, "expected an array of real numbers of shape"),
    "too many": (lambda v: np.append(v, 0), "expected an array of real numbers of shape"),
    "too few": (lambda v: v[:-1], "expected an array of real numbers of shape"),
    "a row": (lambda v: v[np.newaxis], "expected an array of real numbers of shape"),
    "ragged": (lambda v: [v[0], [v[1]], v], "expected an array of real numbers"),
    "nothing": (lambda v: None, "expected an array of real numbers of shape"),
    "a number": (lambda v: 1.0, "expected an array of real numbers of shape"),
}


def with_vector(function, change):
    """The function, giving another vector: the only one it gives, ∂ℓ/∂h, or the data."""
    original = getattr(systems.Ring, function)

    def other(*arguments):
        result = original(*arguments)
        return (*result[:-1], change(result[-1])) if type(result) is tuple else change(result)

    return other


@pytest.mark.parametrize("kind", VECTORS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_results_that_are_no_vectors(function, kind, assert_same_state):
    change, match = VECTORS[kind]
    if function == "rows" and kind in ("too many", "too few", "a row", "nothing", "a number"):
        match = "rows: expected"
    refused(
        function, with_vector(function, change), (TypeError, ValueError), match, assert_same_state
    )


@pytest.mark.parametrize("function", ["step", "jvp", "rows", "vjp", "loss"])
def test_vectors_of_any_layout(function):
    data = pairs(30, own_loss=function == "loss")
    expected = build(function).learn(*data).tobytes()

    def misaligned(v):
        memory = np.zeros(v.nbytes + 1, np.uint8)
        array = memory[1:].view(v.dtype)
        array[:] = v
        return array

    changes = [
        lambda v: np.repeat(v, 2)[::2],
        lambda v: v[::-1].copy()[::-1],
        lambda v: v.astype(">f8"),
        lambda v: v.tolist(),
        lambda v: v.astype(np.longdouble),
        misaligned,
    ]
    for change in changes:
        trainer = build(function, **{function: with_vector(function, change)})
        assert trainer.learn(*data).tobytes() == expected


NUMBERS = {
    "masked": (np.ma.masked, "without a mask"),
    "text": ("1.0", "loss: ℓ: expected a number"),
    "complex": (1j, "loss: ℓ: expected a number"),
    "two": (np.ones(2), "loss: ℓ: expected a number"),
    "none": (None, "loss: ℓ: expected a number"),
    "truth": (np.True_, "loss: ℓ: expected a number"),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_losses_that_are_no_numbers(kind, assert_same_state):
    value, match = NUMBERS[kind]
    refused(
        "loss",
        lambda h, y: (value, systems.Ring.loss(h, y)[1]),
        (TypeError, ValueError),
        match,
        assert_same_state,
    )


@pytest.mark.parametrize("part", range(2))
def test_masked_places_of_entries(part, assert_same_state):
    def masked(*arguments):
        csr = list(systems.Ring.rows(*arguments))
        csr[part] = np.ma.masked_array(csr[part], csr[part] == 1)
        return tuple(csr)

    refused("rows", masked, TypeError, "without a mask", assert_same_state)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_whatever_is_raised_undoes_the_call(function, assert_same_state):
    for error in (SystemExit, MemoryError, GeneratorExit):

        def raises(*arguments, error=error):
            raise error("here")

        refused(function, raises, error, "here", assert_same_state)
