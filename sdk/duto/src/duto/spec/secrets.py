"""Secret values of parameters, as they are kept and shown. Pure: what encrypts them is the studio's.

A kept one is `{"$sealed": encrypted, "$digest": keyed}`: it opens with the studio's key alone, and equal values of a workspace
have equal digests. Whatever shows it shows `MASK`.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, List, Mapping

from duto.spec.errors import Problem
from duto.spec.sentences import said
from duto.spec.values import Parameter

MASK = "•••"
SEALED, DIGEST = "$sealed", "$digest"
SHORTEST, LARGEST = 4, 25_600
"""Characters, since shorter texts cannot be hidden in a log; and bytes, as of a secret of the workspace."""

VARIABLE = "DUTO_SECRET_"
"""How the variables begin by which a person gives secrets to a step that runs outside of the studio."""


def variable_of(name: str) -> str:
    """The variable of a secret, or of a secret parameter, of this name."""
    return VARIABLE + re.sub(r"[^A-Z0-9]", "_", name.upper())


def mark_of(name: str) -> str:
    """What stands for a secret where its value is to be put in."""
    return "${%s}" % variable_of(name)


def is_sealed(value: Any) -> bool:
    """Whether it is a secret as it is kept."""
    return isinstance(value, Mapping) and set(value) == {SEALED, DIGEST}


def hidden(values: Mapping[str, Any]) -> Dict[str, Any]:
    """The values as they may be shown."""
    return {name: MASK if is_sealed(value) else value for name, value in values.items()}


def identity(value: Any) -> Any:
    """What a fingerprint holds of a value: of a secret its keyed digest, so that another one is noticed and none is told."""
    return {DIGEST: value[DIGEST]} if is_sealed(value) else value


def is_identity(value: Any) -> bool:
    """Whether it stands for a secret in a fingerprint."""
    return isinstance(value, Mapping) and set(value) == {DIGEST}


def merged(before: Mapping[str, Any], given: Mapping[str, Any]) -> Dict[str, Any]:
    """The values of before with those given. What only shows that there is a secret leaves it as it was."""
    kept = {name for name, value in given.items() if value == MASK and is_sealed(before.get(name))}
    return {**before, **{name: value for name, value in given.items() if name not in kept}}


def missing(declared: Iterable[Parameter], values: Mapping[str, Any]) -> List[Problem]:
    """Secrets without a value: they have no default."""
    names = [each.name for each in declared if each.secret and not values.get(each.name)]
    return [Problem("secret_missing", said("parameter_secret_missing", name=name)) for name in names]
