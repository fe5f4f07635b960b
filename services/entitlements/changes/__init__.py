"""Turns pool events into changes of one customer: granted, revoked, changed, quota warning, exceeded, withdrawn, reset.

facts       the records between the two steps: a cause, a held value, a fact
pools       step 1, rules: an event of a pool to facts about the customers concerned
workspaces  step 2, rules: a fact about a customer to changes
keys        record keys of customers, and their partitions
codec       rows and facts as bytes
steps       what each step reads, keeps and writes
lane        how a step works through its topic: at least once, in order, nothing missing
tables      what a step remembers: a compacted topic, loaded when partitions are assigned
records     what cannot be handled goes to the quarantine
topics      the topics that only this part uses
driver      the few places where Faust's own Kafka driver is not safe enough, and what we do instead
credentials  TLS and SASL for Faust
quiet       the log output of a worker
watchdog    ends the process when it is stuck
app         the Faust app and its start: `python -m entitlements.changes`

Start reading at pools.py and workspaces.py. lane.py describes what happens at a crash.
"""
