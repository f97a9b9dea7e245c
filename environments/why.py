"""Why an image is built: its named parts beside those of the images that a host has or had. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from core.sentences import Kept
from environments.stored_messages import say

Recipe = Mapping[str, str]
SHOWN = 12
BEFORE = {
    "removed": "image_removed",
    "ready": "image_missing",
    "failed": "image_unfinished",
    "building": "image_unfinished",
}


def reason(recipe: Recipe, before: str | None, others: Sequence[Recipe], earlier: Collection[str]) -> Kept:
    """One sentence for people.

    `before`: the status of the very same image on this host, None if it never was there. `others`: the recipes of the
    host's other images, newest first. `earlier`: digests of the locks and Dockerfiles of the environment's other versions.
    """
    if before is not None:
        return say(BEFORE[before])
    if recipe.get("lock"):
        same = next((each for each in others if each.get("lock") == recipe["lock"]), None)
        if same is not None:
            return _difference(same, recipe)
    if any(each.get("lock") in earlier for each in others if each.get("lock")):
        return say("image_lock")
    if any(each.get("dockerfile") in earlier for each in others if each.get("dockerfile")):
        return say("image_dockerfile")
    return say("image_first")


def _difference(old: Recipe, new: Recipe) -> Kept:
    """Of two images with the same lock."""
    for part in ("base", "micromamba"):
        if old.get(part) != new.get(part):
            return say(f"image_{part}", old=_short(old, part), new=_short(new, part))
    return say("image_template")


def _short(recipe: Recipe, part: str) -> str:
    return str(recipe.get(part) or "another").rpartition(":")[2][:SHOWN]
