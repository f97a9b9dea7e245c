"""What is said of builds and images and kept with them: in English, and told in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_noop as _

from core import sentences
from core.sentences import Kept

SENTENCES: Mapping[str, str] = {
    # Why a build failed, and why it is built again.
    "build_ended_badly": _("The build failed. Its log says why."),
    "lock_not_taken": _("What the host resolved the packages to is not taken: %(why)s."),
    "lock_unclean": _("a lock is a clean text of at most a mebibyte"),
    "lock_python": _("%(python)s is no version of Python"),
    "lock_other": _("the studio has its own lock for this Python, and this is another one"),
    "lock_conda": _("conda packages are locked if and only if they were asked for"),
    "lock_address": _("%(line)s is no address of a package"),
    "lock_line": _("%(line)s is not one package with its exact version"),
    "lock_lacks": _("the package '%(name)s' was asked for and is not in it"),
    "lock_version": _("'%(wanted)s' was asked for, and it holds version %(version)s"),
    "agent_silent": _("Its agent fell silent; it is built again."),
    "host_detached": _("Its host was detached; it is built again."),
    # Why an image was not made.
    "image_ended_badly": _("The build failed. The log of its step says why."),
    "agent_restarted": _("The agent of its host was started again."),
    "host_gone": _("Its host was detached."),
    # Why an image is made.
    "image_first": _("This host has not had it before."),
    "image_removed": _("It was removed from this host."),
    "image_missing": _("The engine of this host had it no more."),
    "image_fetched": _("It was fetched from the registry."),
    "image_unfinished": _("The last build was not finished."),
    "image_template": _("Images are built in another way since this release."),
    "image_lock": _("The lock of the environment has changed."),
    "image_dockerfile": _("The Dockerfile of its base has changed."),
    "image_base": _("The base image has changed from %(old)s to %(new)s."),
    "image_micromamba": _("The micromamba base has changed from %(old)s to %(new)s."),
}


def say(code: str, /, **facts: Any) -> dict[str, Any]:
    """A sentence of this app, to be kept."""
    return sentences.made(code, SENTENCES, **facts)


def localized(sentence: Kept) -> str:
    """In the reader's language."""
    return sentences.localized(sentence, SENTENCES)


def columns(known: Mapping[str, Any] | None = None, /, **given: Kept) -> dict[str, Any]:
    """The values of a row's columns for these sentences; `known` is its `said` before."""
    said = {**(known or {}), **{name: sentences.parts_of(each) for name, each in given.items()}}
    return {**{name: sentences.text_of(each) for name, each in given.items()}, "said": said}
