"""Writes a file at each path, or in the folder that is there."""

import sys
from pathlib import Path

from shared import WORD

for path in map(Path, sys.argv[1:]):
    (path / "word.txt" if path.is_dir() else path).write_text(WORD)
