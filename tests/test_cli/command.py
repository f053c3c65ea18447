"""Runs `xent` as a user does, in a process of its own; and on a terminal of 80 columns."""

import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import xent

SRC = Path(xent.__file__).resolve().parents[1]
XENT = [sys.executable, "-m", "xent"]


def environment(**changes: str) -> dict[str, str]:
    """The environment of this process without what changes a terminal's output, and with `changes`."""
    plain = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "LINES"}}
    path = os.pathsep.join(filter(None, [str(SRC), os.environ.get("PYTHONPATH", "")]))
    return {**plain, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", "COLUMNS": "80", **changes}


def xent_command(*args: object, cwd: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """The finished command; its output read in the encoding it was asked for."""
    env = environment(**changes)
    return subprocess.run(
        [*XENT, *map(str, args)],
        cwd=cwd,
        env=env,
        capture_output=True,
        encoding=env["PYTHONIOENCODING"].partition(":")[0],
        timeout=120,
        check=False,
    )


def on_terminal(*args: object, cwd: Path, interrupt_after: bytes | None = None, **changes: str) -> tuple[int, bytes]:
    """Exit status and everything written to a terminal of 80 columns; Ctrl-C is pressed after `interrupt_after`."""
    import fcntl
    import struct
    import termios

    def take_terminal() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # tests that run in the background of a shell inherit: ignored
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    env = environment(**{"TERM": "xterm-256color", **changes})
    del env["COLUMNS"]
    process = subprocess.Popen(
        [*XENT, *map(str, args)], cwd=cwd, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=take_terminal,  # noqa: PLW1509  # one thread: Ctrl-C needs a terminal
    )  # fmt: skip
    os.close(slave)
    written = bytearray()
    while process.poll() is None or select.select([master], [], [], 0)[0]:
        if not select.select([master], [], [], 0.1)[0]:
            continue
        try:
            written += os.read(master, 65536)
        except OSError:
            break
        if interrupt_after is not None and interrupt_after in written:
            os.write(master, b"\x03")
            interrupt_after = None
    os.close(master)
    return process.wait(), bytes(written)
