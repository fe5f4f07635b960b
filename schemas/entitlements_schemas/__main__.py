"""`python -m entitlements_schemas freeze`: add the new versions to the catalogue, unless they cannot read the old ones."""

from __future__ import annotations

import sys

from entitlements_schemas.freezing import main

sys.exit(main(sys.argv[1:]))
