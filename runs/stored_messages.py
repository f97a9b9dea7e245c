"""Sentences that are kept with a row, for whoever reads it: stored in English with a code, told in the reader's language. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from compute import stored_messages as compute
from core import sentences, words
from core.errors import Invalid, StudioError
from core.sentences import Kept
from datasets import stored_messages as datasets
from duto.spec import sentences as hosts
from environments import stored_messages as environments
from runs import causes, differences

SENTENCES: Mapping[str, str | Promise] = {
    "environment": _("The environment is being built."),
    "not_allowed": _("Not reused: the step says allow_reuse=False."),
    "first": _("Not reused: no step of this name has completed here before."),
    "forced": _("Not reused: this run was submitted with regenerate_outputs=True."),
    "unhashable": _(
        "Not reused: what input `%(name)s` holds cannot be told without reading it all. Its store tells times in whole seconds, and "
        "it was written less than two seconds before."
    ),
    "reused": _("Reused from #%(number)s: nothing that the step depends on has changed."),
    "adopted": _("Adopted from #%(number)s: it completed there, and nothing that it depends on has changed."),
    # Of a plan, about what is not known before the run.
    "to_build": _(
        "Its environment has to be built first: reused if its packages are the same as before, else it runs."
    ),
    "reads_again": _("It reads what `%(name)s` is yet to write: reused if that is the same as before, else it runs."),
    "reads_first": _("It reads what `%(name)s` is yet to write, and no step of this name has completed here before."),
    "source_gone": _("It runs again: the run that #%(number)s had its result from is deleted."),
    "failed_there": _("It failed in #%(number)s."),
    "canceled_there": _("It was canceled in #%(number)s."),
    "skipped_there": _("It was skipped in #%(number)s."),
    "unfinished_there": _("It did not finish in #%(number)s."),
    "not_reused": _("Not reused: %(why)s."),
    "not_adopted": _("It runs again: %(why)s."),
    "unreadable": _(
        "The input `%(input)s` cannot be read: %(why)s. Submit the pipeline again: the step that writes it runs again then."
    ),
    "not_arrived": _("The files of the output '%(name)s' did not arrive."),
    "not_reported": _("The file '%(path)s' of the output '%(name)s' is not the one that was reported."),
    "no_link": _(
        "The output '%(name)s' names no dataset of this workspace. A script makes one its output by "
        "run.output_datasets['%(name)s'].link(dataset)."
    ),
    "other_link": _(
        "The output '%(name)s' links a dataset of kind %(kind)s, and was declared for one of kind %(wanted)s."
    ),
    "exists": _(
        "The output '%(name)s' would replace '%(path)s', and it was declared with overwrite=False. Give it another "
        "destination, for example one with %(free)s in it, or say overwrite=True."
    ),
    "registered": _(
        "The output '%(name)s' is to be registered as '%(dataset)s' with create_new_version=False, and a dataset of this "
        "name has another definition. Register it with create_new_version=True, or under another name."
    ),
    "run_scope": _(
        "The output '%(output)s' would be kept at '%(path)s' on '%(store)s', and the file '%(file)s' there was not "
        "written by this step's own tree. Choose another destination, for example one with %(free)s in it. The scope "
        "'%(scope)s' of this workspace keeps steps off what others made; an owner can change it on the page Settings."
    ),
    "skipped": _("Skipped: it needs %(names)s."),
    "skipped_after": _("Skipped: another step failed, and the run does not go on after a failure."),
    "compute_gone": _(
        "The compute target '%(name)s' was deleted before the step could start. Create it again, then resubmit."
    ),
    "not_built": _("The environment could not be built. Its build log says why."),
    "no_step_failed": _("The run failed, but none of its steps did. This is a fault of the studio."),
    "step_failed": _("The step failed."),
    "script_failed": _("The script failed."),
    "no_verdict": _("The process that watched over the script is gone, and it left no verdict."),
    "unwritten": _(
        "The script ended without writing its declared output %(names)s. The path of an output reaches the script as an "
        "argument: write a file there, or make a folder there and write into it."
    ),
    "all_unwritten": _(
        "The script ended without writing its declared outputs %(names)s. The path of an output reaches the script as an "
        "argument: write a file there, or make a folder there and write into it."
    ),
    "node_removed": _("Node %(node)s on its host was removed by %(who)s."),
    "node_removed_on": _("Node %(node)s on %(host)s was removed by %(who)s."),
    "silent": _(
        "Attempt %(attempt)s was lost: its lease ended at %(ended)s without a word from the agent on %(host)s (last heard of "
        "at %(seen)s). %(bytes)s bytes of its log had arrived."
    ),
    "detached": _(
        "Attempt %(attempt)s was lost: its host %(host)s was detached at %(detached)s (last heard of at %(seen)s). %(bytes)s "
        "bytes of its log had arrived."
    ),
    "member_outputs": _(
        "Node %(node)s has written into %(names)s. The step's outputs are what its first node has written: this was not kept."
    ),
    "no_result": _("The node that was to write the result of all nodes was lost when the others were through."),
    "never_taken": _(
        "Attempt %(attempt)s was lost: its host %(host)s was gone before it took its part of it. All parts begin together."
    ),
    # What is wrong with records that a script logs.
    "record_skipped": _("A record that the script logged was skipped: %(problem)s"),
    "more_skipped": _("More records that the script logged were skipped."),
    "no_json": _("line %(number)s of a batch is no JSON: %(line)s"),
    "no_record": _("A record is a JSON object."),
    "no_such_run": _("There is no run %(named)s."),
    "no_operation": _("There is no operation %(named)s."),
    "no_warner": _("only a step warns of something, and this is none: %(text)s"),
    "bad_key": _("The key of a tag or property is a text of 1 to %(most)s characters, not %(key)s."),
    "deep_value": _("The value of '%(key)s' is nested more than %(most)s levels deep."),
    "long_value": _("The value of '%(key)s' has more than %(most)s characters."),
    "strange_run": _("run %(run)s is not of this run's tree"),
    "fixed_property": _("property '%(key)s' is set already and cannot change"),
    "metric_name": _("A metric's name is a text of 1 to %(most)s characters, not %(name)s."),
    "metric_kind": _("There is no kind of metric %(kind)s."),
    "metric_value": _("The metric '%(name)s' has no value."),
    "metric_index": _("The index of the metric '%(name)s' is no whole number."),
    "metric_columns": _("The metric '%(name)s' is a %(kind)s: its value is an object of columns."),
    "metric_depth": _("The value of the metric '%(name)s' is nested more than %(most)s levels deep."),
    "metric_description": _("The description of the metric '%(name)s' is no text of at most %(most)s characters."),
    # Parameters that a call of a published pipeline named.
    "left_aside": _(
        "The call named a parameter that the pipeline does not have, and it was left aside: %(names)s. %(has)s"
    ),
    "all_left_aside": _(
        "The call named parameters that the pipeline does not have, and they were left aside: %(names)s. %(has)s"
    ),
    "parameters": _("The pipeline has: %(names)s."),
    "no_parameters": _("The pipeline has no parameters."),
    # Files that a step left.
    "files_unkept": _("Files that the step left could not be kept: %(names)s."),
    "files_unkept_more": _("Files that the step left could not be kept: %(names)s and %(count)s more."),
    "no_room": _("Files that the step left could not be kept. %(why)s"),
    # Of sweeps: how they ended, and why they stopped a trial.
    "no_trials": _("The sweep found no values to try."),
    "trials_failed": _("None of the %(trials)s trials completed. Trial %(number)s failed first: %(why)s"),
    "no_trial_completed": _("None of the %(trials)s trials completed before they were stopped."),
    "no_primary_metric": _(
        "No trial has logged the primary metric '%(metric)s', so none is the best. The trials logged: %(names)s."
    ),
    "no_primary_number": _(
        "No trial has logged the primary metric '%(metric)s' as a finite number, so none is the best: they logged texts, tables, "
        "NaN or infinity under this name."
    ),
    "no_best_trial": _(
        "No trial that completed has logged the primary metric '%(metric)s', so none is the best, whose output '%(output)s' "
        "would be the sweep's. Log it with run.log('%(metric)s', value)."
    ),
    "no_model_file": _(
        "The best trial, %(number)s, has kept no '%(file)s' for the output '%(output)s'. A script keeps a file by writing it "
        "below outputs/, or by run.upload_file."
    ),
    "stopped_canceled": _("Stopped with the sweep."),
    "stopped_late": _("Stopped: the sweep had used up its max_duration_minutes."),
    "stopped_bandit": _(
        "Stopped by the bandit policy at interval %(interval)s: its best %(metric)s was %(value)s, the best of %(trials)s "
        "trials %(best)s, and the limit %(limit)s."
    ),
    "stopped_median_stopping": _(
        "Stopped by median stopping at interval %(interval)s: its best %(metric)s was %(value)s, and the median of the "
        "running averages of %(trials)s trials %(limit)s."
    ),
    "stopped_truncation_selection": _(
        "Stopped by truncation selection at interval %(interval)s: its best %(metric)s, %(value)s, was among the lowest "
        "%(percentage)s %% of %(trials)s trials."
    ),
    "failed_above": _("The run above it failed before the script had completed this one."),
    "canceled_above": _("Canceled with the run above it."),
    "attempt_above": _("Attempt %(attempt)s of the step above it ended before the script had completed this run."),
    "canceled": _("Canceled."),
    "canceled_by": _("Canceled by %(who)s."),
    # Raised by workspaces.
    "storage_limit": _(
        "Workspace '%(workspace)s' may keep %(most)s, and %(left)s of that are left: this is more. Delete runs or files that are not needed, or ask an owner to raise the limit."
    ),
    # These are raised by datasets, which do not know this table: the same texts, with the facts that come with them.
    "missing_data": _("There is nothing at '%(path)s' on datastore '%(name)s'."),
    "unknown_datastore": _("There is no datastore '%(name)s' in workspace '%(workspace)s'."),
    "datastores": _("There is no datastore '%(name)s' in workspace '%(workspace)s'. There are: %(names)s."),
    "no_match": _("'%(path)s' on datastore '%(datastore)s' finds no file. Upload files there, or correct the path."),
    "still_fetching": _("The dataset %(what)s is still being fetched from the web. Try again when it is ready."),
    "unusable": _("The dataset %(what)s cannot be used."),
    "not_fetched": _("The copy of '%(url)s' is not there. Register the dataset again; then it is fetched anew."),
}
# Those of the apps below, which keep them by tables of their own.
OTHERS: Mapping[str, str] = {**compute.SENTENCES, **environments.SENTENCES, **datasets.SENTENCES}
# The sentences of a code that is told in several ways, longer ones first.
OF_CODE: Mapping[str, tuple[str, ...]] = {
    "unfinished": ("failed_there", "canceled_there", "skipped_there", "unfinished_there"),
    "output_gone": ("not_reused", "not_adopted"),
    "output_changed": ("not_reused", "not_adopted", "unreadable", "not_arrived", "not_reported"),
    "bad_link": ("no_link", "other_link"),
    "unknown_datastore": ("datastores", "unknown_datastore"),
    "not_fetched": ("not_fetched", "unusable"),
}
# How an output differs from what its step wrote: by one of its files, or (without a path) as a whole.
CHANGES: Mapping[str, str | Promise] = {
    "gone_whole": _("the output `%(name)s` of run #%(number)s is no longer there"),
    "gone": _("of the output `%(name)s` of run #%(number)s the file `%(path)s` is no longer there"),
    "changed": _("of the output `%(name)s` of run #%(number)s the file `%(path)s` was overwritten since"),
    "added": _("to the output `%(name)s` of run #%(number)s the file `%(path)s` was added since"),
    "unknown": _(
        "of the output `%(name)s` of run #%(number)s the file `%(path)s` was touched since, and it is too large to be compared here"
    ),
}
SHARED = _(
    "Two runs at once that write to one place overwrite each other; a destination with {run-id} in it gives each its own."
)
# Who has canceled is a name, unless it is one of these.
ANOTHER_STEP = "another step's failure"
SWEEP = "the sweep's policy"
WITH_CLUSTER = re.compile(r"(?P<who>.+), who deleted the cluster (?P<cluster>.+)")
# Of an input that nobody has read only the sentence has the name.
WHAT_INPUT = re.compile(r"hat input `(?P<name>.+)` holds ")
# The names of what differs are listed beside it, and a sentence made of them is English.
DIFFERENT = _("It differs from #%(number)s in what is listed here.")


def say(name: str, /, **facts: Any) -> str:
    """The sentence of this name in the present language."""
    return str(SENTENCES[name]) % facts


def change(kind: str, output: str, number: object, path: str = "") -> str:
    """A clause, without a full stop, of how an output of run `number` is no longer what its step wrote."""
    which = "gone_whole" if kind == "gone" and not path else kind
    return str(CHANGES[which]) % {"name": output, "number": number, "path": path}


def localized(kept: Mapping[str, Any]) -> str:
    """The `text` of what is kept, as far as its `code` and its facts are enough to say it to another reader."""
    text, code = str(kept.get("text", "")), str(kept.get("code", ""))
    if words.is_of_the_code():
        return text
    if code in hosts.SENTENCES or code in OTHERS:
        return sentences.localized(kept, OTHERS)
    if code == "different":
        return str(DIFFERENT) % _facts(kept)
    for name in OF_CODE.get(code, (code if code in SENTENCES else "unusable",)):
        with words.stored():
            beginning, endings = _say(name, kept), _endings(kept)
        # What an older studio or another service has said otherwise is told as it is.
        if beginning and text.startswith(beginning):
            rest = text.removeprefix(beginning)
            known = dict(zip(endings, _endings(kept), strict=True))
            return _say(name, kept) + (f" {known[rest.strip()]}" if rest.strip() and rest.strip() in known else rest)
    return text


def _endings(kept: Mapping[str, Any]) -> list[str]:
    """What may stand behind a sentence, in the present language."""
    endings = [str(SHARED), causes.proof_words(kept.get("proof"))]
    if found := kept.get("differences"):
        endings.append(since(found))
    if isinstance(reason := (kept.get("facts") or {}).get("reason"), Mapping):
        endings.append(localized(reason))
    if found := WHAT_INPUT.search(str(kept.get("text", ""))):
        endings.append(not_compared(found["name"]))
    return endings


def since(found: Sequence[Mapping[str, Any]]) -> str:
    """What has changed since a step did not complete."""
    return gettext("Since then: %(differences)s.") % {"differences": differences.listed(found)}


def not_compared(name: str) -> str:
    """Which input of an adopted step nobody has read."""
    text = gettext("What input `%(name)s` holds was not compared: that cannot be told without reading it all.")
    return text % {"name": name}


def who(name: str) -> str:
    """Who has canceled, as it is kept with a run, in the reader's language."""
    if name == ANOTHER_STEP:
        return gettext("another step's failure")
    if name == SWEEP:
        return gettext("the sweep's policy")
    found = WITH_CLUSTER.fullmatch(name)
    return gettext("%(who)s, who deleted the cluster %(cluster)s") % found.groupdict() if found else name


