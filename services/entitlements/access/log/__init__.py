"""The access log: who asked for what, and what the answer was.

rules      what is logged of each key, and how long it is kept
entries    decisions as records, and what clients report as such
writer     records to the topic, without slowing or failing a decision
reporting  decisions that were made at the caller, and are reported in batches
tables     where they are kept: a schema of their own in Postgres
batches    one batch of the topic as rows
keeper     the process that takes the topic to Postgres, exactly once
retention  days come and go
sql        its statements, one a file
migrations  its tables
reading    who asked for what: filters and a cursor

The ledger knows nothing of it, so it cannot be made anew from there: its tables are no read models, stand in the schema
`entitlements_access_log`, and a rebuild leaves them alone. Until they hold a record the topic does, for 90 days.
"""
