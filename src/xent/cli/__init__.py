"""The command `xent`: parser and dispatch; each command has a file of its own.

Exit status: 0 fine, 1 a finding or failure, 2 wrong usage, 130 interrupted by Ctrl-C. Results go to stdout, progress,
remarks and errors to stderr; with --json stdout holds one JSON object and nothing else, also after a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from xent import __version__
from xent.cli import bench, explain, predict, sweep, train
from xent.cli.terminal import fitted, prepare_streams, say
from xent.core.errors import OptionError, XentError

if TYPE_CHECKING:
    from collections.abc import Sequence

STATUS = """\
exit status: 0 fine, 1 a finding or failure, 2 wrong usage, 130 after Ctrl-C
results go to stdout, progress and remarks to stderr"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (None: this process's own) and return its exit status, never raising for a mistake."""
    prepare_streams()
    options = _parser().parse_args(argv)
    if options.command is None:
        _parser().print_help(sys.stderr)
        return 2
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        say("\nxent: stopped.", sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read stdout has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get("XENT_TRACEBACK"):
            raise
        return _failed(error, as_json=options.json is True)
    return status


def _failed(error: Exception, *, as_json: bool) -> int:
    """Say what went wrong; the exit status."""
    if isinstance(error, XentError):
        message = str(error)
    elif isinstance(error, MemoryError):
        message = "not enough memory for this data."
    elif isinstance(error, OSError):
        message = f"{error.filename or 'a file'}: {error.strerror or error}."
    else:
        message = (
            f"a mistake in xent itself: {type(error).__name__}: {error}\n"
            "  Please report it, with what the environment variable XENT_TRACEBACK=1 shows."
        )
    status = 2 if isinstance(error, OptionError) else 1
    say(fitted(f"xent: {message}"), sys.stderr)
    if as_json:
        say(json.dumps({"error": {"kind": type(error).__name__, "message": message, "status": status}}))
    return status


def _parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="xent",
        description="The softmax cross-entropy loss and its gradient, at work.",
        epilog=STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"xent {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command in (explain, train, predict, sweep, bench):
        command.add_parser(commands, STATUS)
    return parser
