"""Read models in Postgres: rows that can be dropped and rebuilt from the ledger.

migrations   the tables, as plain SQL, and the runner
projector    the process: ledger in, rows and positions out, in one transaction
writing      one batch of frames becomes one transaction
assignment   which partitions a projector reads
rebuild      all tables anew from the whole ledger, compared with the live ones and swapped in
comparing    are two schemas the same, row by row?
read_model   what every read model is; rows folded from events
reporting    views for analysts, and the role that may read them
database     connections that see one set of tables
statements   SQL from files
locks        waiting for locks of others: bounded, with a name
privileges   what a role of Postgres lacks, as statements for an administrator
bearing      charges to credits and payers, by key
replicas     which replicas of Postgres are fresh enough
errors       what can go wrong
testing, testing_definitions, testing_governance, testing_terms   generated ledgers for tests
reading      what the CLI and the API ask, and waiting until a position is reached
positions    position of the tables in the ledger, moved by compare-and-set

One folder per read model: its class says which events it takes and how they change a row; its SQL stands beside it in
files with one named and described statement each, all of them safe to repeat. SQL names no schema: the search path
selects the live tables or those of a rebuild.
"""
