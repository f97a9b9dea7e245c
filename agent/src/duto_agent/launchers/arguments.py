"""What an environment says to `docker run`: the few words that are honoured. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from duto.spec.sentences import said
from duto_agent.launchers.base import LaunchFailed
from duto_agent.launchers.container import reason_of, size_of

HONOURED = "--shm-size and --env"
NAMES = {"--shm-size": "shm_size", "-e": "env", "--env": "env"}


def parse_arguments(arguments: Iterable[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """(container options, variables) of `["--shm-size", "2g", "--env=A=1"]`. Raises LaunchFailed for any other word."""
    options: dict[str, Any] = {}
    variables: dict[str, str] = {}
    for name, value in _pairs(arguments):
        if name == "env":
            key, _, text = value.partition("=")
            variables[key] = text
            continue
        try:
            options[name] = size_of(value)
        except ValueError as error:
            raise LaunchFailed(said("bad_shm_size", value=value, error=reason_of(error))) from error
    return options, variables


def _pairs(arguments: Iterable[str]) -> Iterator[tuple[str, str]]:
    """`--name value`, `--name=value`, and both in one word, as people write them into lists."""
    words = iter([word for given in arguments for word in str(given).split()])
    for word in words:
        name, is_joined, value = word.partition("=")
        if name not in NAMES:
            raise LaunchFailed(said("argument_ignored", name=word, known=HONOURED))
        if not is_joined:
            value = next(words, "")
        yield NAMES[name], value
