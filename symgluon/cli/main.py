"""Entry point: parse arguments, run a command, turn errors into exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from symgluon import errors
from symgluon.cli import cache, convert, doctor, inspect, profile, verify
from symgluon.cli.common import (
    BAD_FILE,
    CHECK_FAILED,
    INTERNAL,
    UNSUPPORTED,
    USAGE,
    Output,
    UsageError,
)

COMMANDS = (convert, inspect, verify, profile, cache, doctor)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    from symgluon import __version__

    parser = argparse.ArgumentParser(
        prog="symgluon",
        description="Open MXNet and Gluon models, convert them to ONNX, check and run them.",
        epilog="exit codes: 0 ok, 1 a check failed, 2 usage, 3 unsupported operator, 4 a file that "
        "cannot be read or written, 70 a fault of symgluon",
    )
    parser.add_argument("--version", action="version", version=f"symgluon {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print the result as JSON")
    common.add_argument("--quiet", "-q", action="store_true", help="print results and errors only")
    common.add_argument("--debug", action="store_true", help="show the stack trace of an error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add_parser(commands, common)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = build_parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else USAGE
    out = Output(as_json=args.json, quiet=args.quiet)
    try:
        return int(args.run(args, out))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader of stdout went away (| head): no error, and no message at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if args.debug:
            raise
        code, text = _explain(error)
        print(f"symgluon {args.command}: {text}", file=sys.stderr)
        return code


def _explain(error: Exception) -> tuple[int, str]:
    """Exit code and message of an error."""
    if isinstance(error, UsageError):
        return USAGE, str(error)
    if isinstance(error, errors.UnsupportedOpError):
        return UNSUPPORTED, str(error)
    if isinstance(error, errors.FormatError):
        return BAD_FILE, str(error)
    if isinstance(error, OSError):
        return BAD_FILE, f"{error.filename or 'file'}: {error.strerror or error}"
    if isinstance(error, errors.VerifyError | errors.PassError):
        return INTERNAL, f"{error}\n  this is a fault of symgluon; --debug shows where"
    if isinstance(error, errors.SymgluonError):
        return CHECK_FAILED, str(error)
    return INTERNAL, (
        f"{type(error).__name__}: {error}\n  this is a fault of symgluon; --debug shows where"
    )
