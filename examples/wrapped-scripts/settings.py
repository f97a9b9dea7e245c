"""The lines `NAME=value` of a file, with quotes and comments as a shell has them."""

import shlex


def settings(path):
    """The values by name."""
    with open(path, encoding="utf-8") as lines:
        words = shlex.split(lines.read(), comments=True)
    return dict(word.split("=", 1) for word in words)
