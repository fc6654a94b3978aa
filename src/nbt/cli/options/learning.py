"""Rows of the table of options: the network, the learning rule, the optimizer."""

from __future__ import annotations

from typing import get_args

import click

from nbt.cells import ACTIVATIONS, RNN
from nbt.cells.gated import Norm as CellNorm
from nbt.cli.options import defaults
from nbt.cli.options.defaults import GATED, NORMED, TRAINERS, of, shown
from nbt.cli.options.rows import Row
from nbt.cli.options.values import Count, Each, OrNone, Positive, Range, Rules, Schedule
from nbt.optimizers import FISHERS, REDUCTIONS, SHARED, Adam, Kalman
from nbt.readouts import Softmax
from nbt.trainers import NoBackTrack
from nbt.trainers.forms import SPLITS, Norm
from nbt.trainers.presets import OF_READOUT

__all__ = ["NETWORK", "OPTIMIZER", "RULE"]

LEARN = "train diagnose"
SCHEDULE = Schedule.name

NETWORK = (
    Row("fast", "Take a smaller best known setting: a fourth to half of the time.", "train"),
    Row("best", "Take a larger best known setting: two to four times the time.", "train"),
    Row(
        "cell",
        {
            **dict.fromkeys(
                LEARN.split(),
                "Kind of network: plain, with leaky units, in continuous time, or with gates.",
            ),
            "compare": "Kind of network: plain, with leaky units, or with gates.",
        },
        "train diagnose compare",
        {
            **dict.fromkeys(LEARN.split(), click.Choice(["rnn", "leaky", "ctrnn", *GATED])),
            "compare": click.Choice(["rnn", "leaky", *GATED]),
        },
        default=dict.fromkeys(("diagnose", "compare"), "rnn"),
        otherwise={"train": defaults.CELL},
    ),
    Row(
        "activation",
        "Activation function of the units; a list has one for each layer.",
        LEARN,
        Each(click.Choice(ACTIVATIONS)),
        metavar=f"{'|'.join(ACTIVATIONS)}[,...]",
        otherwise=shown(of(RNN, "activation")),
    ),
    Row(
        "units",
        {
            **dict.fromkeys(LEARN.split(), "Number of units; a list has one for each layer."),
            "compare": "Number of units of the network.",
            "score": "Number of units of a new model.",
        },
        "train diagnose compare score",
        {
            **dict.fromkeys(LEARN.split(), Each(Count())),
            **dict.fromkeys(("compare", "score"), Count()),
        },
        default={"compare": defaults.UNITS},
        otherwise={
            "train": defaults.UNITS_OF_CELL,
            "score": defaults.UNITS_OF_SCORE,
            "diagnose": str(defaults.UNITS),
        },
        metavar=dict.fromkeys(LEARN.split(), "COUNT[,...]"),
    ),
    Row(
        "sources",
        "Number of units that feed each unit, drawn at random from its layer; a list has one for "
        "each layer.",
        LEARN,
        Each(Count()),
        metavar="COUNT[,...]",
        otherwise="all",
    ),
    Row(
        "layers",
        "Number of layers, one above the other.",
        LEARN,
        Count(),
        otherwise="1, or as many as a list has values",
    ),
    Row(
        "lags",
        "Number of records that the network receives at each step: the last ones of --columns.",
        LEARN,
        Count(),
        otherwise=defaults.LAGS,
    ),
    Row(
        "cell_norm",
        "Norm of the sums of the gates: rms divides them by their root mean square over the units.",
        LEARN,
        click.Choice(get_args(CellNorm)),
        otherwise="none; rms with --best",
        needs=("cell", *NORMED),
    ),
    Row(
        "memory",
        "Shortest and longest time constant, in steps, with which the units of --cell lstm, gru, "
        "mgu or lru begin.",
        LEARN,
        Range(),
        metavar="FROM,TO",
        otherwise=defaults.MEMORY,
        needs=("cell", *GATED),
    ),
    Row("learn_leak", "Learn the leaks of --cell leaky.", LEARN, needs=("cell", "leaky")),
    Row(
        "counts",
        "Longest context, in symbols, after which symbols are counted; the counts and the network "
        "predict together.",
        "train diagnose score",
        Count(least=0),
        otherwise=f"{OF_READOUT['text']['counts']} for text with the best known setting, else "
        f"{of(Softmax, 'counts')}, no counts",
    ),
    Row(
        "dt",
        "Time step of --cell ctrnn.",
        LEARN,
        Positive(),
        otherwise=str(defaults.DT),
        needs=("cell", "ctrnn"),
    ),
    Row(
        "direct",
        "Whether the readout sees the last input as well as the units.",
        LEARN,
        negated=True,
        otherwise=defaults.DIRECT,
    ),
)

