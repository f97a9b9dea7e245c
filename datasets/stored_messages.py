"""Why what is on the web could not be fetched, or files not be read as a table: kept with a dataset in English, and told in the
reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django.utils.translation import gettext_noop as _

from core import sentences
from core.errors import StudioError
from core.sentences import Kept, text_of
from core.words import size_text
from duto.spec import sentences as hosts

Refused = TypeVar("Refused", bound=StudioError)

# No code of a refusal is among these codes: a version that cannot be used is refused by the code of why.
SENTENCES: Mapping[str, str] = {
    "not_fetchable": _("'%(url)s' cannot be fetched: %(why)s."),
    "reading_canceled": _("Reading it was canceled. Register it again to have it read."),
    "interrupted": _(
        "The studio tried %(tries)s times to read it and was interrupted each time; its worker's log says why."
    ),
    "no_table": _("This cannot be read as a table: %(why)s."),
    "no_table_ended": _("This cannot be read as a table: %(why)s"),
    "reading_slow": _("Reading this table took longer than %(time)s. Name fewer files, or write it as Parquet."),
    "reading_large": _(
        "Reading this table needs more than %(size)s of memory. Part it into smaller files or fewer columns."
    ),
    "reader_killed": _(
        "The process that read this table was killed; the machine may have had no memory left. Try again."
    ),
    "many_values": _("These rows are more than %(size)s. Ask for fewer rows."),
    "not_as_said": _("The files are not as the dataset says: %(problem)s."),
    "many_files": _("'%(path)s' on '%(store)s' has more than %(most_files)s files. Name a smaller part."),
    "no_file_found": _(
        "'%(path)s' on datastore '%(datastore)s' finds no file. Upload files there, or correct the path."
    ),
    "copy_gone": _("The copy of '%(url)s' is not there. Register the dataset again; then it is fetched anew."),
    "no_such_store": _("There is no datastore '%(name)s' in workspace '%(workspace)s'. There are: %(names)s."),
    "dataset_version": _("'%(name)s' version %(version)s"),
    # What a full workspace says, whose refusal is of the code `storage_limit`.
    "storage_full": _(
        "Workspace '%(workspace)s' may keep %(most)s, and %(left)s of that are left: this is more. Delete runs or files that are not needed, or ask an owner to raise the limit."
    ),
    # What a form says instead of what a program would do.
    "choose_encoding": _("choose its encoding here"),
    "choose_format": _("choose that format here"),
    "choose_string": _("choose the type string for it"),
    "other_scheme": _("only http and https are fetched"),
    "answers": _("it answers %(status)s"),
    "redirects": _("it redirects more than %(most)s times"),
    "packed": _("it is packed as %(coding)s, and only gzip is unpacked"),
    "web_too_large": _("it is larger than %(most)s bytes (DUTO_FETCH_MAX_BYTES)"),
    "late": _("it took longer than %(time)s (DUTO_FETCH_SECONDS)"),
    "no_such_host": _("there is no such host"),
    "no_web_server": _("its address is not one of a web server"),
    "private_network": _("it lies in a private network (DUTO_FETCH_PRIVATE allows that)"),
}


# By whom a sentence is read decides on these.
_IN_FORM = {"name_encoding": "choose_encoding", "say_parquet": "choose_format", "declare_string": "choose_string"}


def say(code: str, /, **facts: Any) -> dict[str, Any]:
    """A sentence of this app, to be kept."""
    return sentences.made(code, SENTENCES, **facts)


def localized(sentence: Kept) -> str:
    """In the reader's language."""
    return sentences.localized(sentence, SENTENCES)


def refusal(kind: type[Refused], sentence: Mapping[str, Any], *, code: str = "", **facts: Any) -> Refused:
    """An error that can be kept and told to others."""
    return kind(localized(sentence), code=code, said=sentences.parts_of(sentence), **facts)


def of_refusal(error: StudioError) -> Kept:
    """What a refusal is made of, to be kept; its message alone where it does not say."""
    if error.code == "storage_limit":
        most, left = (size_text(error.facts[name]) for name in ("storage_bytes", "left"))
        return say("storage_full", workspace=error.facts["workspace"], most=most, left=left)
    said = error.facts.get("said")
    return _made(said["code"], said["facts"]) if said else error.message


def not_a_table(why: Kept) -> dict[str, Any]:
    """Why files cannot be read as a table, as one sentence."""
    return say("no_table_ended" if text_of(why).endswith((".", "?")) else "no_table", why=why)


def in_form(sentence: Kept) -> Kept:
    """For who has the form before them: with its fields instead of what only a program can say."""
    if isinstance(sentence, str):
        return sentence
    code = str(sentence["code"])
    facts = {name: in_form(each) if isinstance(each, Mapping) else each for name, each in sentence["facts"].items()}
    if code in ("no_table", "no_table_ended"):
        return not_a_table(facts["why"])
    return facts["why"] if code == "droppable" else _made(_IN_FORM.get(code, code), facts)


def _made(code: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return sentences.made(code, {**hosts.SENTENCES, **SENTENCES}, **facts)


def of_error(error: Mapping[str, Any] | None) -> Kept:
    """The sentence of a dataset's error, as it is kept with it; empty without one."""
    return {"text": (error or {}).get("message") or "", **((error or {}).get("said") or {})}
