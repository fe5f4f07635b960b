"""Decides who may use how much, and remembers why.

domain    the rules: pools, provisions, stacking, usage, periods; no I/O
ledger    commands in, frames out; the only writer of the record of truth
access    answers "may they?" with a reason
api       HTTP: parse, send, render
billing   what billing systems say, as commands
changes   the Faust app: pool events in, facts about one customer out
audit     replay, verification, reports
local     real Kafka and Postgres on this machine, without containers
settings  every setting, its unit and its default
errors    the tree of everything that can be refused or go wrong; advice says what to do about each
wiring    the one place where parts are put together
cli       the command `entitlements`
testing   servers for tests: given, in containers, or local

Beside this package: entitlements_projections (read models in Postgres) and entitlements_schemas (the Avro contract).
Start reading at domain/pools.py.
"""
