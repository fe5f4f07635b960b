"""May they? Pure: a customer, the policies and the circumstances in, a decision out. Server and client decide by this."""
