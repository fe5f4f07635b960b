"""Turns pool events into changes of one customer: granted, revoked, changed, quota warning, exceeded, withdrawn, reset.

facts       the words between the two steps: a cause, a held value, a fact
pools       step 1, rules: a pool's event says something about each workspace concerned (facts)
workspaces  step 2, rules: a fact about a workspace says what changed for this customer (changes)
keys        what a customer is called on Kafka, and its partition
codec       rows and facts as bytes
steps       what each step reads, keeps and writes
lane        how a step works through its topic: at least once, in order, nothing missing
tables      what a step remembers: a compacted topic, loaded when partitions are assigned
records     what cannot be handled goes to the quarantine
topics      the topics that only this part uses
driver      the few places where Faust's own Kafka driver is not safe enough, and what we do instead
credentials  TLS and SASL for Faust
quiet       what a worker prints
watchdog    ends the process when it stands still
app         the Faust app and its start: `python -m entitlements.changes`

Start reading at pools.py and workspaces.py. What happens at a crash is told in lane.py.
"""
