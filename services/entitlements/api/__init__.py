"""The HTTP API: parse, send, render. What may be done is decided elsewhere: by the domain, and by access/ for questions."""
