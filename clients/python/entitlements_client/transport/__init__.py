"""HTTP transport, shared by the synchronous and asynchronous clients.

call       one request as a value, and how its response is read
attempts   retries, as a generator without I/O
methods    every route of the service, once
administering  the routes of administrators
method     makes a route a method of both clients
lists      the lists of the service, iterated page by page
results    responses as values
clients    two thin shells around httpx: Client and AsyncClient

Start reading at attempts.py.
"""
