"""`python -m entitlements.local [--lock]`: make Kafka ready now, not at the first start."""

import sys

from entitlements.local.jars import kafka_home, write_lock

if sys.argv[1:] == ["--lock"]:
    write_lock()
kafka_home()
