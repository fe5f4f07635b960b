"""Local quota: a client takes a lease, draws it down in memory, and gives back what is left. A strict limit stays strict.

account   the arithmetic of one customer's lease on one key: what may be drawn, what has to be done next; no clock, no input or output
journal   what was drawn, in a file that survives the process
leases    the leases of a client: who waits, and the threads that reserve, commit, extend and release

Two bounds are stated. `worst_unused`: so much a client may hold without using it, at most until it expires. `unsettled_max`: so much
may have been handed out and not be counted by the service yet.

Start reading at account.py.
"""
