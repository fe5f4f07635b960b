"""What a user measures: the whole installation, every process at work, one request at a time.

http.py          the benchmarks: usage and checks over HTTP, in turn with what a team would build instead
installation.py  every process of `entitlements up`, its read models kept, with 10,000 customers
rivals.py        thirty lines of FastAPI on the same Postgres, a stored procedure, Valkey with a Lua script
load.py          the load: wrk, which costs 10 to 20 us a request; requests.lua is what it sends
cpu.py           whose processor time a request takes
"""
