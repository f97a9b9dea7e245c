"""The words of the command line, and what a shell hears of the end (docs/sdk.md, *The command line*)."""

from __future__ import annotations

import argparse
import os
import sys
from typing import List, Optional, Sequence, Tuple

import duto
from duto.cli import access, commands
from duto.cli.debug import debug
from duto.cli.output import Output
from duto.exceptions import (
    AuthenticationException,
    AzureMLException,
    ForbiddenException,
    NotFoundException,
    StudioUnavailableException,
    WorkspaceException,
)
from duto.spec import status as statuses

REFUSED, USAGE, NOT_ALLOWED, NOT_FOUND, UNAVAILABLE, INTERRUPTED = 1, 2, 3, 4, 5, 130
# What is raised, or stands behind what is raised, from the particular to the general.
CODES = (
    ((AuthenticationException, ForbiddenException), NOT_ALLOWED),
    ((NotFoundException, WorkspaceException), NOT_FOUND),
    ((StudioUnavailableException,), UNAVAILABLE),
)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run one command.

    Args:
        arguments: the words behind `duto`; None for those of the process.

    Returns:
        The exit code.
    """
    options = parser().parse_args(arguments)
    output = Output(options.json)
    try:
        code: int = options.handler(options, output)
        sys.stdout.flush()
        return code
    except AzureMLException as error:
        sys.stderr.write(f"duto: {error}\n")
        return code_of(error)
    except BrokenPipeError:
        # Who reads the output has seen enough; the interpreter would complain of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except OSError as error:
        sys.stderr.write(f"duto: {error}\n")
        return REFUSED
    except KeyboardInterrupt:
        sys.stderr.write("duto: interrupted. What was started goes on.\n")
        return INTERRUPTED


def code_of(error: BaseException) -> int:
    """The exit code of an error: by its cause, where that says more."""
    causes: List[BaseException] = [each for each in (error.__cause__, error) if each is not None]
    for cause in causes:
        for classes, code in CODES:
            if isinstance(cause, classes):
                return code
    return REFUSED


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser(
        prog="duto", description="Speaks with a Duto studio.", epilog=f"Exit codes: {_exit_codes()}"
    )
    top.add_argument("--version", action="version", version=f"duto {duto.__version__}")
    output_options = argparse.ArgumentParser(add_help=False)
    output_options.add_argument("--json", action="store_true", help="print JSON, as the studio's REST has it")
    workspace_options = argparse.ArgumentParser(add_help=False, parents=[output_options])
    workspace_options.add_argument(
        "--studio", metavar="URL", help="the studio's address; else that of config.json or of the credentials"
    )
    workspace_options.add_argument(
        "-w", "--workspace", metavar="NAME", help="else that of config.json or of the credentials"
    )
    subparsers = top.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    subparsers.required = True
    _add_access(subparsers, output_options, workspace_options)
    _add_runs(subparsers, workspace_options)
    _add_debug(subparsers, workspace_options)
    _add_resources(subparsers, workspace_options)
    return top


def _add_access(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
    output_options: argparse.ArgumentParser,
    workspace_options: argparse.ArgumentParser,
) -> None:
    login = subparsers.add_parser("login", parents=[output_options], help="keep a token for a studio")
    login.add_argument("studio", metavar="URL", help="the studio's address, such as https://duto.example.org")
    login.add_argument("--token", help="a token of the page Settings; without it, it is asked for, or read from a pipe")
    login.add_argument("-w", "--workspace", metavar="NAME", help="needed where the token opens several")
    login.set_defaults(handler=access.login)
    config = subparsers.add_parser(
        "config", parents=[workspace_options], help="write config.json, by which programs find the workspace"
    )
    config.add_argument(
        "folder", nargs="?", default=".", help="it is written to .azureml/ in this folder (%(default)s)"
    )
    config.set_defaults(handler=access.config)


def _add_runs(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], workspace_options: argparse.ArgumentParser
) -> None:
    runs = subparsers.add_parser("runs", parents=[workspace_options], help="list runs, newest first")
    runs.add_argument("-e", "--experiment", metavar="NAME", help="of this experiment alone")
    runs.add_argument("-s", "--status", choices=statuses.STORED, metavar="STATUS", help=", ".join(statuses.STORED))
    runs.add_argument("-n", "--limit", type=_count, default=20, metavar="COUNT", help="at most so many (%(default)s)")
    runs.set_defaults(handler=commands.runs)
    run = subparsers.add_parser("run", parents=[workspace_options], help="show a run with its steps")
    run.add_argument("run", metavar="RUN", help="its id")
    run.add_argument(
        "--wait", action="store_true", help="until it is over, with its logs; the exit code says how it ended"
    )
    run.set_defaults(handler=commands.run)
    logs = subparsers.add_parser("logs", parents=[workspace_options], help="print the log of a run or of its steps")
    logs.add_argument("run", metavar="RUN", help="its id; also that of a step")
    logs.add_argument("step", nargs="?", metavar="STEP", help="the step of this name; without it, all of them")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the end")
    logs.set_defaults(handler=commands.logs)
    cancel = subparsers.add_parser("cancel", parents=[workspace_options], help="ask for a run to be stopped")
    cancel.add_argument("run", metavar="RUN", help="its id")
    cancel.set_defaults(handler=commands.cancel)


def _add_debug(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], workspace_options: argparse.ArgumentParser
) -> None:
    command = subparsers.add_parser(
        "debug",
        parents=[workspace_options],
        help="start a step of a run on this machine",
        description="Brings the code, the inputs, the environment and the variables of a step to a folder, and starts its "
        "script there. Called again it goes on: what is there is not brought again, and code that was changed stays.",
        epilog="The exit code is that of the script.",
    )
    command.add_argument("run", metavar="RUN", help="id of the run; also that of the step's own run")
    command.add_argument("step", nargs="?", metavar="STEP", help="the step of this name; needed for a pipeline's run")
    command.add_argument("-f", "--folder", metavar="FOLDER", help="where it is laid out; else debug-STEP-RUN here")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--prepare-only", "--no-start", action="store_true", help="lay the folder out, and start nothing")
    what.add_argument("--shell", action="store_true", help="start a shell in the step's environment, not its script")
    command.add_argument(
        "--no-environment", action="store_true", help="build none: start it with the Python that runs this command"
    )
    command.add_argument(
        "--overwrite", action="store_true", help="write into a folder that holds other files; bring the run's code back"
    )
    command.add_argument("-y", "--yes", action="store_true", help="bring inputs of more than 1 GiB")
    command.set_defaults(handler=debug)


def _add_resources(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], workspace_options: argparse.ArgumentParser
) -> None:
    started = argparse.ArgumentParser(add_help=False, parents=[workspace_options])
    started.add_argument("pipeline", metavar="PIPELINE", help="its id, or its name where one pipeline alone has it")
    started.add_argument(
        "-p", "--parameter", action="append", default=[], type=_parameter, metavar="NAME=VALUE", help="may be repeated"
    )
    started.add_argument("-e", "--experiment", metavar="NAME", default="", help="else the studio chooses")
    plan = subparsers.add_parser("plan", parents=[started], help="say what starting a published pipeline would do")
    plan.add_argument("--regenerate-outputs", action="store_true", help="as if every step were to run again")
    plan.set_defaults(handler=commands.plan)
    trigger = subparsers.add_parser("trigger", parents=[started], help="start a published pipeline")
    trigger.add_argument("--wait", action="store_true", help="as of run")
    trigger.set_defaults(handler=commands.trigger)
    datasets = subparsers.add_parser(
        "datasets", parents=[workspace_options], help="list datasets, or the versions of one"
    )
    datasets.add_argument("name", nargs="?", metavar="NAME")
    datasets.set_defaults(handler=commands.datasets)
    compute = subparsers.add_parser(
        "compute", parents=[workspace_options], help="list clusters, or show one with its nodes"
    )
    compute.add_argument("name", nargs="?", metavar="NAME")
    compute.set_defaults(handler=commands.compute)


def _parameter(text: str) -> Tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=VALUE")
    return name, value


def _count(text: str) -> int:
    try:
        found = int(text)
    except ValueError:
        found = 0
    if found < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count of runs")
    return found


def _exit_codes() -> str:
    return (
        f"0 done, {REFUSED} refused, {USAGE} wrong command line, {NOT_ALLOWED} no credentials or not allowed, "
        f"{NOT_FOUND} not there, {UNAVAILABLE} the studio does not answer, {commands.FAILED} the run that was waited for failed, "
        f"{commands.CANCELED} it was canceled, {INTERRUPTED} interrupted."
    )
