"""Decides who may use how much, and records why.

domain      the rules: pools, provisions, stacking, usage, periods; no I/O
ledger      commands in, frames out; the only writer of the record of truth
changes     the Faust app: pool events in, changes of one customer out
reconciler  rolls out new set versions, campaign grants and unit assignments
access      answers "may they?" with a reason; caching and the access log
api         the HTTP API
registry    the Confluent schema registry API for our schemas
scenarios   timelines against the rules, without servers
intake      parses files: definitions, policies, usage
cli         the command `entitlements`
operations  health, metrics, traces, logs
wiring      the composition root: settings become processes
local       real Kafka and Postgres on this machine, without containers
demo        a full run from nothing, with verification
kafka       connections to Kafka: addresses, TLS, SASL
settings    every setting, its unit and its default
redacting   addresses without their secrets
errors      the exceptions, each with a stable code
advice      what to do about each error
masking     keeps secrets of API keys out of errors and logs
examples, examples_of_terms, examples_of_governance   one example of each command and event
testing     servers for tests: given, in containers, or local

Beside this package: entitlements_projections (read models in Postgres), entitlements_schemas (the Avro contract) and
entitlements_client (the Python client, whose `deciding` the service uses).
Start reading at domain/decide.py; docs/architecture.md has the picture.
"""
