vcl 4.1;

# How Varnish caches the HTTP API (docs/caching.md). Every answer belongs to the key that asked for it, and to the organization that
# the key named: both are part of what is looked up, so that no other organization and no other key of the same one ever gets it. Put the address of the service in the place of
# {origin_host} and {origin_port}, and those of its processes into the list of purgers.

backend origin {
    .host = "{origin_host}";
    .port = "{origin_port}";
}

# Who may purge. In a deployment: the addresses of the service's processes.
acl purgers {
    "127.0.0.1";
}

sub vcl_recv {
    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(403, "Forbidden"));
        }
        if (!req.http.Surrogate-Key) {
            return (synth(400, "Surrogate-Key is missing"));
        }
        # Keys are hexadecimal words (http_caching.surrogate_keys): nothing in them is an expression. Several: a|b.
        if (req.http.Surrogate-Key !~ "^[a-z0-9-]+(\|[a-z0-9-]+)*$") {
            return (synth(400, "Surrogate-Key is not valid"));
        }
        ban("obj.http.Surrogate-Key ~ (^|\s)(" + req.http.Surrogate-Key + ")(\s|$)");
        return (synth(200, "Purged"));
    }
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    # What asks for a position waits for it, and what streams never ends.
    if (req.http.Entitlements-Consistency || req.http.Accept ~ "text/event-stream") {
        return (pass);
    }
    if (!req.http.Authorization) {
        return (pass);
    }
    # Not the built-in rules: they pass whatever has an Authorization. It is in the key below.
    return (hash);
}

sub vcl_hash {
    hash_data(req.url);
    hash_data(req.http.Authorization);
    hash_data(req.http.Entitlements-Organization);
    return (lookup);
}

sub vcl_backend_response {
    # Varnish takes the lifetime from s-maxage or max-age and the grace from stale-while-revalidate; its own default of ten seconds
    # would be past the bound.
    if (beresp.http.Cache-Control !~ "(?i)stale-while-revalidate") {
        set beresp.grace = 0s;
    }
    set beresp.keep = 0s;
    if (beresp.status != 200 || !beresp.http.Surrogate-Key || beresp.http.Cache-Control ~ "(?i)private|no-store|no-cache") {
        # For so long nobody waits for somebody else's answer; what may be kept later is kept.
        set beresp.uncacheable = true;
        set beresp.ttl = 10s;
        set beresp.grace = 0s;
    }
    return (deliver);
}

sub vcl_deliver {
    # Whom an answer is about is nobody's business outside.
    unset resp.http.Surrogate-Key;
    if (obj.hits > 0) {
        set resp.http.X-Cache = "hit";
    } else {
        set resp.http.X-Cache = "miss";
    }
    return (deliver);
}
