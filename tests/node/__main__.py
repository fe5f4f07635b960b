"""`make test` installs what tests run in Node before they begin."""

from tests.node.installing import install

install()
