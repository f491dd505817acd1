"""The command ``sklode``."""

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from .command_line.group import sklode
from .command_line.printing import complain, warn

_TRACEBACK = "SKLODE_TRACEBACK"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    Parameters
    ----------
    arguments : sequence of str, default=None
        None takes those of the program.

    Returns
    -------
    int
        0, or 1 after an error or an interruption, or 2 for options that mean nothing.
    """
    if "_SKLODE_COMPLETE" in os.environ:  # the shell asks what could come next
        sklode.main(prog_name="sklode")
    given = list(sys.argv[1:] if arguments is None else arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _warn
        try:
            with sklode.make_context("sklode", given or ["--help"]) as context:
                sklode.invoke(context)
            return 0
        except click.exceptions.Exit as done:  # of --help and --version
            sys.exit(done.exit_code)
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else "sklode"
            return _fail(f"{error.format_message()} Try '{where} --help'.", 2)
        except KeyboardInterrupt as stop:
            return _fail(" ".join(["interrupted.", *map(str, stop.args)]))
        except MemoryError as error:
            return _fail(f"out of memory. {error}")
        except OSError as error:
            named = error.filename is not None and error.strerror is not None
            return _fail(f"{error.filename}: {error.strerror}." if named else error)
        except (ValueError, RuntimeError, TypeError, ImportError) as error:
            return _fail(error)
        except Exception as error:
            if os.environ.get(_TRACEBACK):
                raise
            return _fail(
                f"unexpected error: {type(error).__name__}: {error}. Please report it; "
                f"{_TRACEBACK}=1 shows where."
            )


def _fail(error: object, status: int = 1) -> int:
    """Say what is wrong in one line."""
    complain(str(error))
    return status


def _warn(message: Warning | str, *where: Any, **options: Any) -> None:
    """Show a warning without the line of the program that it came from."""
    warn(str(message))


if __name__ == "__main__":
    sys.exit(main())
