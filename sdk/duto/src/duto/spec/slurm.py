"""What the owner of a host or of a cluster may say to Slurm: an allow list of sbatch's options. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

# Nothing that names a file, runs a program, or changes how a job is found again.
ALLOWED = frozenset({
    "account", "constraint", "exclude", "gres", "licenses", "nice", "nodelist", "partition", "prefer", "priority", "qos",
    "reservation", "time", "tmp", "wckey",
})  # fmt: skip
# Options without a value.
FLAGS = frozenset({"exclusive"})


class BadOption(ValueError):
    """Why words are no options of Slurm's that may be set here; `word` is the one that is none."""

    def __init__(self, text: str, word: str) -> None:
        super().__init__(text)
        self.word = word


def options_of(text: str) -> dict[str, str]:
    """`partition=gpu qos=long exclusive` as names and values. Raises BadOption."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise BadOption(f"{error} in {text!r}", text) from error
    found = {}
    for word in words:
        name, equals, value = word.lstrip("-").partition("=")
        if name in FLAGS and not equals:
            found[name] = ""
        elif name in ALLOWED and value and value.isprintable():
            found[name] = value
        else:
            known = ", ".join(sorted(ALLOWED | FLAGS))
            raise BadOption(f"{word!r} is no option that may be set; name=value of {known}", word)
    return found


def arguments_of(options: Mapping[str, str]) -> list[str]:
    """The same as words of a command."""
    return [f"--{name}={value}" if value else f"--{name}" for name, value in sorted(options.items())]
