"""A real agent of a host that claims more cores and memory than this machine has, so that many steps run at once."""

from __future__ import annotations

import sys
from pathlib import Path

from msgspec import structs

from duto_agent import worker
from duto_agent.host import facts
from duto_protocol.messages import HostFacts

CORES, MEMORY = 64, 256 << 30


class WideFacts(facts.HostFacts):
    """Nodes of one core are then as many as a benchmark likes; the work is small."""

    def message(self) -> HostFacts:
        return structs.replace(super().message(), cores=CORES, memory=MEMORY)


if __name__ == "__main__":
    setattr(worker, "HostFacts", WideFacts)  # noqa: B010
    sys.exit(worker.run(Path(sys.argv[1])))
