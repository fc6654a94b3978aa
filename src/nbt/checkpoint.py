"""A trainer in one file, from which learning goes on bit for bit.

The file is a safetensors file. Its arrays are those of `state_dict()`, and where there are any

- "stream.alphabet", the symbols: code points (uint32) of characters, bytes, or words in JSON
  (uint8),
- "history.*", what was measured: `History.state_dict()`.

Under the key "nbt" of its metadata is a JSON object with

- "sha256", over every byte of the file, its own 64 characters taken as zeros,
- "format" ("nbt-checkpoint") and "schema" (a number that grows when the layout changes),
- "version", of the package that wrote it,
- "trainer", the description from which the trainer is built anew,
- "stream", "history": name and position of what was read; settings of the run; or null.

Nothing in it is ever executed. The checksum notices damage, it keeps nobody from forging a file:
`load` therefore believes nothing, and what it allocates is in proportion to the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import safetensors
import safetensors.numpy

from nbt.alphabets import Alphabet
from nbt.build import __version__
from nbt.descriptions import value_in
from nbt.durable import replace
from nbt.dynamics import is_fast
from nbt.errors import CheckpointError
from nbt.history import History
from nbt.networks import Network

__all__ = ["Checkpoint", "load", "model_of", "save"]

FORMAT = "nbt-checkpoint"
SCHEMA = 2
LONGEST_HEADER = 1 << 26  # a graph is in it: 3 bytes an edge
LARGEST_FILE = 1 << 36
MALFORMED = (
    *(AttributeError, ArithmeticError, LookupError, MemoryError, RecursionError, TypeError),
    ValueError,
)
NO_DIGEST = "0" * 64
ALPHABET, HISTORY = "stream.alphabet", "history."


@dataclass(frozen=True)
class Checkpoint:
    """Everything needed to go on: what learns, what it has read, what was measured.

    Attributes
    ----------
    trainer : nbt.NoBackTrack, nbt.RTRL or nbt.TruncatedBPTT
    alphabet : Alphabet or None
        What its symbols stand for.
    stream : dict or None
        ``{"name": str, "state": dict}``: where the stream was; `Stream.load_state_dict` takes the
        state, and refuses it if what comes before that place has another hash.
    history : History or None
        `nbt.train(..., history=history)` goes on with it.
    estimator : dict or None
        What an `nbt.RNNClassifier` or `nbt.RNNRegressor` has beside its trainer.

    Examples
    --------
    >>> Checkpoint.of(trainer, stream, history).save("model.safetensors")  # doctest: +SKIP
    >>> checkpoint = Checkpoint.load("model.safetensors")  # doctest: +SKIP
    >>> stream.load_state_dict(checkpoint.stream["state"])  # doctest: +SKIP
    >>> nbt.train(checkpoint.trainer, stream, history=checkpoint.history)  # doctest: +SKIP
    """

    trainer: Any
    alphabet: Alphabet | None = None
    stream: Mapping[str, Any] | None = None
    history: History | None = None
    estimator: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, trainer: Any, stream: Any = None, history: History | None = None) -> Checkpoint:
        """The present moment of a trainer, and of the stream and the history that go with it."""
        if stream is None:
            return cls(trainer, history=history)
        place = {"name": stream.name, "state": stream.state_dict()}
        return cls(trainer, stream.alphabet, place, history)

    def save(self, path: str | os.PathLike[str], aside: str | None = None) -> None:
        """Write it to a file; `nbt.save` says how.

        Raises
        ------
        CheckpointError
            An array holds NaN or an infinity: nothing is written.
        OSError
            The file cannot be written; it names the path.
        """
        state = self.trainer.state_dict()
        for name, array in state.items():
            if not np.isfinite(array).all():
                raise CheckpointError(f"{os.fspath(path)}: not written: {name} is not finite")
        replace(path, _encode(self, state), aside)

    @classmethod
    def load(cls, path: str | os.PathLike[str], cell: Any = None) -> Checkpoint:
        """Read a file that `save` wrote; `nbt.load` says what `cell` is and what it raises."""
        from nbt import trainers  # trainers has `save` from this module

        path = os.fspath(path)
        head, tensors = _read(path)
        symbols = tensors.pop(ALPHABET, None)
        rows = {k[len(HISTORY) :]: tensors.pop(k) for k in list(tensors) if k.startswith(HISTORY)}
        if cell is None and _is_system(head["trainer"]["cell"]):
            raise CheckpointError(
                f"{path}: the functions of a system are in no checkpoint; "
                "expected nbt.load(path, cell=...)"
            )
        try:
            own = {} if cell is None else {"cell": cell}
            trainer = trainers.from_description(head["trainer"] | own)
            trainer.load_state_dict(tensors)  # checks names, shapes and ranges
            return cls(
                trainer,
                _alphabet_in(head["stream"], symbols),
                head["stream"] and {key: head["stream"][key] for key in ("name", "state")},
                None if head["history"] is None else History.from_state(rows, head["history"]),
                _mapping(head.get("estimator")),
            )
        except MALFORMED as error:
            raise CheckpointError(
                f"{path}: holds no trainer of this version: {_why(error)}"
            ) from error


def save(
    trainer: Any,
    path: str | os.PathLike[str],
    stream: Any = None,
    history: History | None = None,
) -> None:
    """Write a trainer to a file.

    It is written to another file in the same folder, synced and renamed, and the folder is synced:
    a crash at any moment leaves the old file or the new one, whole. The old one is kept beside it,
    as ``path + ".previous"``.

    Parameters
    ----------
    trainer
        Has `state_dict()` (arrays) and `describe()` (what JSON holds).
    path : str or path-like
        Where to.
    stream, history : optional
        What it learned from, and what `nbt.train` gave: their present state is saved with it.

    Raises
    ------
    CheckpointError
        An array holds NaN or an infinity: nothing is written.
    OSError
        The file cannot be written; it names the path.

    Examples
    --------
    >>> trainer.save("model.safetensors")  # doctest: +SKIP
    >>> trainer = nbt.load("model.safetensors")  # doctest: +SKIP
    """
    checkpoint = Checkpoint.of(trainer, stream, history)
    checkpoint.save(path, aside=os.path.realpath(path) + ".previous")


def load(path: str | os.PathLike[str], cell: Any = None) -> Any:
    """Build the trainer that was saved to a file.

    Parameters
    ----------
    path : str or path-like
        What `save` wrote. `Checkpoint.load` also gives the alphabet, the place in the stream and
        the history.
    cell : System or CompiledSystem, optional
        The system that was trained, whose functions are in no file.

    Returns
    -------
    nbt.NoBackTrack, nbt.RTRL or nbt.TruncatedBPTT
        It goes on as if it had never stopped. Or the estimator that was saved: `nbt.RNNClassifier`,
        `nbt.RNNRegressor`.

    Raises
    ------
    CheckpointError
        The file is not a checkpoint, is damaged, was altered, or is of another schema; the message
        says which.
    OSError
        The file cannot be read.
    """
    return model_of(path, Checkpoint.load(path, cell))


def model_of(path: str | os.PathLike[str], checkpoint: Checkpoint) -> Any:
    """What was saved in a checkpoint that was read from that path: its trainer, or an estimator
    around it."""
    if checkpoint.estimator is None:
        return checkpoint.trainer
    from nbt.estimators import ESTIMATORS  # it has `save`, too

    kind = ESTIMATORS.get(checkpoint.estimator.get("estimator"))
    if kind is None:
        raise CheckpointError(f"{os.fspath(path)}: holds no estimator of this version")
    return kind.restored(path, checkpoint)


# ---- writing -----------------------------------------------------------------------------------


def _encode(checkpoint: Checkpoint, state: Mapping[str, np.ndarray]) -> bytes:
    tensors = {name: np.asarray(array, order="C") for name, array in state.items()}
    stream, history = checkpoint.stream, checkpoint.history
    if checkpoint.alphabet is not None:
        stream = {**(stream or {"name": None, "state": None})}
        stream["alphabet"], symbols = _alphabet_out(checkpoint.alphabet)
        if symbols is not None:
            tensors[ALPHABET] = symbols
    if history is not None:
        tensors |= {HISTORY + name: array for name, array in history.state_dict().items()}
    head = {
        "sha256": NO_DIGEST,
        "format": FORMAT,
        "schema": SCHEMA,
        "version": __version__,
        "trainer": checkpoint.trainer.describe(),
        "stream": stream,
        "history": None if history is None else history.settings,
        "estimator": checkpoint.estimator,
    }
    data = safetensors.numpy.save(tensors, metadata={"nbt": json.dumps(head)})
    length = int.from_bytes(data[:8], "little")
    if length > LONGEST_HEADER:
        raise CheckpointError(
            f"names, labels and settings take {length} bytes, at most {LONGEST_HEADER} can be saved"
        )
    return _seal(data)


def _seal(data: bytes) -> bytes:
    """Put the checksum where its zeros are, in the first string of the header that looks so."""
    place = data.index(NO_DIGEST.encode())
    digest = hashlib.sha256(data).hexdigest().encode()
    return b"".join((data[:place], digest, data[place + len(digest) :]))


def _alphabet_out(alphabet: Alphabet) -> tuple[Any, np.ndarray | None]:
    """What JSON holds of an alphabet, and its symbols as an array."""
    symbols = alphabet.symbols
    if isinstance(symbols, range):
        return len(symbols), None
    if isinstance(symbols, str):
        return "characters", np.array(list(map(ord, symbols)), np.uint32)
    words = isinstance(symbols, tuple)
    data = json.dumps(symbols).encode() if words else symbols
    return "words" if words else "bytes", np.frombuffer(data, np.uint8)


# ---- reading -----------------------------------------------------------------------------------


def _read(path: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays, once everything that the file says about itself has proved true."""
    with open(path, "rb", buffering=0, opener=_open_at_once) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise CheckpointError(f"{path}: not a regular file")
        head, layout, length = _head(path, file)
        _check_layout(path, head, layout, found.st_size - 8 - length)
        file.seek(0)
        try:
            data = file.read(found.st_size)  # that much even if it grows meanwhile
            _check_digest(path, head["sha256"], data, length)
            tensors = safetensors.numpy.load(data)
        except (safetensors.SafetensorError, *MALFORMED) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"{path}: damaged or cut short: {_why(error)}") from None
    for name, array in tensors.items():
        if not name.startswith(HISTORY) and not np.isfinite(array).all():
            raise CheckpointError(f"{path}: {name} is not finite")
    return head, tensors


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a named pipe would wait


