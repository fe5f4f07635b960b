"""How fast it is, measured beside two rivals, in one run on one machine. `python -m bench --help`, or `make bench`.

strict_lines    usage in batches: 10,000 pools, one hot pool, and with an fsync for every frame
commands        usage one line a command: 10,000 pools and one hot pool
latency         from sending a command to holding its decision, at 1,000 commands/s; through Kafka too
projection      from the ledger into an empty database
following       the publisher, and the process that makes changes of customers
postgres        the honest rival: one conditional UPDATE and one INSERT a line
es              an `eventsourcing` application on Postgres doing the same work
decisions       what deciding one line costs, and how that grows with provisions, keys and reservations
growth          the same at sizes a factor apart: pools, events, provisions, partitions, engines, customers, workers
broker          what the broker takes from one producer, to know what the rest is made of

place           servers, topics, processes
work            the commands, and how they get onto the log before the clock starts
reading         figures and proofs read off the ledger
rounds          pause the engine, load, let go, wait; what all throughput figures share
process         entry of every process that is measured from outside
figures         every figure once: unit and meaning
results         results as JSON: of the last run, and those that docs/benchmarks.md shows
page            makes the tables and plots of docs/benchmarks.md
plots, svg      what is plotted, and how a plot is drawn
Start reading at rounds.py.
"""
