"""Reads the same files in three ways, and one by itself; writes a folder and a file."""

import argparse
import os
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("--files", nargs=3)
for each in ("--one", "--made", "--older"):
    parser.add_argument(each)
args = parser.parse_args()

texts = {
    "plain.txt": "plain",
    "sub dir/é – ü.txt": "unicode",
    "a#b?c&d=e+f%20g.txt": "odd",
    "日本/[1]'\".txt": "brackets",
}
for folder in map(pathlib.Path, args.files):
    found = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert found == {**texts, "empty": ""}, (folder, found)
# A download is a copy that may be changed; what is mounted is not to be.
(pathlib.Path(args.files[0]) / "plain.txt").write_text("changed")
if os.geteuid():
    for place in ("plain.txt", "new.txt"):
        try:
            (pathlib.Path(args.files[1]) / place).write_text("changed")
        except OSError:
            continue
        raise SystemExit(f"{place} could be written in a mount")
one = pathlib.Path(args.one)
assert one.name == "single.bin", one
made = pathlib.Path(args.made)
(made / "sum.txt").write_text(" ".join([*texts.values(), one.read_text()]))
(made / "sub").mkdir()
(made / "sub" / "é – ü.txt").write_text("kept")
(made / "empty").touch()
pathlib.Path(args.older).write_text("one file")
