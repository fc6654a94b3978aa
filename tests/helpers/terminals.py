"""Commands whose output is a terminal."""

import os
import re
import select
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "nbt"]


def on_terminal(*args, stream="stderr", **environment):
    """Exit code of a process, and what it writes to a terminal that is its `stream`."""
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "CI")}
    env = {**kept, "TERM": "xterm-256color", "COLUMNS": "100", **environment}
    pipes = {**dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE), stream: slave}
    process = subprocess.Popen([*COMMAND, *map(str, args)], env=env, **pipes)
    os.close(slave)
    written = b""
    while select.select([master], [], [], 60)[0]:
        try:
            piece = os.read(master, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    process.communicate(timeout=60)
    os.close(master)
    return process.returncode, written.decode()


def lines_of(seen):
    """The lines on it, without colours; of one that was rewritten in place all that it said."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.replace("\r\n", "\n")).split("\n")
