"""The oracle: every rule of the package in plain NumPy float64, written from the paper's equations.

It is slow, it imports nothing of the package, and it is what the C core must agree with. Equation
numbers are those of Ollivier, Tallec, Charpiat, *Training recurrent networks online without
backtracking*. Letters, shapes and the keys of a state are those of the package:

    theta (P, n)    parameters of the network, P = 1 + n + m rows: b, W (W[j, i] from j to i), r
    phi (1 + n, A)  parameters of the readout: b, W
    z (P,)          regressors (1, a(t), x(t)): h_i(t+1) = sum_p z_p theta[p, i] + alpha_i h_i(t)
    F (n, n)        dh(t+1)/dh(t)
    H (n,)          dloss/dh(t)
    v (K, S, n), w (K, P, n), d (P, n)    the estimate of G = dh/dtheta, see nobacktrack.py

A trainer is built from a state (a dict of arrays) and the choices of a run. It copies the state,
goes on from it, and gives it back as a dict with the same keys::

    state = oracle.initial_state(rng, n=3, m=5, A=5, rank=2, norm="fisher")
    trainer = oracle.NoBackTrack(
        state, units=3, activation="sigmoid", inputs="symbols",
        optimizer=("sgd", lambda t: 0.1 / (t + 1) ** 0.5), rank=2, norm="fisher",
    )
    losses = trainer.learn([0, 3, 1])
"""

from .bptt import TruncatedBPTT
from .nobacktrack import NoBackTrack
from .rtrl import RTRL
from .states import initial_state

__all__ = ["RTRL", "NoBackTrack", "TruncatedBPTT", "initial_state"]