def keep(name: str, /, **facts: Any) -> dict[str, Any]:
    """The sentence of this name as it is kept: in English, and what it is made of."""
    plain = {each: sentences.text_of(value) if isinstance(value, Mapping) else value for each, value in facts.items()}
    with words.stored():
        return {"text": say(name, **plain), "code": name, "facts": facts}


def invalid(name: str, /, **facts: Any) -> Invalid:
    """A refusal by the sentence of this name."""
    return Invalid(say(name, **facts), code=name, **facts)


def kept_of(error: StudioError) -> dict[str, Any]:
    """What of a refusal is kept beside its message, so that it can be said to another reader."""
    return {"code": error.code, "facts": error.facts}


def warning(kept: Kept) -> str:
    """A warning of a run or an attempt, in the reader's language."""
    return kept if isinstance(kept, str) else localized(kept)


def error_document(error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A run's error as programs get it: in English, unless they ask for a language."""
    return {**error, "message": error_text(error)} if error else None


def error_text(error: Mapping[str, Any] | None) -> str:
    """The message of a run's error, or of an attempt's end, in the reader's language."""
    found = error or {}
    return localized(
        {**(found.get("said") or {}), "text": str(found.get("message") or ""), "proof": found.get("proof")}
    )


def _say(name: str, kept: Mapping[str, Any]) -> str:
    """The sentence in the present language; empty where a fact is missing."""
    try:
        return say(name, **_facts(kept))
    except KeyError:
        return ""


def _inner(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Sentences among facts are said, too."""
    return {
        name: localized(each) if isinstance(each, Mapping) and "text" in each else each for name, each in facts.items()
    }


def _facts(kept: Mapping[str, Any]) -> dict[str, Any]:
    compared = kept.get("compared_with") or {}
    facts = {
        **_inner(kept.get("facts") or {}),
        **{each: compared[each] for each in ("number", "output") if each in compared},
    }
    if kept.get("code") == "unhashable" and (named := WHAT_INPUT.search(str(kept.get("text", "")))):
        facts["name"] = named["name"]
    if "who" in facts:
        facts["who"] = who(str(facts["who"]))
    if "storage_bytes" in facts:
        facts |= {"most": words.size_text(facts["storage_bytes"]), "left": words.size_text(facts.get("left") or 0)}
    found = facts.get("output")
    if isinstance(found, Mapping) and str(found.get("change")) in CHANGES:
        facts["why"] = change(found["change"], found.get("name", ""), facts.get("number"), found.get("path") or "")
    return facts
