"""Runs one command line and turns what went wrong into a sentence and an exit status."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO

import typer
from typer.exceptions import TyperException

from entitlements.cli.failures import DONE, FAILED, INTERRUPTED, USAGE, USAGE_ERROR, Failure, explained
from entitlements.cli.output import width_of


def run(arguments: Sequence[str]) -> int:
    """Run a command line; its exit status. Only a bug of ours passes as an exception."""
    from entitlements.cli.app import app

    as_json = "--json" in arguments
    # What Kafka's client mentions beside: what matters comes as an error of a call.
    logging.getLogger("entitlements.kafka").addHandler(logging.NullHandler())
    try:
        with _unpadded(arguments):
            status = app(args=list(arguments), prog_name="entitlements", standalone_mode=False)
    except TyperException as error:
        return _not_understood(error, as_json)
    except (KeyboardInterrupt, typer.Abort):
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


@contextmanager
def _unpadded(arguments: Sequence[str]) -> Iterator[None]:
    """Into a file or a pipe help goes without the spaces that fill its lines on a terminal."""
    if sys.stdout.isatty() or not {"--help", "-h"} & set(arguments):
        yield
        return
    with redirect_stdout(StringIO()) as shown:
        yield
    print("\n".join(line.rstrip() for line in shown.getvalue().split("\n")).strip("\n"))


def _not_understood(error: TyperException, as_json: bool) -> int:
    said = error.format_message()
    if not said:
        return USAGE  # A group without a command: its help was shown.
    if negative := re.fullmatch(r"No such option: (-\d\S*?)\.?", said):
        return _tell(_negative(negative[1]), as_json)
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "entitlements"
    values = getattr(getattr(error, "param", None), "help", None)
    if values and said.startswith("Missing "):
        said = f"{said.rstrip('.')}: {values}"  # What it takes.
    return _tell(Failure(USAGE_ERROR, _sentence(said), f"See `{command} --help`.", USAGE), as_json)


def _negative(number: str) -> Failure:
    """To the parser -3 is an option; whoever typed it meant a quantity."""
    from entitlements.cli.values import not_a_quantity

    failure = explained(not_a_quantity(number))
    assert failure is not None
    return failure


def _tell(failure: Failure, as_json: bool) -> int:
    if as_json:
        import json

        print(json.dumps({"error": failure.document()}, ensure_ascii=False))
    else:
        print(failure.lines(width_of(sys.stderr) if sys.stderr.isatty() else None), file=sys.stderr)
    assert failure.status in {FAILED, USAGE}
    return failure.status


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "?", "!")) else f"{text}."
