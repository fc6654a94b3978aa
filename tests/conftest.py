"""Fixtures of all tests: trainers that every promise is checked on, and bit equality."""

import signal

import pytest
from helpers.subjects import SUBJECTS, SYMBOL_SUBJECTS, part

import nbt


def pytest_configure(config):
    """Shells start what runs in the background deaf to Ctrl-C, and its children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config):
    info = nbt.build_info()
    return f"nbt {info['version']}: {info['compiler']}, {info['isa']} of {', '.join(info['isas'])}"


@pytest.fixture(params=SUBJECTS, ids=str)
def subject(request):
    """Every rule × optimizer × kind of input × precision."""
    return request.param


@pytest.fixture(params=[subject for subject in SUBJECTS if subject.optimizer == "sgd"], ids=str)
def sgd_subject(request):
    """Those whose steps can be made too large: Kalman's are bounded."""
    return request.param


@pytest.fixture(params=SYMBOL_SUBJECTS, ids=str)
def symbol_subject(request):
    """Those that predict symbols."""
    return request.param


@pytest.fixture(params=[subject for subject in SYMBOL_SUBJECTS if subject.inputs == "own"], ids=str)
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
