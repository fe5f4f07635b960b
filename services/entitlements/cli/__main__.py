"""`python -m entitlements.cli`: the same as `entitlements`."""

from entitlements.cli import main

if __name__ == "__main__":
    main()
