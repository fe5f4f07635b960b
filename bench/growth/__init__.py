"""What grows with what: the same measurement at sizes a factor apart. `make bench ARGS="growth"`, or one by its name.

curves.py       every curve once: what grows, unit and meaning; how points are printed
pools.py        1,000 to 1,000,000 pools: lines a second, memory of the engine, take-over
ledger.py       1 to 100 million events: take-over with snapshots, and from the ledger alone
provisions.py   1 to 100 provisions of a pool: what deciding a line costs
engines.py      partitions of one engine, and engines that share partitions
api.py          customers in the API's cache, and workers of the API
taking_over.py  a process that takes over all partitions by the engine's own code, and how long until snapshots are written
memory.py       of a process and its children
"""
