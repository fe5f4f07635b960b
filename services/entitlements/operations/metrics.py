"""Every metric of every process, declared once: name, kind, unit, meaning. docs/operations.md says what to do about them.

Counters end in _total. Whoever counts often counts many at once or keeps the child of its labels: looking one up costs more
than counting. Each process has its own numbers, and serves them on a port of its own (port.py).
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# A second series for each of the others, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

#: Seconds. Requests and frames take from a fraction of a millisecond to some seconds.
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# --- The API --------------------------------------------------------------------------------------------------------

DECISIONS: Final = Counter(
    "entitlements_decisions",
    "Decisions of the API, by result (allowed, denied) and code of the reason.",
    ["result", "reason"],
)
REQUEST_SECONDS: Final = Histogram(
    "entitlements_http_request_seconds",
    "Seconds from a request's arrival to the end of its answer, by route and class of its status.",
    ["method", "route", "status"],
    buckets=_SECONDS,
)
REQUESTS_UNDER_WAY: Final = Gauge("entitlements_http_requests_under_way", "Requests that are being answered.")

# --- Commands -------------------------------------------------------------------------------------------------------

COMMANDS_SENT: Final = Counter("entitlements_commands_sent", "Commands sent to the log by this process.")
COMMANDS_ANSWERED: Final = Counter(
    "entitlements_commands_answered",
    "Commands of this process that were answered: accepted, partial, refused, or unknown.",
    ["status"],
)

# --- The engine -----------------------------------------------------------------------------------------------------

ENGINE_COMMANDS: Final = Counter("entitlements_engine_commands", "Commands decided, refused ones too.")
ENGINE_REFUSALS: Final = Counter(
    "entitlements_engine_refusals",
    "Commands refused, by code; lines of usage are refused by line and not counted here.",
    ["code"],
)
ENGINE_LINES: Final = Counter("entitlements_engine_usage_lines", "Lines of usage decided, refused ones too.")
ENGINE_FRAMES: Final = Counter("entitlements_engine_frames", "Frames written and read back as valid.")
ENGINE_FRAME_BYTES: Final = Counter("entitlements_engine_frame_bytes", "Bytes of the frames written.")
ENGINE_DECIDING_SECONDS: Final = Counter(
    "entitlements_engine_deciding_seconds", "Seconds spent deciding and writing down: over time, the share of one core."
)
ENGINE_READ_BACK_SECONDS: Final = Histogram(
    "entitlements_engine_read_back_seconds", "Seconds from writing a frame to reading it back.", buckets=_SECONDS
)
ENGINE_START_OVERS: Final = Counter(
    "entitlements_engine_start_overs", "Partitions learned again from the log: a rival, or a frame nobody knows of."
)
ENGINE_PARTITIONS: Final = Gauge("entitlements_engine_partitions", "Partitions that this engine decides.")
ENGINE_WAITING: Final = Gauge(
    "entitlements_engine_waiting_commands", "Commands taken from the log and not decided yet."
)

# --- What follows the ledger ----------------------------------------------------------------------------------------

PROJECTOR_FRAMES: Final = Counter("entitlements_projector_frames", "Frames written into the read models.")
PROJECTOR_WRITE_SECONDS: Final = Histogram(
    "entitlements_projector_write_seconds", "Seconds for one transaction of the projector.", buckets=_SECONDS
)
PROJECTION_LAG_SECONDS: Final = Gauge(
    "entitlements_projection_lag_seconds",
    "Seconds since the read models knew the whole of a partition of the ledger; 0: they know it all.",
    ["partition"],
)
PROJECTION_LAG_FRAMES: Final = Gauge(
    "entitlements_projection_lag_frames",
    "Records of a partition of the ledger that the read models do not know yet.",
    ["partition"],
)
QUARANTINED: Final = Counter(
    "entitlements_quarantined",
    "Records put into entitlements.quarantine, by the process and the code.",
    ["found_by", "code"],
)

# --- The access log -------------------------------------------------------------------------------------------------

ACCESS_LOGGED: Final = Counter("entitlements_access_log_written", "Decisions handed to the broker for the access log.")
ACCESS_DROPPED: Final = Counter(
    "entitlements_access_log_dropped",
    "Decisions that are missing in the access log: queue_full, broker_full, not_delivered or not_writable.",
    ["reason"],
)
ACCESS_KEPT: Final = Counter(
    "entitlements_access_log_kept",
    "Records of the access log: kept in Postgres, repeated, expired or unreadable.",
    ["what"],
)
