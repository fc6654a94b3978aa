"""The works of Shakespeare as one text."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nbt import _arguments
from nbt.errors import DataError, MissingExtra
from nbt.streams import SymbolStream, text

__all__ = ["shakespeare"]

FILE = "shakespeare.txt"
SHA256 = "aaaa320aaa06817e9bc9dfcb2572c617fa69d1d619c9647ad9330970edb0e4d4"
SOURCE = "https://storage.googleapis.com/apache-beam-samples/shakespeare/"
WORKS = """
    1kinghenryiv 1kinghenryvi 2kinghenryiv 2kinghenryvi 3kinghenryvi allswellthatendswell
    antonyandcleopatra asyoulikeit comedyoferrors coriolanus cymbeline hamlet juliuscaesar
    kinghenryv kinghenryviii kingjohn kinglear kingrichardii kingrichardiii loverscomplaint
    loveslabourslost macbeth measureforemeasure merchantofvenice merrywivesofwindsor
    midsummersnightsdream muchadoaboutnothing othello periclesprinceoftyre rapeoflucrece
    romeoandjuliet sonnets tamingoftheshrew tempest timonofathens titusandronicus
    troilusandcressida twelfthnight twogentlemenofverona various venusandadonis winterstale
"""


def shakespeare(path: str | os.PathLike[str] | None = None) -> SymbolStream:
    """Return a stream over the works of Shakespeare: 5 283 837 characters, 80 symbols.

    Parameters
    ----------
    path : str or path-like, optional
        The text, if you have it. Default: shakespeare.txt in the folder that the environment
        variable NBT_DATA_DIR names, or else in the user's cache. If it is not there it is
        downloaded once and checked. This needs the package pooch (``pip install
        'nobacktrack[data]'``).

    Returns
    -------
    Stream
        Not endless. Its entropy rate is not known.

    Raises
    ------
    TypeError
        `path` is no path.
    DataError
        There is no file `path`, or the text cannot be downloaded.
    MissingExtra
        The text must be downloaded, and pooch is not installed.

    Notes
    -----
    These are the 42 files of the edition known as Moby, in the order of their names, each followed
    by a line break.
    """
    return text(_downloaded() if path is None else _existing(Path(_arguments.path("path", path))))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"shakespeare: there is no file {os.fspath(path)!r}")
    return path


def _downloaded() -> Path:
    """Return the file in NBT_DATA_DIR as it is, or the file in the cache, whose checksum is
    checked."""
    folder = os.environ.get("NBT_DATA_DIR")
    if folder and (Path(folder) / FILE).is_file():
        return Path(folder) / FILE
    try:
        import pooch
    except ImportError:
        raise MissingExtra(
            "shakespeare: pooch downloads it: pip install 'nobacktrack[data]'; or give a path, or "
            f"set NBT_DATA_DIR to a folder with {FILE}"
        ) from None
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        found = pooch.retrieve(
            SOURCE,
            known_hash=f"sha256:{SHA256}",
            fname=FILE,
            path=folder or pooch.os_cache("nbt"),
            downloader=_download,
        )
    except (OSError, ValueError) as error:
        raise DataError(
            f"shakespeare: cannot be downloaded ({_reason(error)}); give a path, or set "
            f"NBT_DATA_DIR to a folder with {FILE}"
        ) from error
    return Path(found)


def _download(url: str, output: Any, pooch: Any) -> None:
    from pooch import HTTPDownloader

    get = HTTPDownloader(timeout=30)
    with open(output, "wb") as file:
        for work in WORKS.split():
            get(f"{url}{work}.txt", file, pooch)
            file.write(b"\n")


def _reason(error: Exception) -> str:
    """Return why in a few words; the messages of requests about failed connections are long."""
    import requests

    response = getattr(error, "response", None)
    if response is not None:
        return f"{urlsplit(SOURCE).netloc} answers {response.status_code}"
    if isinstance(error, requests.RequestException):
        return f"no connection to {urlsplit(SOURCE).netloc}"
    return "what came has another checksum" if isinstance(error, ValueError) else str(error)
