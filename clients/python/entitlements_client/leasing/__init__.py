"""Local quota: a client takes a lease, draws it down in memory, and gives back what is left. A strict limit stays strict.

terms     how leases are taken, and what one holds
account   the arithmetic of one customer's lease on one key: what may be drawn, what has to be done next; no clock, no input or output
lease     what an application takes units from: from memory, and in a queue where none are left
admitting  the decision that comes before a lease is drawn on
errands   what a lease has to do with the service
leases    all leases of a process, and the threads that run their errands
journal   what was drawn, in a file that survives the process

Two bounds are stated. `worst_unused`: so much a client may hold without using it, at most until it expires. `unsettled_max`: so much
may have been handed out and not be counted by the service yet.

Start reading at account.py.
"""
