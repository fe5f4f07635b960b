"""Every figure once: its unit and what it means. The table and results.json are made of these."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Final, NamedTuple

from entitlements.cli import output

#: Of what is printed, on a terminal and in a file.
COLUMNS: Final = 80


class Figure(NamedTuple):
    """What is measured."""

    unit: str
    meaning: str
    aim: str = ""


FIGURES: dict[str, Figure] = {
    "strict_lines_per_s": Figure("lines/s", "strict lines, 100 a batch, 100 of 10,000 pools in each", ">= 100,000"),
    "strict_lines_per_s_hot_pool": Figure("lines/s", "strict lines, 100 a command, all on one pool"),
    "strict_lines_per_s_fsync": Figure("lines/s", "the first figure, with an fsync of the ledger for every frame"),
    "commands_per_s": Figure("commands/s", "strict lines one by one over 10,000 pools", ">= 25,000"),
    "commands_per_s_hot_pool": Figure("commands/s", "strict lines one by one on one pool"),
    "command_p50_ms": Figure(
        "ms", "from sending a command to holding its decision, at 1,000/s: half are faster", "< 5"
    ),
    "command_p99_ms": Figure("ms", "the same: 99 of 100 are faster", "< 25"),
    "command_kafka_p50_ms": Figure("ms", "the same with the answer through Kafka, as between machines: half"),
    "command_kafka_p99_ms": Figure("ms", "the same: 99 of 100"),
    "projection_events_per_s": Figure("events/s", "usage lines and events from the ledger into an empty database"),
    "publish_lines_per_s": Figure("lines/s", "usage from the ledger to entitlements.usage by one publisher"),
    "changes_events_per_s": Figure(
        "events/s", "events of pools to changes of their customers by one process, which runs Faust"
    ),
    "commands_bytes_per_line": Figure("bytes", "of a usage line in a command of 100 lines of 100 pools, uncompressed"),
    "ledger_bytes_per_line": Figure("bytes", "of the same line in the ledger, whole frames"),
    "outcomes_bytes_per_line": Figure("bytes", "of its answer, if that goes through Kafka"),
    "usage_bytes_per_line": Figure("bytes", "of the same line in entitlements.usage"),
    "postgres_update_per_s": Figure("lines/s", "rival: conditional UPDATE + INSERT, a transaction a line, 10,000 rows"),
    "postgres_update_per_s_hot_row": Figure("lines/s", "the same on one row"),
    "postgres_update_per_s_batched": Figure("lines/s", "the same with 100 lines a transaction and statement"),
    "eventsourcing_per_s": Figure("lines/s", "rival: `eventsourcing` on Postgres, one save a line, 10,000 aggregates"),
    "decide_usage_line_us": Figure(
        "us", "deciding a line in a batch on a pool of 10 provisions and 20 keys, rules only", "< 10"
    ),
    "decide_usage_line_us_100_provisions": Figure("us", "the same with 100 provisions"),
    "decide_usage_line_us_200_keys": Figure("us", "the same with 200 keys"),
    "decide_usage_line_us_1000_reservations": Figure("us", "the same with 1,000 reservations held"),
    "decide_usage_line_us_careful": Figure("us", "the same, each line with an id, a capped customer and a subject"),
    "fold_events_per_s": Figure(
        "events/s", "usage of one line folded from frames of 1 to 500 events into the state, in process", ">= 150,000"
    ),
    "fold_events_per_s_with_ids": Figure("events/s", "the same, each line with a usage id that is remembered"),
    "fold_lines_per_s": Figure("lines/s", "the same, 100 lines an event, without ids"),
    "idle_pool_bytes": Figure(
        "bytes", "memory of a restored pool of two rules and one customer, by tracemalloc", "<= 2,000"
    ),
    **{
        f"remembered_{size}_{name}": figure
        for size in ("1k", "100k", "10m")
        for name, figure in {
            "bytes_a_line": Figure("bytes", f"memory of a line and its id, {size} in one pool"),
            "snapshot_bytes_a_line": Figure("bytes", "the same: one in the first snapshot of the pool"),
            "snapshot_s": Figure("s", "the same: that snapshot, a step at a time"),
            "snapshot_step_ms": Figure("ms", "the same: the longest that a step held decisions up", "<= 20"),
            "take_over_s": Figure("s", "the same: read back by a new owner"),
        }.items()
    },
    "local_check_us": Figure(
        "us", "may this customer use this feature: decided in process by the client's code", "< 2"
    ),
    "local_check_ten_policies_us": Figure(
        "us", "the same by ten policies of four conditions each, the last of which holds", "< 10"
    ),
    "unleash_check_us": Figure("us", "rival: the first question to UnleashClient with its toggles at hand"),
    "unleash_check_ten_policies_us": Figure("us", "the second, ten strategies of four constraints"),
    "launchdarkly_check_us": Figure("us", "rival: the first question to launchdarkly-server-sdk with a file of flags"),
    "launchdarkly_check_ten_policies_us": Figure("us", "the second, ten rules of four clauses"),
    "casbin_check_us": Figure("us", "rival: the first question to casbin by roles"),
    "casbin_check_ten_policies_us": Figure("us", "the second, ten rules over attributes"),
    "cedar_check_us": Figure("us", "rival: the first question to cedarpy with policies and entities parsed"),
    "cedar_check_ten_policies_us": Figure("us", "the second, ten policies of four conditions"),
    "view_postgres_us": Figure("us", "a customer's view of 20 keys made from the read models of the primary"),
    "view_replica_us": Figure("us", "the same from a streaming replica that is fresh enough"),
    "view_valkey_us": Figure("us", "the same from the cache that processes share"),
    "view_in_process_us": Figure("us", "the same from the memory of the process"),
    "view_varnish_us": Figure("us", "the same over HTTP, from a Varnish before the service"),
    "view_burst_loads": Figure("loads", "of Postgres for 200 callers at once who ask for one customer", "1"),
    "http_check_per_s": Figure("checks/s", "POST /v1/check, one worker, everything on these cores", ">= 4,000"),
    "http_check_p50_ms": Figure("ms", "how long such a check takes, half of them"),
    "http_check_p99_ms": Figure("ms", "99 of 100 of them", "< 10"),
    "ingest_lines_per_s": Figure(
        "lines/s",
        "usage as CloudEvents, 10,000 a call, from HTTP until it is decided, durable and answered",
        ">= 50,000",
    ),
    "ingest_lines_per_s_all": Figure(
        "lines/s", "the same while publisher, projector and changes take their share of these cores"
    ),
    "change_to_client_p50_ms": Figure("ms", "from sending a command to a local client that answers by it"),
    "change_to_client_p99_ms": Figure("ms", "99 of 100 of them", "< 100"),
    "quiet_check_alone_p99_ms": Figure("ms", "a quiet organization's checks over HTTP at 200/s, open-loop: 99 of 100"),
    "quiet_check_p50_ms": Figure(
        "ms", "the same beside 3,000 silent connections, a neighbour's 1,000 streams and its worst policies: half"
    ),
    "quiet_check_p99_ms": Figure("ms", "99 of 100 of them", "< 50, or 2 x alone"),
    "quiet_check_times_alone": Figure(
        "times", "that by what it is alone in the same round: the median of the rounds", "<= 2"
    ),
    "quiet_p99_ms_beside_large_work": Figure(
        "ms",
        "checks, usage and small calls of many of a quiet organization at 100/s, open-loop, beside the kind of large work that is worst",
        "< 50",
    ),
    "quiet_p99_ms_beside_no_work": Figure("ms", "the same without large work"),
    "broker_produce_mb_per_s": Figure("MB/s", "what the broker takes from one idempotent producer, 1 KB records"),
    "ratio_to_postgres": Figure("times", "strict_lines_per_s / postgres_update_per_s", ">= 15"),
    "ratio_to_eventsourcing": Figure("times", "strict_lines_per_s / eventsourcing_per_s"),
}


def _of_http() -> dict[str, Figure]:
    """The figures of bench.whole: each way to ask at each number of connections."""
    asked = {
        "http_use": "POST /v1/usage, every process runs, one of 10,000 customers at random",
        "http_use_zipf": "the same, the first customer in a tenth of all requests (Zipf)",
        "baseline_use": "rival: 30 lines of FastAPI, UPDATE and INSERT on the same Postgres, on disk",
        "procedure_use": "rival: the same server, a stored procedure",
        "valkey_use": "rival: the same server, a Lua script in Valkey, appendfsync always",
        "http_check_all": "POST /v1/check about one of 10,000 customers at random",
        "baseline_check": "rival: the same server, a SELECT",
    }
    found = {}
    for name, meaning in asked.items():
        for number in (8, 64) if "check" in name else (1, 8, 64, 256):
            of = f"{number} {'connection' if number == 1 else 'connections'}: {meaning}"
            found[f"{name}_{number}_per_s"] = Figure("requests/s", of)
            found[f"{name}_{number}_p50_ms"] = Figure("ms", "half of these are answered within")
            found[f"{name}_{number}_p99_ms"] = Figure("ms", "99 of 100 of these")
            found[f"{name}_{number}_cpu_us"] = Figure("us", "processor time of one of these, all processes")
            if name.startswith("http_") and number in {8, 64}:
                for process in (*_PROCESSES, "other"):
                    found[f"{name}_{number}_cpu_us_{process}"] = Figure("us", f"of that in {process}")
    for name, aim in _RATIOS_OF_HTTP.items():
        found[name] = Figure("times", _ratio_in_words(name), aim)
    return found


_PROCESSES: Final = ("kafka", "postgres", "api", "engine", "projector", "publisher", "changes")
#: Ours by that of FastAPI on Postgres, in one run.
_RATIOS_OF_HTTP: Final = {
    "ratio_use_1_p50": "<= 2.5", "ratio_use_8": ">= 0.8", "ratio_use_64": ">= 1.5", "ratio_use_256": "",
    "ratio_use_zipf_64": "", "ratio_check_8": ">= 3", "ratio_check_64": ">= 3",
}  # fmt: skip


def _parts_of(ratio: str) -> tuple[str, str]:
    """The figures that a ratio is made of."""
    kind, number = ratio.removeprefix("ratio_").removesuffix("_p50").rsplit("_", 1)
    ours = "http_check_all" if kind == "check" else f"http_{kind}"
    figure = "p50_ms" if ratio.endswith("_p50") else "per_s"
    return f"{ours}_{number}_{figure}", f"baseline_{kind.removesuffix('_zipf')}_{number}_{figure}"


def _ratio_in_words(ratio: str) -> str:
    return " / ".join(f"`{part}`" for part in _parts_of(ratio))


FIGURES |= _of_http()


def with_ratios(measured: Mapping[str, float]) -> dict[str, float]:
    """The figures in their order, with the ratios that can be made of them."""
    found = dict(measured)
    if "strict_lines_per_s" in found:
        for ratio, rival in (
            ("ratio_to_postgres", "postgres_update_per_s"),
            ("ratio_to_eventsourcing", "eventsourcing_per_s"),
        ):
            if rival in found:
                found[ratio] = found["strict_lines_per_s"] / found[rival]
    for ratio in _RATIOS_OF_HTTP:
        ours, theirs = _parts_of(ratio)
        if ours in found and theirs in found:
            found[ratio] = found[ours] / found[theirs]
    return {name: found[name] for name in FIGURES if name in found}


def show(measured: Mapping[str, float], machine: str, notes: Mapping[str, str]) -> None:
    """Print each figure, and below it what it means and how the best of several was chosen: 80 columns, in a file too."""
    output.plain(f"\nMeasured on {machine}\n\n")
    for name, value in measured.items():
        figure = FIGURES[name]
        written = f"{value:,.0f}" if value >= 1_000 else f"{value:,.2f}"
        beside = [each for each in (f"aim {figure.aim}" if figure.aim else "", notes.get(name, "")) if each]
        meaning = figure.meaning + (f" ({'; '.join(beside)})" if beside else "")
        folded = textwrap.fill(meaning, COLUMNS, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
        output.plain(f"{name:<48} {written:>14} {figure.unit}\n{folded}\n")
    output.plain("\n")
