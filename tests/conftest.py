"""What several test files share: trainers that every promise is checked on, and bit equality."""

from dataclasses import dataclass

import numpy as np
import pytest

import nbt

UNITS, SYMBOLS, INPUTS = 7, 5, 3  # all different, none a whole number of lanes


def pytest_report_header(config):
    info = nbt.build_info()
    return f"nbt {info['version']}: {info['compiler']}, {info['isa']} of {', '.join(info['isas'])}"


@dataclass(frozen=True)
class Subject:
    """A trainer to be made, and data to feed it."""

    rule: str
    optimizer: str
    inputs: str
    dtype: str

    def __str__(self):
        return f"{self.rule}-{self.optimizer}-{self.inputs}-{self.dtype}"

    @property
    def forms(self):
        """Ways to feed it: symbols that are target, then input; or (input, target) pairs."""
        return ("symbols", "pairs") if self.inputs == "own" else ("pairs",)

    def build(self, seed=11, optimizer=None):
        optimizer = (
            optimizer
            or {
                "sgd": nbt.SGD(nbt.InverseSqrt(0.1)),
                "kalman": nbt.Kalman(nbt.InverseSqrt(0.3), prior=0.5),
            }[self.optimizer]
        )
        inputs = {"own": None, "other": nbt.Symbols(INPUTS), "vector": INPUTS}[self.inputs]
        common = {"inputs": inputs, "dtype": self.dtype, "seed": seed}
        cell, readout = nbt.LeakyRNN(UNITS), nbt.Softmax(SYMBOLS)
        if self.rule == "rtrl":
            return nbt.RTRL(cell, readout, optimizer, **common)
        if self.rule == "bptt":
            return nbt.TruncatedBPTT(cell, readout, optimizer, window=4, **common)
        if self.rule == "exact_self":
            return nbt.NoBackTrack(cell, readout, optimizer, **common)
        own = {"rank": 2, "blocks": 3, "exact_self": False}
        norm = "kalman" if self.optimizer == "kalman" else "euclidean"
        return nbt.NoBackTrack(cell, readout, optimizer, norm=norm, **own, **common)

    def data(self, steps, *, form=None, seed=3):
        """(x, y), with y None in the form "symbols"."""
        rng = np.random.default_rng(seed)
        if (form or self.forms[0]) == "symbols":
            return rng.integers(0, SYMBOLS, steps), None
        y = rng.integers(0, SYMBOLS, steps)
        if self.inputs == "vector":
            return rng.normal(size=(steps, INPUTS)), y
        return rng.integers(0, SYMBOLS if self.inputs == "own" else INPUTS, steps), y


def part(x, y, steps):
    """A slice, a list of steps or one step of (x, y), as arguments of a verb."""
    return (x[steps],) if y is None else (x[steps], y[steps])


SUBJECTS = [
    Subject(rule, optimizer, inputs, dtype)
    for rule in ("exact_self", "plain", "rtrl", "bptt")
    for optimizer in ("sgd", "kalman")
    for inputs in ("own", "other", "vector")
    for dtype in ("float32", "float64")
]


@pytest.fixture(params=SUBJECTS, ids=str)
def subject(request):
    """Every rule × optimizer × kind of input × precision."""
    return request.param


@pytest.fixture(params=[subject for subject in SUBJECTS if subject.optimizer == "sgd"], ids=str)
def sgd_subject(request):
    """Those whose steps can be made too large: Kalman's are bounded."""
    return request.param


@pytest.fixture(params=[subject for subject in SUBJECTS if subject.inputs == "own"], ids=str)
def own_subject(request):
    """Those that are fed the symbols they predict."""
    return request.param


def _assert_same_state(a, b):
    assert a.keys() == b.keys()
    for key, value in a.items():
        assert (value.dtype, value.shape) == (b[key].dtype, b[key].shape), key
        assert value.tobytes() == b[key].tobytes(), key


@pytest.fixture
def assert_same_state():
    """Function of two state_dicts: the same names, and the same bits under each."""
    return _assert_same_state


@pytest.fixture
def arguments():
    """Function of x, y (or None) and an index: that part of the data as arguments of a verb."""
    return part