def _head(path: str, file: BinaryIO) -> tuple[dict[str, Any], dict[str, Any], int]:
    """What the file says of itself; what safetensors says of its arrays; the header's length."""
    length = int.from_bytes(file.read(8), "little")
    if length > LONGEST_HEADER:
        raise CheckpointError(f"{path}: not a checkpoint of nbt")
    try:
        layout = json.loads(file.read(length))
        head = json.loads(layout.pop("__metadata__")["nbt"])
        known = head["format"] == FORMAT and isinstance(head["trainer"], dict)
        schema, digest = head["schema"], head["sha256"]
    except (AttributeError, ValueError, LookupError, TypeError, RecursionError):
        known = False
    if not known:
        raise CheckpointError(f"{path}: not a checkpoint of nbt, or cut short")
    if type(schema) is not int or schema != SCHEMA:
        newer = type(schema) is int and schema > SCHEMA
        raise CheckpointError(
            f"{path}: written with schema {schema!r} by {'the newer ' * newer}version "
            f"{head.get('version')!r}; this version reads schema {SCHEMA}"
        )
    if not (isinstance(digest, str) and len(digest) == len(NO_DIGEST) and digest.isalnum()):
        raise CheckpointError(f"{path}: damaged or altered: it has no checksum")
    return head, layout, length


