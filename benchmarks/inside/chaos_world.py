"""Make hosts besides the local one: `name:key` for each."""

from __future__ import annotations

import sys

from benchmarks.inside import open_studio, tell


def main(given: list[str]) -> None:
    """Rows with the digests of the keys."""
    from compute.models import Host
    from compute.services.hosts import digest_of

    for word in given:
        name, key = word.split(":")
        Host.objects.create(name=name, key_digest=digest_of(key))
    tell(hosts=[word.split(":")[0] for word in given])


if __name__ == "__main__":
    open_studio()
    main(sys.argv[1:])
