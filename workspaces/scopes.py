"""How far tokens reach that are narrower than their role.

What a step may do with its run's token is one table, which docs/security.md repeats and a test compares. The token of an
endpoint starts that, and the link of its form does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.ids import as_uuid

# Where a workspace keeps its choice among its settings.
SETTING = "run_token_scope"


class Scope(models.TextChoices):
    """How far the tokens of a workspace's runs reach, narrow first."""

    RESTRICTED = "restricted", _("Restricted – reads, and writes its own tree")
    STANDARD = "standard", _("Standard – also submits, registers, publishes and uploads what is new")
    PERMISSIVE = "permissive", _("Permissive – also changes and deletes what others made")

    @property
    def rank(self) -> int:
        return list(Scope).index(self)


class Act(StrEnum):
    """Kinds of actions. Each method of each REST address is one of them."""

    READ = "read"
    OWN = "own"
    SUBMIT = "submit"
    REGISTER = "register"
    PUBLISH = "publish"
    UPLOAD = "upload"
    CHANGE = "change"
    MANAGE = "manage"


@dataclass(frozen=True)
class Rule:
    """What an act covers, and the narrowest scope that allows it; None: no run's token ever."""

    text: str
    least: Scope | None


TABLE: dict[Act, Rule] = {
    Act.READ: Rule(
        "Read the workspace: runs, logs, code, data, models, environments, published pipelines, compute, values of secrets.",
        Scope.RESTRICTED,
    ),
    Act.OWN: Rule(
        "Write its own tree: metrics, artifacts, tags and properties, child runs, cancel, complete and fail. The same "
        "for the runs that its tree submitted, and for what its tree registered, published or uploaded.",
        Scope.RESTRICTED,
    ),
    Act.SUBMIT: Rule("Submit runs, and trigger published pipelines.", Scope.STANDARD),
    Act.REGISTER: Rule(
        "Register datasets, models and environments, also new versions of names that are there; make experiments.",
        Scope.STANDARD,
    ),
    Act.PUBLISH: Rule("Publish pipelines.", Scope.STANDARD),
    Act.UPLOAD: Rule("Upload code, and new files to datastores, outside of other runs' outputs.", Scope.STANDARD),
    Act.CHANGE: Rule(
        "Change, overwrite or delete what others made: files, datasets, models, experiments, published pipelines; "
        "cancel, tag, resubmit, resume and delete runs of other trees; set and delete secrets.",
        Scope.PERMISSIVE,
    ),
    Act.MANAGE: Rule(
        "See or change members and tokens; enrol, drain and detach hosts; change clusters; register datastores and set "
        "their credentials; see or change the "
        "settings of the workspace.",
        None,
    ),
}


def scope_in(settings: object) -> Scope:
    """The scope that a workspace's settings name; the standard one where they name none."""
    stored = settings.get(SETTING) if isinstance(settings, dict) else None
    return Scope(stored) if stored in Scope.values else Scope.STANDARD


def allows(scope: Scope, act: Act) -> bool:
    """Whether a run's token may do this, as far as the scope goes; the submitter's role is asked beside it."""
    least = TABLE[act].least
    return least is not None and scope.rank >= least.rank


# What a token does that opens one endpoint; which addresses that are, the views say (`for_endpoint_tokens`).
OF_ENDPOINT = frozenset({Act.READ, Act.SUBMIT})


@dataclass(frozen=True)
class EndpointScope:
    """One endpoint: its default version, or each that a call names."""

    endpoint: UUID
    any_version: bool = False

    PREFIX = "endpoint:"
    VERSIONS = ":versions"

    def __str__(self) -> str:
        return f"{self.PREFIX}{self.endpoint}{self.VERSIONS if self.any_version else ''}"

    @classmethod
    def read(cls, text: str) -> EndpointScope | None:
        """The scope that a token's row names; None where it names none."""
        if not text.startswith(cls.PREFIX):
            return None
        rest = text.removeprefix(cls.PREFIX)
        key = as_uuid(rest.removesuffix(cls.VERSIONS))
        return cls(key, rest.endswith(cls.VERSIONS)) if key else None

    @classmethod
    def all_of(cls, endpoint: UUID) -> list[str]:
        """What the rows of all tokens of this endpoint name."""
        return [str(cls(endpoint, any_version)) for any_version in (False, True)]
