"""Entry of every process that is measured from outside: `python -m bench.process engine`, set up by ENTITLEMENTS_*.

Ends on SIGTERM, and when whoever started it is gone (its standard input then ends).
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from entitlements.settings import Settings


def main(part: str, *arguments: str) -> None:
    """Run a part until told to stop."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    threading.Thread(target=_stop_with_parent, args=(stopping,), daemon=True).start()
    settings = Settings()
    if part == "engine":
        from entitlements.ledger import engine

        engine.run(settings, stopping)
    elif part == "projector":
        from entitlements_projections import projector

        projector.run(settings, stopping)
    elif part == "generator":
        from bench import generator

        generator.run(settings, *arguments)
    elif part == "take-over":
        from bench.growth import taking_over

        taking_over.run(settings, *arguments)
    else:
        raise SystemExit(f"{part} is no part")


def _stop_with_parent(stopping: threading.Event) -> None:
    while os.read(0, 1):  # Not sys.stdin: its lock would be held when the interpreter ends.
        pass
    stopping.set()


if __name__ == "__main__":
    main(*sys.argv[1:])
