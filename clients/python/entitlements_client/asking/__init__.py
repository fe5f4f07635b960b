"""Three modes of deciding, and answers when the service is unreachable.

ways       remote, cached, local: what each promises, and its settings
failing    failure modes by resource key: fail open, fail closed, grace for a bounded time
asking     a decision from memory, and the steps to find one out: no input or output
memory     the views of customers, and how fresh each is
changes    the stream of changes: what its lines mean
following  keeps memory up to date in the background: follows the stream, loads views again
nobody     ids that no customer can have, answered without a request
overruling  when a newer view overrules an older answer of the service
organizations  the state of a client for each organization
facades    Entitlements and AsyncEntitlements, the objects of an application

Start reading at facades.py, then asking.py.
"""
