"""requires_entitlement for web frameworks: a view that needs an entitlement says so in one line above it.

requirement  what all of them share: the question, the answers 403 and 503, and what is recorded of a success
starlette    FastAPI and Starlette: a middleware and a decorator
flask        Flask: an extension and a decorator
django       Django: a middleware and a decorator

Each is imported by its name; the framework itself is installed by whoever uses it.
"""
