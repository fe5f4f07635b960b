"""The access log: access decisions with caller, request and result.

rules      what is logged of each key, and how long it is kept
entries    decisions as records, and what clients report as such
writer     records to the topic, without slowing or failing a decision
reporting  decisions made by clients, reported in batches
tables     their tables, in a schema of their own in Postgres
batches    one batch of the topic as rows
keeper     the process that writes the topic to Postgres, exactly once
retention  creates and drops daily partitions
sql        its statements, one a file
migrations  its tables
reading    queries with filters and a cursor

It is not in the ledger, so it cannot be rebuilt from there: its tables are no read models, are in the schema
`entitlements_access_log`, and a rebuild does not touch them. The topic keeps records for 90 days.
"""
