"""Sentences that hosts, steps and programs say to the studio: in English, and beside it a code and facts, by which others
tell them anew. Pure.

Where they are said they are texts like any other (`Said`). On the way they stand in a report's `said`, by their English text.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, Mapping, Optional, Union


def _(text: str) -> str:
    """Marks a text for the catalogues of languages."""
    return text


# Of a fact only its name stands in a sentence: what a host has sent can then fill its place, and do nothing else.
SENTENCES: Dict[str, str] = {
    # Words of other programs, and of scripts.
    "foreign": "%(text)s",
    "failed_at": _("%(text)s%(where)s"),
    "where": _(" (%(file)s, line %(line)s)"),
    "two": "%(first)s %(second)s",
    # What a graph refers to and is not there.
    "step_compute_unknown": _(
        "Step '%(step)s' wants compute target '%(name)s', which does not exist in workspace '%(workspace)s'. There are: "
        "%(names)s."
    ),
    "step_compute_unknown_none": _(
        "Step '%(step)s' wants compute target '%(name)s', which does not exist in workspace '%(workspace)s'. There are: "
        "none yet; create one on the page Compute."
    ),
    "step_compute_unnamed": _("Step '%(step)s' names no compute target. There are: %(names)s."),
    "step_compute_unnamed_none": _(
        "Step '%(step)s' names no compute target. There are: none yet; create one on the page Compute."
    ),
    "step_snapshot_missing": _("The snapshot of step '%(step)s' has not been uploaded."),
    "graph_datastore_unknown": _("There is no datastore '%(name)s'. There are: %(names)s."),
    "graph_datastore_unknown_none": _("There is no datastore '%(name)s'. There are: none."),
    "input_nothing_there": _(
        "The input '%(name)s' reads '%(path)s' on datastore '%(datastore)s', where there is nothing."
    ),
    "input_version_unknown": _(
        "The input '%(input)s' names the dataset version %(version)s, which does not exist here."
    ),
    # How a step ended.
    "watcher_killed": _(
        "The program that watches the script on its host was killed, so how the script ended is not known."
    ),
    "slurm_time_limit": _("Slurm ended the step at the time limit of its job."),
    "slurm_node_failed": _("Slurm's node %(node)s failed while it had the step."),
    "slurm_preempted": _("Slurm took the node %(node)s away from the step, for a job that goes before it."),
    "slurm_canceled": _("The step's job was canceled in Slurm, not in the studio."),
    "slurm_forgotten": _("Slurm does not know the step's job any more, and the step had not begun."),
    "slurm_not_started": _("The step could not be started on Slurm's node %(node)s: %(error)s"),
    "watcher_not_started": _("The program that watches the script could not be started."),
    "canceled_before_start": _("The step was canceled before its script started."),
    "step_canceled": _("The step was canceled."),
    "canceled_left": _("The step was canceled. %(left)s of its processes could not be ended."),
    "canceled_clean": _("The step was canceled. None of its processes is left."),
    "time_limit": _("The step was ended at its time limit of %(time)s."),
    "memory_limit": _("The step held %(held)s of memory, more than its node's %(limit)s, and was ended."),
    "node_has": _(" (its node has %(memory)s)"),
    "child_killed": _(
        "The kernel killed a child of the script for want of memory%(limit)s; the script itself went on and ended with "
        "exit code %(code)s%(where)s."
    ),
    "children_killed": _(
        "The kernel killed %(count)s children of the script for want of memory%(limit)s; the script itself went on and "
        "ended with exit code %(code)s%(where)s."
    ),
    "child_killed_well": _(
        "The kernel killed a child of the script for want of memory; the script itself went on and ended well."
    ),
    "children_killed_well": _(
        "The kernel killed %(count)s children of the script for want of memory; the script itself went on and ended well."
    ),
    "step_out_of_memory": _("The step ran out of memory%(limit)s, and the kernel ended the script itself."),
    "host_out_of_memory": _("The host ran out of memory%(limit)s, and the kernel ended the script itself."),
    "memory_error": _("The script asked for more memory than there is%(where)s."),
    "killed_by_others": _("The script was killed (SIGKILL) by something other than the studio."),
    "by_signal": _("The script was ended by signal %(number)s (%(name)s)."),
    "by_unnamed_signal": _("The script was ended by signal %(number)s (an unnamed signal)."),
    "by_crash": _("The script was ended by signal %(number)s (%(name)s): a crash in native code."),
    "exit_code": _("The script ended with exit code %(code)s."),
    "program_not_found": _("A program that the command names was not found (exit code 127); the log says which."),
    "script_not_started": _("The script could not be started; the log says why."),
    "of_rank": _("Rank %(rank)s (of 0 to %(last)s) failed, and the others were ended: %(why)s"),
    "no_mpirun": _(
        "There is no mpirun for the step, which starts the ranks of MPI: install Open MPI on the host (Debian's "
        "openmpi-bin), or add openmpi to the conda packages of the environment."
    ),
    "no_module": _("The step's environment has no module '%(name)s'%(where)s: add it to its packages."),
    "no_module_in": _(
        "The snapshot has '%(top)s', but there is no module '%(name)s' in it%(where)s: look whether its file lies in the "
        "source directory, and whether .amlignore or .gitignore leaves it out."
    ),
    "hinted": "%(first)s. %(hint)s",
    "hint_curated": _(
        "The script is older than the packages of its environment: %(since)s no longer has %(thing)s. The curated "
        "environment '%(environment)s' (Python 3.11, %(has)s) does."
    ),
    "hint_gone": _(
        "The script is older than the packages of its environment: %(since)s no longer has %(thing)s, and nor has any "
        "curated environment. Write in its place: %(now)s."
    ),
    "hint_package": _(
        "For programs that want an old %(name)s there is the curated environment '%(environment)s' (Python 3.11, %(has)s)."
    ),
    "module_elsewhere": _(
        "The module '%(name)s' lies in the snapshot's folder '%(folder)s', where Python does not look%(where)s: import it as "
        "'%(full)s', or name the folder in the environment variable PYTHONPATH."
    ),
    "output_folder_not_made": _(
        "The script writes below its output '%(name)s' without having made that folder%(where)s: call "
        "os.makedirs(path, exist_ok=True) first, or declare the output with is_directory=True."
    ),
    "not_in_input": _("There is no '%(path)s' in the input '%(name)s'%(where)s."),
    "agent_fault": _("The agent could not finish this step: %(error)s"),
    "end_not_taken": _("The studio could not take the end of this step as its host told it: %(error)s"),
    # Values of parameters.
    "parameter_string": _("Parameter '%(name)s' is a text, but the value is %(value)s."),
    "parameter_int": _("Parameter '%(name)s' is a whole number, but the value is %(value)s."),
    "parameter_float": _("Parameter '%(name)s' is a number, but the value is %(value)s."),
    "parameter_bool": _("Parameter '%(name)s' is true or false, but the value is %(value)s."),
    "parameter_dataset": _("Parameter '%(name)s' is the id of a dataset version, but the value is %(value)s."),
    "parameter_data_path": _(
        "Parameter '%(name)s' is a path on a datastore, without '..' and not an address, but the value is %(value)s."
    ),
    "parameter_datetime": _(
        "Parameter '%(name)s' is a time as ISO 8601 writes it, such as 2024-05-31T14:30:00+02:00, but the value is %(value)s."
    ),
    "parameter_list": _(
        "Parameter '%(name)s' is a list of texts, of numbers, or of true and false, but the value is %(value)s."
    ),
    "parameter_list_string": _("Parameter '%(name)s' is a list of texts, but one of its elements is %(value)s."),
    "parameter_list_int": _("Parameter '%(name)s' is a list of whole numbers, but one of its elements is %(value)s."),
    "parameter_list_float": _("Parameter '%(name)s' is a list of numbers, but one of its elements is %(value)s."),
    "parameter_list_bool": _("Parameter '%(name)s' is a list of true and false, but one of its elements is %(value)s."),
    "parameter_json": _("Parameter '%(name)s' is a JSON object, each key of it once, but the value is %(value)s."),
    "parameter_inexact": _(
        "Parameter '%(name)s' is a whole number, and %(value)s came as a floating-point number, which does not hold all digits "
        "of one that large. Give it as a whole number, or as text."
    ),
    "parameter_too_long": _("Parameter '%(name)s' takes at most %(most)s bytes of JSON, but the value has %(size)s."),
    "parameter_long_text": _(
        "Parameter '%(name)s' takes a text of at most %(most)s bytes, since no script can be given more, but the value has %(size)s. Give a longer one as a file."
    ),
    "parameter_choice": _("Parameter '%(name)s' is one of %(choices)s, but the value is %(value)s."),
    "parameter_choice_each": _(
        "Each element of parameter '%(name)s' is one of %(choices)s, but the list has %(value)s."
    ),
    "parameter_least": _("Parameter '%(name)s' is at least %(least)s, but the value is %(value)s."),
    "parameter_most": _("Parameter '%(name)s' is at most %(most)s, but the value is %(value)s."),
    "parameter_between": _("Parameter '%(name)s' is from %(least)s to %(most)s, but the value is %(value)s."),
    "parameter_least_each": _(
        "Each element of parameter '%(name)s' is at least %(least)s, but the list has %(value)s."
    ),
    "parameter_most_each": _("Each element of parameter '%(name)s' is at most %(most)s, but the list has %(value)s."),
    "parameter_between_each": _(
        "Each element of parameter '%(name)s' is from %(least)s to %(most)s, but the list has %(value)s."
    ),
    "parameter_secret": _(
        "Parameter '%(name)s' is a secret: a text of at least %(least)s characters and at most %(most)s bytes. What was given is "
        "none, and is not shown here."
    ),
    "parameter_secret_hidden": _(
        "Parameter '%(name)s' is a secret, and %(mask)s only stands for its value. Give the value itself."
    ),
    "parameter_secret_before": _(
        "Parameter '%(name)s' is no secret, but what is kept for it is one and is told nowhere. Give its value anew."
    ),
    "parameter_reserved": _(
        "Parameter '%(name)s' cannot be an object of '%(sealed)s' and '%(digest)s': that is how the studio keeps secrets."
    ),
    "parameter_undeclared": _("The pipeline has no parameter '%(name)s'. It has: %(names)s."),
    "parameter_undeclared_none": _("The pipeline has no parameter '%(name)s'. It has none."),
    "parameter_secret_missing": _("Parameter '%(name)s' is a secret and has no default: give its value."),
    # Before its script.
    "files_not_fetched": _("The step's files could not be fetched: %(error)s"),
    "not_prepared": _("The step could not be prepared on this host: %(error)s."),
    "unknown_kind": _(
        "The agent of this host is older than the studio and does not know steps of the kind '%(kind)s'. Update it."
    ),
    "no_script": _("The snapshot has no script '%(name)s'."),
    "input_gone": _("The data of the input '%(name)s' is not there any more."),
    "written_twice": _(
        "Two nodes have written the file %(name)s of the output. Let each mini-batch write files of its own."
    ),
    "nothing_mounted": _("There was nothing at the path that the input '%(name)s' mounts. Its folder is empty."),
    "mounted_as_copy": _(
        "The input '%(name)s' lies in a store of its own and cannot be mounted: it was copied to the host before the script began."
    ),
    "mount_off": _("This host mounts nothing (DUTO_FUSE is 'off')."),
    "mount_no_device": _("This host has no /dev/fuse, or its agent may not open it."),
    "mount_no_package": _("The agent of this host lacks the package mfusepy (DUTO_EXTRAS=fuse installs it)."),
    "mount_no_library": _("This host lacks libfuse3 and fusermount3: install its package fuse3."),
    "mount_failed": _("The mount could not be made: %(error)s"),
    "mount_unversioned": _("The studio does not know by what a change of its files would be seen."),
    "mount_not_seen": _("The container engine of this host does not see what its agent mounts."),
    "mount_gone": _(
        "The process that served the mounted inputs ended before the script did; nothing more could be read of them."
    ),
    "mount_silent": _("'%(path)s' could not be read: nothing came for %(seconds)s seconds."),
    "mounted_not_read": _("Mounted data could not be read: %(why)s"),
    "file_and_folder": _("'%(path)s' is a file and a folder at once, or is listed twice."),
    "nodes_on_one_host": _(
        "The step asks for %(count)s nodes. Its processes run on one node, as many as on all of them; they share its cores "
        "and its memory."
    ),
    "path_not_kept": _(
        "'%(name)s' asks for the path %(path)s; a local process keeps its data in its own directory instead."
    ),
    "left_store": _("'%(path)s' is not in the store any more."),
    "not_in_store": _("'%(path)s' is not in the studio's store."),
    "other_in_store": _("'%(path)s' holds other bytes in the store than its digest promises."),
    "other_arrived": _("'%(path)s' arrived with other bytes than its digest promises."),
    "other_size": _("'%(path)s' has %(found)s bytes instead of %(size)s."),
    "data_refused": _("The studio does not give the data any more: %(error)s"),
    "changed_meanwhile": _("'%(path)s' has changed on its datastore since it was listed."),
    "store_is_away": _("The step's data could not be read: %(error)s"),
    "store_refuses": _("A datastore refuses to give the step's data: %(error)s"),
    "broken_off": _("The transfer broke off: %(error)s"),
    "no_inner_path": _("'%(path)s' is not a path inside its folder."),
    "names_no_file": _("'%(path)s' names no file."),
    "leads_out_by_link": _("'%(path)s' leads out of its folder through a link."),
    "no_folder_name": _("'%(name)s' cannot name a folder."),
    "unbound_input": _("An argument names the input '%(name)s', which this step does not have."),
    "unbound_output": _("An argument names the output '%(name)s', which this step does not have."),
    "unbound_parameter": _("An argument names the parameter '%(name)s', which this step does not have."),
    "unknown_argument": _("An argument is of no known kind: %(value)s."),
    # A disk that is full.
    "disk_full": _(
        "The disk of the host is full: there is no room for %(what)s%(size)s%(left)s. Make room there, then resume the run."
    ),
    "quota_full": _(
        "The quota of the agent's user on the disk of this host is used up: there is no room for %(what)s%(size)s%(left)s. "
        "Make room there, then resume the run."
    ),
    "sized": " (%(size)s)",
    "free_without": _(", %(size)s are free without it"),
    "disk_filled": _("The disk of the host is full%(where)s%(left)s. Make room there, then resume the run."),
    "were_free": _(": %(size)s were free when the script ended"),
    "no_room_elsewhere": _(
        "The script found no room for what it wrote%(where)s. The disk of the host has %(free)s free, so it was another "
        "place, such as /tmp or /dev/shm of a container, or the script has removed its files since."
    ),
    "named": "'%(name)s'",
    "step_files": _("the step's files"),
    "step_log": _("the step's log"),
    "step_image": _("the step's image"),
    "step_container": _("the step's container"),
    "build_log": _("the log of a build"),
    "an_environment": _("the environment"),
    "environment_named": _("the environment %(name)s"),
    "environment_saying": _("the environment (%(line)s)"),
    "base_image": _("the base image '%(name)s'"),
    "cached": _("'%(path)s' in this host's cache"),
    # After its script.
    "waited_for_room": _(
        "The studio's disk was full when the step had ended: the step's files waited until there was room."
    ),
    "not_collected": _("Its files and metrics were not collected within %(time)s of the script's end."),
    "not_all_kept": _("Not everything that the step left was kept: %(why)s"),
    "no_whole_record": _("The last %(count)s bytes that the script logged are no whole record: dropped."),
    "log_not_written": _("%(count)s bytes of the log could not be written: %(error)s."),
    "log_dropped": _("%(count)s bytes of the log beyond its limit were dropped."),
    "rest_not_taken": _("What follows byte %(byte)s of %(file)s was not taken by the studio: %(error)s"),
    "outputs_not_taken": _("The studio did not take the outputs: %(error)s"),
    "file_not_taken": _("The studio did not take the file '%(path)s': %(error)s"),
    "file_not_read": _("The file '%(path)s' cannot be read: %(error)s"),
    "one_more_warning": _("There is 1 more such warning."),
    "more_warnings": _("There are %(count)s more such warnings."),
    "globs_took_nothing": _(
        "No file of the output '%(name)s' is of its source_globs (%(globs)s), so nothing of it was kept."
    ),
    "unwritten_output": _("The script ended without writing its output '%(name)s'."),
    "left_out": _("'%(what)s' was left out: %(why)s."),
    "left_out_all": _("'%(what)s' was left out: %(why)s, and all below it."),
    "output_named": _("output %(name)s"),
    "own_logs": _("the studio keeps its own logs by that name; write to 'logs/'"),
    "link_on_the_way": _("a link on the way to it leads out of the step's folder"),
    "no_folder": _("it is no folder"),
    "way_out": _("its name would be a way out of its folder on other systems"),
    "long_name": _("a name in it has more than %(most)s bytes"),
    "long_path": _("its path has more than %(most)s characters"),
    "long_path_bytes": _("its path has more than %(most)s bytes"),
    "unreadable_file": _("it cannot be read (%(error)s)"),
    "odd_file": _("it is neither a file nor a folder"),
    "link_to_folder": _("it is a link to a folder"),
    "link_out": _("it is a link that leads out of it"),
    "not_removed": _("'%(path)s' could not be removed: %(error)s."),
    "mostly_holes": _(
        "'%(path)s' cannot be kept: it is %(size)s large, and only %(written)s of it are written. Files are kept with their "
        "holes filled, and there may be %(most)s of holes here. Write it without holes, or outside of 'outputs/'."
    ),
    # Records that stay with the host.
    "of_record": "%(record)s: %(why)s",
    "record_metric": _("metric %(name)s"),
    "record_key": _("tag or property %(name)s"),
    "record_line": _("the line that begins with %(text)s"),
    "long_line": _("it has %(length)s bytes, and %(most)s are the most"),
    # What the SDK says in a step.
    "mlflow_stays": _(
        "What the script logs by MLflow does not reach this run: MLflow's tracking is not built. It stays in the step's own "
        "folder and goes with it. Log with Run.get_context().log(...) and register with Run.register_model(...)."
    ),
    "mlflow_goes": _(
        "What the script logs by MLflow does not reach this run: MLflow's tracking is not built. It goes to %(place)s. "
        "Log with Run.get_context().log(...) and register with Run.register_model(...)."
    ),
    "metric_too_large": _(
        "The metric '%(name)s' has %(length)s bytes as JSON, and one record may have %(most)s. Log less at a time, or keep it "
        "as a file: upload_file() takes files of any size."
    ),
    "record_too_large": _(
        "'%(name)s' has %(length)s bytes as JSON, and one record may have %(most)s. Log less at a time, or keep it as a file: "
        "upload_file() takes files of any size."
    ),
    # What of the packages of an environment is not used.
    "option_unused": _("'%(option)s' is not used: the studio has a package index of its own."),
    "own_option_unused": _("'%(option)s' of '%(line)s' is not used."),
    "brackets_unused": _("'[%(keys)s]' of '%(line)s' is not used but for its version."),
    "section_unused": _("'%(name)s' of the conda file is not used: conda knows no such section."),
    "unmanaged": _(
        "The packages of the environment are not installed: its Python is the user's own (user_managed_dependencies)."
    ),
    # Files that are to be read as a table.
    "in_file": _("in '%(name)s', %(why)s"),
    "in_column": _("in column '%(name)s', %(why)s"),
    "empty_file": _("'%(name)s' is empty"),
    "empty_files": _("all %(count)s files are empty"),
    "file_went": _("a file went away while it was read"),
    "no_file_here": _("there is no file to read"),
    "no_file_like": _("there is no file to read; '%(name)s' is not like '%(wanted)s'"),
    "odd_path": _("the path is not of the partition format '%(format)s'; one is '%(path)s'"),
    "odd_paths": _("%(odd)s of %(count)s paths are not of the partition format '%(format)s'; one is '%(path)s'"),
    "zip_archive": _("there is a ZIP archive or a workbook of Excel; save the sheet as CSV"),
    "excel_book": _("there is a workbook of Excel; save the sheet as CSV"),
    "gzip_file": _("there is a file packed by gzip; unpack it"),
    "parquet_file": _("there is a Parquet table; %(advice)s"),
    "say_parquet": _("say that it is one"),
    "sqlite_file": _("there is a database of SQLite; export its table as CSV"),
    "web_page": _("it is a web page, not a table"),
    "nul_byte": _("it has a NUL byte in line %(line)s, so it is not a text file"),
    "stand_in": _("line %(line)s has the character U+FDD0, which no text has"),
    "looks_like_utf16": _("it is not %(encoding)s but looks like utf-16; %(advice)s"),
    "bad_encoding": _("line %(line)s is not %(encoding)s; %(advice)s"),
    "bad_encoding_after": _("after line %(line)s it is not %(encoding)s; %(advice)s"),
    "name_encoding": _("name its encoding"),
    "row_width": _(
        "the row of line %(line)s has %(values)s, but the table has %(columns)s. Is the separator %(separator)s right, or is a "
        "quote missing?"
    ),
    "values": _("%(count)s values"),
    "one_column": _("1 column"),
    "columns": _("%(count)s columns"),
    "open_quote": _("the quote in line %(line)s is never closed"),
    "after_quotes": _(
        "after the quotes of a value there is more text in line %(line)s; double a quote that is part of a value"
    ),
    "endless_line": _("line %(line)s is longer than %(most)s: its ends of lines are missing, or it is no such text"),
    "long_cell": _("a value in line %(line)s is longer than %(most)s; is its quote never closed?"),
    "bad_line": _("line %(line)s cannot be read: %(error)s"),
    "no_object": _("line %(line)s is JSON, but no object"),
    "bad_json": _("line %(line)s is no JSON object: %(error)s"),
    "droppable": _("%(why)s. With invalid_lines='drop' such lines are left out."),
    "no_pyarrow": _("Parquet files are read by pyarrow: add it to the environment's packages"),
    "no_parquet": _("there is no Parquet table: %(error)s"),
    "rows_unread": _("the rows cannot be read: %(error)s"),
    "many_columns": _("it has more than %(most)s columns; write a row for each value instead of a column"),
    "long_names": _("the names of its columns are longer than %(most)s characters all together"),
    "own_column": _("the files have a column '%(name)s' of their own; name that of the path otherwise"),
    "column_changed": _("column '%(name)s' changed while it was read; try again"),
    "no_such_column": _("there is no column %(names)s; there are: %(known)s"),
    "no_condition": _("'%(what)s' is no condition: it says nothing that is true or false"),
    "not_comparable": _(
        "a condition compares '%(left)s' (%(first)s) with '%(right)s' (%(second)s) by %(op)s, which cannot be done"
    ),
    "condition_bool": _("%(op)s in a condition joins conditions, and '%(what)s' is none (%(type)s)"),
    "condition_string": _("%(op)s in a condition is about texts, and '%(what)s' is none (%(type)s)"),
    "condition_long": _("%(op)s in a condition is about numbers, and '%(what)s' is none (%(type)s)"),
    "bound_unread": _("the time of an operation cannot be read: %(why)s"),
    "no_times": _("the timestamp column '%(name)s' has no times: %(why)s"),
    "not_whole": _("%(value)s is no whole number"),
    "beyond_long": _("%(value)s is beyond 64 bits"),
    "beyond_long_column": _("%(value)s is beyond 64 bits; %(advice)s"),
    "declare_string": _("declare the column as string"),
    "no_number": _("%(value)s is no number"),
    "no_number_mark": _("%(value)s is no number with a decimal '%(mark)s'"),
    "beyond_float": _("%(value)s is beyond a float"),
    "neither_truth": _("%(value)s is neither true nor false"),
    "no_time": _("%(value)s is no time"),
    "no_time_of": _("%(value)s is no time of the format %(formats)s"),
    "either": _("%(first)s or %(second)s"),
    "two_days": _("%(value)s may mean two days: the column has the day first and the month first"),
    "no_such_time": _("there is no time %(time)s"),
    "no_such_month": _("there is no month %(name)s"),
    "outside_years": _("%(time)s is outside of the years 1 to 9999"),
    "outside_nanoseconds": _("the time %(time)s is outside of the years 1678 to 2261"),
    # Environments.
    "not_buildable": _("The agent could not build this environment: %(error)s"),
    "not_built_here": _("The environment could not be built on this host: %(error)s."),
    "build_failed": _("The environment could not be built: %(error)s"),
    "no_reason": _("uv gave no reason"),
    "no_index": _("The package index could not be reached from this host."),
    "no_package": _("The package '%(name)s' does not exist in the package index."),
    "no_version": _("The package index has no version of '%(name)s' that fits '%(wanted)s'."),
    "not_installed": _("The package '%(name)s' could not be installed."),
    "no_solution": _("The packages do not fit together: %(reason)s"),
    "no_conda_package": _("None of the environment's conda channels has the package '%(name)s', or none that fits."),
    "no_conda_solution": _("The conda packages do not fit together: %(reason)s"),
    "log_says_more": _("the log says more"),
    "conda_by_processes": _(
        "This environment has conda packages, and this host runs its steps as local processes: only a host that runs steps "
        "in containers and has a micromamba base ('conda_image' in its host.json) can build it."
    ),
    "no_conda_base": _(
        "This environment has conda packages, and this host has no micromamba base to build them with: set 'conda_image' "
        "in its host.json, or name packages of PyPI instead."
    ),
    "only_conda": _(
        "Only conda has %(names)s: name packages of PyPI instead, drop what wheels bring along, or give a host that runs "
        "steps in containers a micromamba base ('conda_image' in its host.json)."
    ),
    "curated_instead": _(
        "'%(asked)s' is an environment of Azure's. The nearest here takes its place: '%(used)s' (Python 3.11, %(has)s)."
    ),
    "python_too_old": _("Steps cannot begin in Python %(version)s; the oldest that they can is 3.8."),
    "other_python": _("Python %(asked)s is not on this host; Python %(used)s is used."),
    "no_interpreter": _("The interpreter '%(path)s' is not on this host."),
    "no_r_hosts": _(
        "It needs R, and no host of its cluster that runs processes has Rscript: install R on one (Debian's r-base-core), and "
        "restart its agent."
    ),
    "no_java_hosts": _(
        "It runs on Spark, and no host of its cluster has a Java for it (%(javas)s): install one (Debian's "
        "openjdk-17-jre-headless) and restart the host's agent, name one by the variable JAVA_HOME of the step's environment, "
        "or give the environment an image that has one."
    ),
    "no_rscript": _("This host has no Rscript: install R (Debian's r-base-core), and restart its agent."),
    "r_in_container": _("Steps of R run on hosts that run processes; this one runs containers."),
    "other_r": _("R %(asked)s is not on this host; R %(used)s is used."),
    "no_r_index": _("The repository of R packages at %(name)s could not be read from this host."),
    "no_r_package": _("The repository of R packages has no '%(name)s'."),
    "no_r_version": _("The repository of R packages has no %(name)s, nor has its archive."),
    "r_not_installed": _("The R package '%(name)s' could not be installed; the log says why."),
    "r_failed": _("The library of R packages could not be made: %(error)s"),
    "no_uv": _("This host has no uv; install the package uv beside the agent."),
    # Slurm.
    "slurm_away": _("Slurm does not answer: %(error)s"),
    "slurm_refused": _("Slurm refuses the job: %(error)s"),
    # Containers and their images.
    "engine_refused": _("The container engine refused: %(error)s"),
    "engine_fault": _("The container engine has a fault: %(error)s"),
    "engine_silent": _("The container engine at %(socket)s does not answer: %(error)s"),
    "engine_half_silent": _("A part of the container engine does not answer: %(error)s"),
    "engine_went": _("The container engine went while it built: %(error)s"),
    "no_base_image": _("No base image is configured: set 'base_image' in host.json, or in the environment."),
    "base_not_here": _("The base image '%(name)s' is not on this host and cannot be fetched."),
    "base_not_fetched": _("The base image '%(name)s' is not on this host and cannot be fetched: %(error)s"),
    "build_canceled": _("The build of its image was canceled."),
    "build_canceled_by": _("The build of its image was canceled by %(who)s."),
    "fetch_canceled": _("The fetch of the base image '%(name)s' was canceled."),
    "fetch_canceled_by": _("The fetch of the base image '%(name)s' was canceled by %(who)s."),
    "not_being_built": _("It was not being built any more."),
    "installing": _("Installing the packages"),
    "one_layer": _("1 layer"),
    "layers": _("%(count)s layers"),
    "unpacking_one": _("unpacking, %(done)s of 1 layer done"),
    "unpacking": _("unpacking, %(done)s of %(count)s layers done"),
    "image_not_here": _("The image '%(name)s' is not on this host."),
    "removed_again": _("The container of this step was removed again and again while it started."),
    "no_gpu_runtime": _(
        "The container engine of this host has no runtime for graphics processors (nvidia-container-toolkit)."
    ),
    "no_python": _("The image has no python3 on its path, which every step's image needs."),
    "not_in_image": _("Something that the step needs is not in the image or on the host: %(error)s"),
    "container_not_started": _("The container could not be started: %(error)s"),
    "no_such_option": _("The cluster sets the container option '%(name)s', which is none of %(known)s."),
    "bad_option": _("The cluster's container option '%(name)s' cannot be %(value)s: %(error)s."),
    "bad_shm_size": _("The environment's docker argument --shm-size cannot be '%(value)s': %(error)s."),
    "argument_ignored": _("The environment's docker argument '%(name)s' is not honoured: only %(known)s are."),
    "no_user_option": _("it is 'root', or a number, or two with a colon between"),
    "no_truth": _("it is true or false"),
    "no_list": _("it is a list of names"),
    "no_capability": _("%(names)s is not given to steps; of use are %(known)s"),
    "no_pids": _("it is a number from 16 to 65536"),
    "no_size": _("it is a size of a mebibyte or more, such as '2g'"),
    "no_bytes": _("it is a number of bytes"),
    "no_such_network": _("The network policy '%(name)s' is none of %(known)s."),
    "limits_missing": _(
        "This host has to limit its steps (DUTO_STEP_LIMITS is 'required'), and the control group of this one could not be "
        "made: %(error)s."
    ),
}

_HOLE = re.compile(r"%\((\w+)\)s")


class Said(str):
    """A sentence in English that knows what it is made of."""

    code: str
    facts: Dict[str, Any]

    def __str__(self) -> str:
        """Itself: `str(error)` of an error that says it loses nothing."""
        return self


def said(code: str, /, **facts: Any) -> Said:
    """The sentence of this code. Facts are texts, numbers, and other sentences."""
    made = Said(SENTENCES[code] % facts)
    made.code, made.facts = code, facts
    return made


def foreign(text: object) -> Said:
    """Words that are said already, or those of another program, which are told as they are."""
    return text if isinstance(text, Said) else said("foreign", text=str(text))


def parts(text: Said) -> Dict[str, Any]:
    """What it is made of, as JSON: a sentence among its facts has its `text` beside that."""
    return {"code": text.code, "facts": {name: _part(value) for name, value in text.facts.items()}}


def _part(value: Any) -> Any:
    return {"text": str.__str__(value), **parts(value)} if isinstance(value, Said) else value


def with_said(report: Mapping[str, Any]) -> Dict[str, Any]:
    """The same report, with what its sentences are made of."""
    found = {str.__str__(each): parts(each) for each in _texts(report) if isinstance(each, Said)}
    known = report.get("said") or {}
    return {**report, "said": {**known, **found}} if found else dict(report)


def parts_in(report: Mapping[str, Any], text: str) -> Optional[Dict[str, Any]]:
    """What a report says that this text of it is made of; it is another machine's word, of which nothing else is taken."""
    known = report.get("said")
    found = known.get(text) if isinstance(known, dict) else None
    try:
        return _known(found) if isinstance(found, dict) and is_made_of(text, found) else None
    except RecursionError:
        return None


