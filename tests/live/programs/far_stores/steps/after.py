"""What the step before has left on the far store."""

import pathlib
import sys

made, older = map(pathlib.Path, sys.argv[1:])
found = {path.relative_to(made).as_posix(): path.read_text() for path in made.rglob("*") if path.is_file()}
assert found == {"sum.txt": "plain unicode odd brackets single", "sub/é – ü.txt": "kept", "empty": ""}, found
assert older.read_text() == "one file", older
