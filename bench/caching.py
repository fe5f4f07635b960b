"""What a view costs from each level of caching: one customer with 20 keys, asked for by one caller at a time.

All servers are real: Postgres with a streaming replica, Valkey, and Varnish (where Debian's packages can be had) before a small HTTP
server. The difference between a level and the one behind it is what a hit saves. `burst` is 200 callers who ask for one customer that
nobody has asked for yet: loads of Postgres that it takes.
"""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Final

from psycopg_pool import ConnectionPool

from bench.place import Place
from entitlements.access.caching import shared
from entitlements.access.caching.floors import Floors
from entitlements.access.caching.in_process import InProcess
from entitlements.access.caching.replicated import Replicated
from entitlements.access.sources import ViewSource
from entitlements.access.views import PostgresViews
from entitlements.domain import commands as asks
from entitlements.domain.values import Rule
from entitlements.local.errors import NoSuchPackages
from entitlements.local.postgres import LocalPostgres, LocalReplica
from entitlements.local.valkey import LocalValkey
from entitlements.local.varnish import LocalVarnish
from entitlements_projections.database import configure, connect
from entitlements_projections.migrations import migrate
from entitlements_projections.replicas import Replicas
from entitlements_projections.testing import AT_MS, SyntheticLedger, all_frames, write

CUSTOMERS: Final = 200
KEYS: Final = 20
BURST: Final = 200
ORGANIZATION: Final = "acme"
PATH: Final = "/v1/customers/customer-0/entitlements"


def measure(place: Place) -> dict[str, float]:
    """Microseconds of a hit of each level, the median."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entitlements-bench-")))
        place.say("fills a primary and copies it")
        primary = stack.enter_context(LocalPostgres(folder / "primary", replicated=True))
        _fill(primary.url)
        replica = stack.enter_context(LocalReplica(folder / "replica", primary.url))
        floors = Floors()
        floors.known_at(time.monotonic() + 3600)
        levels = _levels(folder, primary.url, replica.url, floors, stack)
        calls = max(50, round(500 * place.scale))
        found: dict[str, float] = {}
        for name, source in levels.items():
            place.say(f"asks {name}")
            found[f"view_{name}_us"] = _cost(source, calls * (20 if name == "in_process" else 1))
        found["view_burst_loads"] = _burst(levels["postgres"], floors)
        try:
            found["view_varnish_us"] = _behind_varnish(levels["in_process"], folder, stack, calls)
        except NoSuchPackages as error:
            place.notes["view_varnish_us"] = str(error)
        return found


def _fill(url: str) -> None:
    migrate(url)
    ledger = SyntheticLedger()
    for number in range(CUSTOMERS):
        pool_id, customer_id = f"pool-{number}", f"customer-{number}"
        rules = [
            Rule(resource_key=f"key-{at}", rule_type="quota", amount=1000, period="month", stacking="sum")
            for at in range(KEYS)
        ]
        ledger.ask(
            AT_MS,
            asks.OpenPool(command_id="o", pool_id=pool_id, organization_id=ORGANIZATION, billing_account_id="b"),
            asks.ProvisionPool(
                command_id="p", pool_id=pool_id, provision_id="plan", source="subscription", set_id="pro", set_version=1,
                rules=rules,
            ),
            asks.AssignWorkspace(command_id="a", pool_id=pool_id, workspace_id=customer_id, role="primary"),
        )  # fmt: skip
    with closing(connect(url)) as connection:
        write(connection, all_frames(ledger))
        connection.execute("analyze")


def _levels(folder: Path, primary: str, replica: str, floors: Floors, stack: ExitStack) -> dict[str, ViewSource]:
    valkey = stack.enter_context(LocalValkey(folder / "valkey"))
    client = stack.enter_context(closing(shared.connect(valkey.url)))
    watched = stack.enter_context(Replicas(primary, [replica], lag_max_for=1.0))
    while not watched.fresh({0: 0}):
        time.sleep(0.05)
    plain = _views_at(primary, stack)
    return {
        "postgres": plain,
        "replica": Replicated(plain, {replica: _views_at(replica, stack)}, watched, floors=floors),
        "valkey": shared.Shared(plain, client, ttl_for=3600, floors=floors),
        "in_process": InProcess(plain, ttl_for=3600, size=CUSTOMERS, floors=floors),
    }


def _views_at(url: str, stack: ExitStack) -> ViewSource:
    pool = ConnectionPool(url, kwargs={"autocommit": True}, configure=configure, min_size=4)
    return PostgresViews(stack.enter_context(pool).connection)


def _cost(source: ViewSource, calls: int) -> float:
    names = [f"customer-{number}" for number in range(CUSTOMERS)]
    for name in names:
        source.load(ORGANIZATION, [name])
    took = []
    for number in range(calls):
        began = time.perf_counter()
        source.load(ORGANIZATION, [names[number % CUSTOMERS]])
        took.append(time.perf_counter() - began)
    return median(took) * 1_000_000


class _Counting:
    def __init__(self, source: ViewSource) -> None:
        self._source, self.loads = source, 0

    def load(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        self.loads += 1
        return self._source.load(organization_id, customer_ids, at_least)


def _burst(source: ViewSource, floors: Floors) -> float:
    counting = _Counting(source)
    level, together = InProcess(counting, ttl_for=60, size=10, floors=floors), threading.Barrier(BURST)

    def ask(_: int) -> None:
        together.wait()
        level.load(ORGANIZATION, ["customer-1"])

    with ThreadPoolExecutor(BURST) as pool:
        list(pool.map(ask, range(BURST)))
    return counting.loads


def _behind_varnish(source: ViewSource, folder: Path, stack: ExitStack, calls: int) -> float:
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = source.load(ORGANIZATION, [self.path.split("/")[3]]).popitem()[1]
            self.send_response(200)
            for name, value in (("Cache-Control", "public, s-maxage=3600"), ("Surrogate-Key", "all")):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    origin = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    stack.callback(origin.server_close)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    stack.callback(origin.shutdown)
    varnish = stack.enter_context(LocalVarnish(folder / "varnish", origin.server_port))
    connection = http.client.HTTPConnection("127.0.0.1", varnish.port)

    def ask() -> None:
        connection.request("GET", PATH, headers={"Authorization": "Bearer one"})
        connection.getresponse().read()

    return _median_of(ask, calls)


def _median_of(ask: Callable[[], None], calls: int) -> float:
    took = []
    for _ in range(calls):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return median(took) * 1_000_000
