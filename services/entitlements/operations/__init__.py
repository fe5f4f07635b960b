"""What operators see of the processes, and how: docs/operations.md is their page.

metrics      every metric, declared once with its kind and unit
tracing      set up by OpenTelemetry's variables; nothing when it is off
spans        from the caller through Kafka to the engine and back
onward       from a decision to events, rows and changes
requests     the API's middleware: seconds, request ids and spans of requests
request_id   the id of the request that is being answered
logs         how a log message looks: text or JSON
lag          how far the read models are behind the ledger
health       is the process ready, and if not, why
cache_counts  what the levels of caching count
port         /healthz, /readyz and /metrics of a process, on a port of its own
worker       all of it for one worker of the API

Nothing here may slow or break what it looks at.
"""
