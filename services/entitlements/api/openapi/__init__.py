"""The OpenAPI document: what FastAPI generates, completed with headers, descriptions and examples.

headers       the request headers that a route honours: `takes` declares them, and no route reads one that it has not declared
answers       the response headers of an operation
descriptions  what fields mean, from the Avro schemas of commands and the column comments of read models
examples      an example of every body
telling       schemas of values that another part parses
probes        /healthz and /readyz in the document
document      puts it together: `describe` makes an application's `openapi()`
serving       GET /openapi.json, rendered once
page          GET /docs: Swagger UI from files that are installed with us
Start reading at document.py.
"""
