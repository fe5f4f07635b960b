"""Three ways to decide, and what is answered when the service cannot be asked.

ways       remote, cached, local: what each promises, and its settings
failing    what is answered meanwhile, by key: fail open, fail closed, a bounded grace
asking     a decision from memory, and the steps to find one out: no input or output
memory     the views of customers, and how fresh each is
changes    the stream of changes: what its lines mean
following  keeps memory up to date in the background: follows the stream, loads views again
nobody     ids that no customer can have, answered without a request
overruling  when a newer view overrules an older answer of the service
organizations  what a client has of each organization that its requests name
facades    Entitlements and AsyncEntitlements: what an application holds

Start reading at asking.py.
"""
