"""What the commands left."""

import sys
from pathlib import Path

assert Path(sys.argv[1], "all.txt").read_text().startswith("seven\n")
