"""Runs one command line and turns what went wrong into a sentence and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from entitlements.cli.failures import DONE, FAILED, INTERRUPTED, USAGE, Failure, explained


def run(arguments: Sequence[str]) -> int:
    """Run a command line; its exit status. Only a bug of ours passes as an exception."""
    from entitlements.cli.app import app

    as_json = "--json" in arguments
    try:
        status = app(args=list(arguments), prog_name="entitlements", standalone_mode=False)
    except click.UsageError as error:
        see = f"see `{error.ctx.command_path} --help`" if error.ctx is not None else "see `entitlements --help`"
        return _tell(Failure("usage", _sentence(error.format_message()), see, USAGE), as_json)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough; the interpreter must not flush into it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        failure = explained(error)
        if failure is None:
            raise
        return _tell(failure, as_json)
    return status if isinstance(status, int) else DONE


def _tell(failure: Failure, as_json: bool) -> int:
    if as_json:
        import json

        print(json.dumps({"error": failure.document()}, ensure_ascii=False))
    else:
        print(failure, file=sys.stderr)
    assert failure.status in {FAILED, USAGE}
    return failure.status


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "?", "!")) else f"{text}."