def _check_layout(path: str, head: Mapping[str, Any], layout: Any, size: int) -> None:
    """Before anything of that size is read or made, see that the file has arrays of it."""
    if not 0 <= size <= LARGEST_FILE:
        raise CheckpointError(f"{path}: damaged or cut short, or larger than {LARGEST_FILE} bytes")
    try:
        end = max((array["data_offsets"][1] for array in layout.values()), default=0)
        if end != size:
            raise CheckpointError(
                f"{path}: damaged or cut short: it holds {size} bytes of arrays, not {end}"
            )
        for name, shape in _shapes(head["trainer"], layout).items():
            found = tuple(layout[name]["shape"]) if name in layout else "nothing"
            if found != shape:
                raise ValueError(f"{name}: expected shape {shape}, got {found}")
    except CheckpointError:
        raise
    except MALFORMED as error:
        raise CheckpointError(f"{path}: holds no trainer of this version: {_why(error)}") from error


def _shapes(trainer: Mapping[str, Any], layout: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The arrays that between them bound every size of the trainer that is described."""
    cell, m, outputs = trainer["cell"], trainer["inputs"]["size"], _outputs(trainer["readout"])
    window = trainer.get("window", 0)
    sizes = [m, outputs, trainer.get("rank", 1), trainer.get("blocks", 1), window or 1]
    sizes += [cell["units"]] if "units" in cell else []
    if not all(type(size) is int and size > 0 for size in sizes):
        raise TypeError(f"trainer: expected positive sizes, got {sizes}")
    if _is_system(cell):
        return _system_shapes(trainer, layout)
    described, optimizer = value_in(cell), value_in(trainer["optimizer"])
    if not is_fast(described, optimizer, trainer.get("split")):
        return _network_shapes(trainer, Network(described, m))
    n = described.units
    shapes = {"cell.W": (n, n), "cell.r": (m, n), "readout.W": (n, outputs)}
    if "rank" in trainer:
        shapes["estimator.v"] = (trainer["rank"], trainer["blocks"], n)
        shapes["estimator.w"] = (trainer["rank"], 1 + n + m, n)
    if window and trainer.get("trainer") == "NoBackTrack":
        shapes["window.F"] = (window, n, n)
        shapes["window.v"] = (trainer["rank"], window, trainer["blocks"], n)
    elif window:
        shapes["window.h"] = (window, n)
        shapes["window.delta"] = (window, outputs)
    if trainer.get("trainer") == "RTRL":
        shapes["estimator.G"] = (n, 1 + n + m, n)
    return shapes


def _network_shapes(trainer: Mapping[str, Any], network: Network) -> dict[str, tuple[int, ...]]:
    n, p, outputs = network.units, network.size, _outputs(trainer["readout"])
    shapes = {f"cell.{name}": shape for name, shape in network.shapes().items()}
    shapes["readout.W"] = (n, outputs)
    if "rank" in trainer:
        shapes["estimator.v"] = (trainer["rank"], n)
        shapes["estimator.w"] = (p,) if "split" in trainer else (trainer["rank"], p)
    if trainer.get("window"):
        shapes["window.h"] = (trainer["window"], len(network.layers), n)
        shapes["window.delta"] = (trainer["window"], outputs)
    if trainer.get("trainer") == "RTRL":
        shapes["estimator.G"] = (n, p)
    return shapes


def _system_shapes(trainer: Mapping[str, Any], layout: Any) -> dict[str, tuple[int, ...]]:
    """The same for a system, which has as many states and parameters as the file has."""
    (n,), outputs = layout["state.h"]["shape"], _outputs(trainer["readout"])
    own = trainer["readout"]["kind"] == "OwnLoss"
    shapes = {} if own else {"readout.W": (n, outputs)}
    for name, size in (("estimator.v", "rank"), ("window.h", "window")):
        if trainer.get(size):
            shapes[name] = (trainer[size], *layout[name]["shape"][1:])
    return shapes


def _is_system(cell: Mapping[str, Any]) -> bool:
    """Is what is described a system of the user's own, or a step of one in continuous time?"""
    return "System" in str(cell.get("field", cell).get("kind"))


def _outputs(readout: Mapping[str, Any]) -> int:
    if readout["kind"] == "Softmax":
        return readout["symbols"]
    if readout["kind"] == "OwnLoss":
        return readout["units"]
    return readout["dim"] * (2 if readout["kind"] == "Gaussian" else 1)


def _check_digest(path: str, said: str, data: bytes, length: int) -> None:
    place = data.find(said.encode(), 8, 8 + length)
    digest = hashlib.sha256(memoryview(data)[: max(place, 0)])
    digest.update(NO_DIGEST.encode())
    digest.update(memoryview(data)[place + len(NO_DIGEST) :])
    if place < 0 or digest.hexdigest() != said:
        raise CheckpointError(f"{path}: damaged or altered: its checksum does not fit its content")


def _alphabet_in(stream: Mapping[str, Any] | None, symbols: np.ndarray | None) -> Alphabet | None:
    kind = stream and stream.get("alphabet")
    if kind is None:
        return None
    if type(kind) is int:
        return Alphabet(range(kind))
    expected = np.uint32 if kind == "characters" else np.uint8
    if symbols is None or symbols.dtype != expected or symbols.ndim != 1:
        raise ValueError(f"{ALPHABET}: expected {np.dtype(expected)} of one dimension")
    if kind == "characters":
        return Alphabet("".join(map(chr, symbols.tolist())))
    return Alphabet(tuple(json.loads(bytes(symbols))) if kind == "words" else bytes(symbols))


def _mapping(estimator: Any) -> Mapping[str, Any] | None:
    if estimator is not None and not isinstance(estimator, Mapping):
        raise TypeError(f"estimator: expected a mapping, got {estimator!r}")
    return estimator


def _why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
