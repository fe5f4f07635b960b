"""Secrets of API keys are written nowhere: not in errors, not in logs. Whatever a caller sends may hold one, by mistake."""

from __future__ import annotations

import re
from typing import Final

#: ent_<id>_<secret>, as long as the keys that we make, or nearly so.
_KEY: Final = re.compile(r"ent_([A-Za-z0-9]{8,64})_[A-Za-z0-9_-]{20,}")


def masked(text: str) -> str:
    """A text with API keys shown by their ids alone: `ent_3kTfq09sXa2B_***`."""
    return _KEY.sub(r"ent_\1_***", text) if "ent_" in text else text
