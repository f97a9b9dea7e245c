"""Why an image is built: its named parts beside those of the images that a host has or had. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

Recipe = Mapping[str, str]
SHOWN = 12

FIRST = "This host has not had it before."
REMOVED = "It was removed from this host."
MISSING = "The engine of this host had it no more."
FETCHED = "It was fetched from the registry."
UNFINISHED = "The last build was not finished."
TEMPLATE = "Images are built in another way since this release."
LOCK = "The lock of the environment has changed."
DOCKERFILE = "The Dockerfile of its base has changed."
BEFORE = {"removed": REMOVED, "ready": MISSING, "failed": UNFINISHED, "building": UNFINISHED}


def reason(recipe: Recipe, before: str | None, others: Sequence[Recipe], earlier: Collection[str]) -> str:
    """One sentence for people.

    `before`: the status of the very same image on this host, None if it never was there. `others`: the recipes of the
    host's other images, newest first. `earlier`: digests of the locks and Dockerfiles of the environment's other versions.
    """
    if before is not None:
        return BEFORE[before]
    if recipe.get("lock"):
        same = next((each for each in others if each.get("lock") == recipe["lock"]), None)
        if same is not None:
            return _difference(same, recipe)
    if any(each.get("lock") in earlier for each in others if each.get("lock")):
        return LOCK
    if any(each.get("dockerfile") in earlier for each in others if each.get("dockerfile")):
        return DOCKERFILE
    return FIRST


def _difference(old: Recipe, new: Recipe) -> str:
    """Of two images with the same lock."""
    if old.get("base") != new.get("base"):
        return f"The base image has changed from {_short(old, 'base')} to {_short(new, 'base')}."
    if old.get("micromamba") != new.get("micromamba"):
        return f"The micromamba base has changed from {_short(old, 'micromamba')} to {_short(new, 'micromamba')}."
    return TEMPLATE


def _short(recipe: Recipe, part: str) -> str:
    return str(recipe.get(part) or "another").rpartition(":")[2][:SHOWN]
