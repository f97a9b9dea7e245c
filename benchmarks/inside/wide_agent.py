"""A real agent of a host that claims more cores and memory than this machine has, so that many steps run at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from duto_agent import worker
from duto_agent.host import facts

CORES, MEMORY = 64, 256 << 30


class WideFacts(facts.HostFacts):
    """Nodes of one core are then as many as a benchmark likes; the work is small."""

    def document(self) -> dict[str, Any]:
        return {**super().document(), "cores": CORES, "memory": MEMORY}


if __name__ == "__main__":
    setattr(worker, "HostFacts", WideFacts)  # noqa: B010
    sys.exit(worker.run(Path(sys.argv[1])))
