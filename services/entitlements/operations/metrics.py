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
    "Decisions of the API, by result (allowed, denied) and reason code.",
    ["result", "reason"],
)
REQUEST_SECONDS: Final = Histogram(
    "entitlements_http_request_seconds",
    "Request duration in seconds, by method, route and status class.",
    ["method", "route", "status"],
    buckets=_SECONDS,
)
REQUESTS_UNDER_WAY: Final = Gauge("entitlements_http_requests_under_way", "Requests in progress.")

# --- Commands -------------------------------------------------------------------------------------------------------

COMMANDS_SENT: Final = Counter("entitlements_commands_sent", "Commands sent by this process.")
COMMANDS_ANSWERED: Final = Counter(
    "entitlements_commands_answered",
    "Results of commands sent by this process: accepted, partial, refused, unknown.",
    ["status"],
)

# --- The engine -----------------------------------------------------------------------------------------------------

ENGINE_COMMANDS: Final = Counter("entitlements_engine_commands", "Commands decided, including refused ones.")
ENGINE_REFUSALS: Final = Counter(
    "entitlements_engine_refusals",
    "Commands refused, by code. Refused lines of usage are not counted here.",
    ["code"],
)
ENGINE_LINES: Final = Counter("entitlements_engine_usage_lines", "Lines of usage decided, including refused ones.")
ENGINE_FRAMES: Final = Counter("entitlements_engine_frames", "Frames written and confirmed.")
ENGINE_FRAME_BYTES: Final = Counter("entitlements_engine_frame_bytes", "Bytes of frames written.")
ENGINE_DECIDING_SECONDS: Final = Counter(
    "entitlements_engine_deciding_seconds", "Seconds spent deciding and encoding; the rate is the share of one core."
)
ENGINE_CONFIRMATION_SECONDS: Final = Histogram(
    "entitlements_engine_confirmation_seconds", "Seconds from writing a frame to its confirmation.", buckets=_SECONDS
)
ENGINE_START_OVERS: Final = Counter(
    "entitlements_engine_start_overs", "Partitions rebuilt from the log, after another engine wrote a frame."
)
ENGINE_PARTITIONS: Final = Gauge("entitlements_engine_partitions", "Partitions owned by this engine.")
ENGINE_WAITING: Final = Gauge("entitlements_engine_waiting_commands", "Commands read and not decided yet.")

# --- What follows the ledger ----------------------------------------------------------------------------------------

PROJECTOR_FRAMES: Final = Counter("entitlements_projector_frames", "Frames written to the read models.")
PROJECTOR_WRITE_SECONDS: Final = Histogram(
    "entitlements_projector_write_seconds", "Duration of a projector transaction in seconds.", buckets=_SECONDS
)
PROJECTION_LAG_SECONDS: Final = Gauge(
    "entitlements_projection_lag_seconds",
    "Seconds the read models are behind a ledger partition; 0: up to date.",
    ["partition"],
)
PROJECTION_LAG_FRAMES: Final = Gauge(
    "entitlements_projection_lag_frames",
    "Ledger records not in the read models yet, by partition.",
    ["partition"],
)
QUARANTINED: Final = Counter(
    "entitlements_quarantined",
    "Records sent to entitlements.quarantine, by process and code.",
    ["found_by", "code"],
)

# --- The access log -------------------------------------------------------------------------------------------------

ACCESS_LOGGED: Final = Counter("entitlements_access_log_written", "Decisions sent to the access log.")
ACCESS_DROPPED: Final = Counter(
    "entitlements_access_log_dropped",
    "Decisions dropped from the access log: queue_full, broker_full, not_delivered, not_writable.",
    ["reason"],
)
ACCESS_KEPT: Final = Counter(
    "entitlements_access_log_kept",
    "Access log records, by result: kept in Postgres, repeated, expired, unreadable.",
    ["what"],
)
