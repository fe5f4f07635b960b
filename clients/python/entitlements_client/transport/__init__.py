"""How the service is asked over HTTP. No rule of the transport is written twice for sync and async.

call       one request as a value, and how its answer is read
attempts   what is sent again, when, and what is made of it in the end: a generator without input or output
methods    every route of the service, once
administering  the routes of administrators
method     makes a route a method of both clients
lists      the lists of the service, iterated page by page
results    what answers say, as values
clients    two thin shells around httpx: Client and AsyncClient

Start reading at attempts.py.
"""
