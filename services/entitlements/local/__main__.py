"""`python -m entitlements.local [--lock]`: make Kafka ready now, not at the first start."""

import sys

from entitlements.local.errors import ExtraIsMissing
from entitlements.local.jars import kafka_home, write_lock

try:
    if sys.argv[1:] == ["--lock"]:
        write_lock()
    kafka_home()
except ExtraIsMissing as error:
    sys.exit(str(error))