RULE = (
    Row(
        "rule",
        "Learning rule: NoBackTrack, exact real-time recurrent learning, or truncated "
        "backpropagation through time.",
        "train",
        click.Choice(list(TRAINERS)),
        default="nobacktrack",
        older={"train": "--trainer"},
    ),
    Row(
        "rules",
        "Learning rules to compare, with commas; a wrong name lists them all.",
        "compare",
        Rules(),
        otherwise="nobacktrack, rtrl and tbptt, each with each optimizer; for cells with gates "
        "nobacktrack of rank 0 and 1, and tbptt",
    ),
    Row(
        "window",
        "Steps between two updates of tbptt, each by the gradient over those steps.",
        "train",
        Count(),
        otherwise=defaults.WINDOW,
        needs=("rule", "tbptt"),
    ),
    Row(
        "exact_steps",
        "Last steps whose influence nobacktrack keeps exactly.",
        LEARN,
        Count(least=0),
        otherwise=defaults.EXACT_STEPS,
        needs=("rule", "nobacktrack"),
        argument="window",
        older={"diagnose": "--window"},
    ),
    Row(
        "exact_self",
        "Whether nobacktrack keeps the influence of a unit on itself exactly.",
        LEARN,
        negated=True,
        otherwise="exact for fully connected networks",
        needs=("rule", "nobacktrack"),
    ),
    Row(
        "blocks",
        "Groups of units that have an estimate of their own in nobacktrack.",
        LEARN,
        Count(),
        otherwise=defaults.BLOCKS,
        needs=("rule", "nobacktrack"),
    ),
    Row(
        "every",
        "Steps between two updates of the network; nobacktrack is exact within them.",
        LEARN,
        Count(),
        otherwise=defaults.STEPS_OF_UPDATE,
        needs=("rule", "nobacktrack", "rtrl"),
    ),
    Row(
        "rank",
        "Independent estimates that nobacktrack takes the mean of; 0, with --every, takes none.",
        LEARN,
        Count(least=0),
        otherwise=defaults.RANK,
        needs=("rule", "nobacktrack"),
    ),
    Row(
        "split",
        "Deal the parameters to the estimates of --rank, instead of taking their mean.",
        LEARN,
        click.Choice(SPLITS),
        otherwise=shown(of(NoBackTrack, "split")),
        needs=("rule", "nobacktrack"),
    ),
    Row(
        "norm",
        "Norm that balances the two vectors of an estimate of nobacktrack.",
        LEARN,
        click.Choice(get_args(Norm)),
        otherwise=defaults.NORM,
        needs=("rule", "nobacktrack"),
    ),
    Row(
        "paper",
        "Take the settings of the paper, except where another option says otherwise.",
        LEARN,
    ),
)