def said_in(report: Mapping[str, Any], text: str) -> Union[str, Said]:
    """A text of a report as the sentence that it was, if the report says what it is made of."""
    found = parts_in(report, text)
    return _said_by(found) if found else text


def is_made_of(text: str, found: Mapping[str, Any]) -> bool:
    """Whether a text is what these parts say in English: by another release they may say something else."""
    code, facts = found.get("code"), found.get("facts")
    if not isinstance(code, str) or code not in SENTENCES or not isinstance(facts, dict):
        return False
    for value in facts.values():
        if isinstance(value, dict) and not is_made_of(str(value.get("text")), value):
            return False
    plain = {name: value.get("text") if isinstance(value, dict) else value for name, value in facts.items()}
    try:
        return SENTENCES[code] % plain == text
    except KeyError:
        return False


def _known(found: Mapping[str, Any]) -> Dict[str, Any]:
    """The facts that stand in the sentence, and no others."""
    code, facts = found["code"], found["facts"]
    made = {name: facts[name] for name in _HOLE.findall(SENTENCES[code])}
    inner = {name: {"text": each["text"], **_known(each)} for name, each in made.items() if isinstance(each, dict)}
    return {"code": code, "facts": {**made, **inner}}


def _said_by(found: Mapping[str, Any]) -> Said:
    facts = found["facts"].items()
    return said(found["code"], **{name: _said_by(each) if isinstance(each, dict) else each for name, each in facts})


def _texts(report: Mapping[str, Any]) -> Iterator[Any]:
    yield from (report.get(each) for each in ("message", "text", "why"))
    for each in ("warnings", "unused"):
        yield from report.get(each) or ()
    yield (report.get("progress") or {}).get("text")
