"""Local quota: a client takes a lease, draws it down in memory and releases the rest. Strict limits stay strict.

terms     settings of leases, and what a lease holds
account   the arithmetic of one customer's lease on one key: what may be drawn, what has to be done next; no clock, no input or output
lease     the object from which an application takes units: from memory, or in a queue if none are left
admitting  the decision that comes before a lease is drawn on
errands   requests of a lease to the service
leases    all leases of a process, and the threads that run their errands
journal   what was drawn, in a file that survives the process

Two bounds are stated. `worst_unused`: so much a client may hold without using it, at most until it expires. `unsettled_max`: so much
may have been handed out and not be counted by the service yet.

Start reading at account.py.
"""