KALMAN = ("optimizer", "kalman")
OPTIMIZER = (
    Row(
        "optimizer",
        "What the gradient does to the parameters: a Kalman filter, stochastic gradient descent, "
        "or Adam.",
        LEARN,
        click.Choice(list(defaults.OPTIMIZERS)),
        otherwise={
            "train": defaults.OPTIMIZER,
            "diagnose": defaults.optimizer_of("nobacktrack", False),
        },
    ),
    Row(
        "rate",
        "Learning rate of SGD or Adam.",
        LEARN,
        Schedule(),
        metavar=SCHEDULE,
        otherwise={
            "train": defaults.RATE,
            "diagnose": f"{defaults.SGD_RATE}; {defaults.ADAM_RATE} for adam",
        },
        needs=("optimizer", "sgd", "adam"),
    ),
    Row(
        "b1",
        "Part of its mean gradient that Adam keeps at an update.",
        LEARN,
        click.FLOAT,
        metavar="NUMBER",
        otherwise=shown(of(Adam, "b1")),
        needs=("optimizer", "adam"),
    ),
    Row(
        "b2",
        "Part of its mean squared gradient that Adam keeps at an update.",
        LEARN,
        click.FLOAT,
        metavar="NUMBER",
        otherwise=shown(of(Adam, "b2")),
        needs=("optimizer", "adam"),
    ),
    Row(
        "decay",
        "Decay of the Kalman covariance.",
        LEARN,
        Schedule(),
        metavar=SCHEDULE,
        otherwise=shown(of(Kalman, "decay")),
        needs=KALMAN,
    ),
    Row(
        "prior",
        "Prior of the Kalman covariance of the network; it is multiplied by the number of units.",
        LEARN,
        Positive(),
        otherwise=defaults.PRIOR,
        needs=KALMAN,
    ),
    Row(
        "readout_prior",
        "Prior of the Kalman covariance of the readout.",
        LEARN,
        Positive(),
        otherwise=defaults.READOUT_PRIOR,
        needs=("readout_optimizer", "kalman"),
    ),
    Row(
        "outlier",
        "Distance from which the Kalman filter limits a gradient that stands out; none limits no "
        "gradient.",
        LEARN,
        OrNone(Positive()),
        metavar="NUMBER|none",
        otherwise=shown(of(Kalman, "outlier")),
        needs=KALMAN,
    ),
    Row(
        "reduction",
        "Part of the Kalman covariance that is kept; block and full are for small networks.",
        LEARN,
        click.Choice([name for name in REDUCTIONS if name != SHARED]),
        otherwise=shown(of(Kalman, "reduction")),
        needs=KALMAN,
    ),
    Row(
        "fisher",
        "Matrix that the Kalman covariance sums: outer products of gradients, or the exact Fisher "
        "matrix.",
        LEARN,
        click.Choice(FISHERS),
        otherwise=shown(of(Kalman, "fisher")),
        needs=KALMAN,
    ),
    Row(
        "readout_optimizer",
        "What the gradient does to the parameters of the readout.",
        LEARN,
        click.Choice(list(defaults.OPTIMIZERS)),
        otherwise=defaults.READOUT_OPTIMIZER,
    ),
    Row(
        "readout_rate",
        "Learning rate of SGD or Adam in the readout.",
        LEARN,
        Schedule(),
        metavar=SCHEDULE,
        otherwise=defaults.READOUT_RATE,
        needs=("readout_optimizer", "sgd", "adam"),
        argument="rate",
    ),
    Row(
        "readout_decay",
        "Decay of the Kalman covariance of the readout.",
        LEARN,
        Schedule(),
        metavar=SCHEDULE,
        otherwise=defaults.READOUT_DECAY,
        needs=("readout_optimizer", "kalman"),
        argument="decay",
    ),
    Row(
        "readout_reduction",
        "Part of the Kalman covariance of the readout that is kept; shared is recursive least "
        "squares, for numbers.",
        LEARN,
        click.Choice([REDUCTIONS[0], SHARED]),
        otherwise=defaults.READOUT_REDUCTION,
        needs=("readout_optimizer", "kalman"),
        argument="reduction",
    ),
)
