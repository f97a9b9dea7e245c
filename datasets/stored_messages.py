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
    "reading_no_room": _(
        "The studio's machine has no room left on its disk to read this table. Make room, and try again."
    ),
    "profile_canceled": _("It was canceled. Start it again when it is wanted."),
    "no_key_before": _(
        "The earlier version has no column '%(names)s' to know rows by. Choose a key that both versions have."
    ),
    "no_key_after": _("This version has no column '%(names)s' to know rows by. Choose a key that both versions have."),
    "odd_key": _(
        "The key '%(names)s' is of another type in the two versions, so no row is found again. Choose another one."
    ),
    "twice_before": _(
        "In the earlier version %(count)s rows share their key with others. Choose columns that tell rows apart."
    ),
    "twice_after": _(
        "In this version %(count)s rows share their key with others. Choose columns that tell rows apart."
    ),
    "profile_wide": _(
        "The table has %(count)s columns, and a profile takes at most %(most)s. Keep fewer columns in a version."
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
    # What a datastore did not do.
    "store_network": _(
        "The datastore '%(store)s' cannot be reached: %(host)s does not answer (%(why)s). Check its address, and whether the studio's machine may connect there."
    ),
    "store_broke": _("The connection to the datastore '%(store)s' (%(host)s) broke. Try again."),
    "store_sign_in": _(
        "The datastore '%(store)s' refuses the credentials (%(why)s). Check its account or user, and set the credentials anew."
    ),
    "store_clock": _(
        "The datastore '%(store)s' refuses the credentials (%(why)s), and its clock and that of the studio's machine are %(minutes)s minutes apart: a signature holds only while both agree. Set the machine's clock."
    ),
    "store_permission": _(
        "The credentials of the datastore '%(store)s' may not do this (%(why)s). Grant them the right, or set others."
    ),
    "store_container": _(
        "The datastore '%(store)s' leads to '%(container)s', which is not there. Make it, or correct the name."
    ),
    "store_away": _("The datastore '%(store)s' cannot answer at this moment (%(why)s). Try again later."),
    "store_answer": _("The datastore '%(store)s' refused this: %(why)s."),
    "store_part": _(
        "Of part %(number)s of '%(path)s' %(found)s of %(size)s bytes are on the datastore '%(store)s', so nothing was written."
    ),
    "store_changed": _("'%(path)s' on the datastore '%(store)s' changed while it was read. Try again."),
    "store_no_file": _("There is no file '%(path)s' on the datastore '%(store)s'."),
    "store_no_listing": _(
        "There is no file '%(path)s' on the datastore '%(store)s', and its web server lists no folders, since it does not speak WebDAV: name each file by its path."
    ),
    "store_odd_listing": _(
        "The web server of the datastore '%(store)s' speaks WebDAV, but its listing cannot be read: %(why)s."
    ),
    "store_other_folder": _(
        "The web server of the datastore '%(store)s' lists '%(path)s' where another folder was asked for. Register it by the address under which it knows its own files."
    ),
    "store_no_size": _(
        "The web server of the datastore '%(store)s' does not say how large '%(path)s' is, so it cannot be read in parts."
    ),
    "store_read_only": _("The datastore '%(store)s' is only read: nothing is written or removed there."),
    "store_is_database": _("The datastore '%(store)s' is a database: read it by a query, it holds no files."),
    "store_is_files": _("The datastore '%(store)s' holds files: name a path, it takes no query."),
    "store_extra": _(
        "Datastores of the kind “%(kind)s” need a library that this studio lacks. Start it with DUTO_EXTRAS=%(extra)s, or install duto-studio[%(extra)s]."
    ),
    "store_driver": _(
        "Databases of SQL Server need Microsoft's ODBC driver on the studio's machine. Install the package msodbcsql18, and try again."
    ),
    "store_host_key": _(
        "The server %(host)s of the datastore '%(store)s' shows another key than the one that is known: %(key)s. If that is its new key, set it as the host key; else another server stands in for it."
    ),
    "store_private_key": _(
        "The private key of the datastore '%(store)s' cannot be read: it takes Ed25519, ECDSA or RSA, and the passphrase if it has one."
    ),
    "store_no_credential": _("The datastore '%(store)s' needs one of these credentials: %(names)s."),
    "store_sealed": _(
        "The credentials of the datastore '%(store)s' were encrypted under another key of this studio. Name that key in DUTO_OLD_SECRET_KEYS, or set the credentials again."
    ),
    "store_no_select": _(
        "The query of the datastore '%(store)s' does not only read. It is one statement that begins with SELECT or WITH."
    ),
    "store_slow_query": _(
        "The query of the datastore '%(store)s' took longer than %(seconds)s seconds. Ask for less, or raise its time limit."
    ),
    "store_bad_query": _("The database of the datastore '%(store)s' refuses the query: %(why)s."),
    "store_folder": _(
        "The datastore '%(store)s' leads to '%(path)s', and that is in no folder whose databases may be read. Whoever runs the studio names such folders in DUTO_DATABASE_FOLDERS; the path is a whole one, and the studio's own folder is never among them."
    ),
    "store_no_database": _(
        "The file of the datastore '%(store)s' cannot be opened as a database of %(engine)s: %(why)s."
    ),
    "store_own_tables": _(
        "The query of the datastore '%(store)s' may read the tables of its own file and nothing else: %(why)s."
    ),
    "store_odd_type": _(
        "The column '%(column)s' of a query of the datastore '%(store)s' is of the type %(type)s, which no table here has. Cast it in the query."
    ),
    "store_large_query": _("The query of the datastore '%(store)s' needs more than %(size)s of memory. Ask for less."),
    "store_same_column": _(
        "The query of the datastore '%(store)s' gives two columns the name '%(column)s'. Name one otherwise by AS."
    ),
    "query_too_large": _(
        "The query of the datastore '%(store)s' answers more than %(most)s bytes (DUTO_FETCH_MAX_BYTES). Ask for less."
    ),
    "query_gone": _(
        "What the query of the datastore '%(store)s' answered is not there. Register the dataset again; then it is asked anew."
    ),
    "store_bad_value": _(
        "The column '%(column)s' of a query of the datastore '%(store)s' has a value that is no %(type)s. Cast it in the query."
    ),
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
