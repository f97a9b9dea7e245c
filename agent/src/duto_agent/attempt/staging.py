"""Lays out an attempt's directory: the snapshot, the inputs, the places of the outputs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import structs

from duto.spec import distribution, step_variables, trees
from duto.spec.filenames import spelled, unescaped_path
from duto.spec.kinds import KINDS
from duto.spec.links import LINK_KINDS
from duto.spec.sentences import Said, said
from duto.spec.step_variables import Surroundings
from duto_agent.attempt import bindings, drivers
from duto_agent.attempt.bindings import Bound
from duto_agent.disk_space import require_space
from duto_agent.environments.builder import FONT_FOLDER
from duto_agent.files import read_json, remove_tree, write_json
from duto_agent.launchers.arguments import parse_arguments
from duto_agent.launchers.base import AttemptKey, Bind, Launch, Reservation
from duto_agent.launchers.ownership import HELD
from duto_agent.launchers.shim_state import ranks_folder
from duto_agent.mounts.supervision import Mounts, NotMounted
from duto_agent.paths import BadPath, Inside, inside, plain_name
from duto_agent.shim import ranks
from duto_agent.studio.transfers import DataMissing, Transfers, at_once, copy, nothing
from duto_protocol.messages import (
    ContainerSpec,
    DistributionSpec,
    InputFile,
    InputSpec,
    LaunchSpec,
    Meetings,
    MemberSpec,
    OutputSpec,
    SnapshotFile,
)
from duto_protocol.meters import Meter

FOLDERS = ("work", "inputs", "outputs", "tmp", "tmp/home")
# What is mounted of stores that lie elsewhere: links to what this host has of them. No script may write in this folder.
STAGED = "staged.json"
# Of a command: bash where the step has one, since most command lines are written for it.
SHELL = (
    "/bin/sh",
    "-c",
    'command -v bash >/dev/null && exec bash -c -- "$1" command; exec /bin/sh -c -- "$1" command',
    "sh",
)


def stage(
    directory: Path,
    spec: LaunchSpec,
    transfers: Transfers,
    check: Callable[[], None] = nothing,
    mounts: Mounts | None = None,
    meter: Meter | None = None,
) -> Bound:
    """Everything but the environment. May be repeated after a crash: it then starts afresh, and so it does where it is given
    `mounts`, and those of before are dead. `check` may raise between pieces, `meter` counts the bytes of inputs that come over a
    network.

    Raises DiskFull, DataMissing, StoreAway, StoreRefused, BadPath, Away, OSError.
    """
    known = read_json(directory / STAGED, own=True)
    if known is not None:
        bound = Bound(**known)
        if not bound.mounted or mounts is None or mounts.is_alive(directory):
            return bound
        (directory / STAGED).unlink()
    with require_space(said("step_files"), directory):
        return _stage(directory, spec, transfers, check, mounts, meter or Meter())


def _stage(
    directory: Path,
    spec: LaunchSpec,
    transfers: Transfers,
    check: Callable[[], None],
    mounts: Mounts | None,
    meter: Meter,
) -> Bound:
    for name in (*FOLDERS, HELD):
        if "/" not in name:
            remove_tree(directory / name)
        (directory / name).mkdir(parents=True)
    work, bound = directory / "work", Bound()
    for file in spec.snapshot.files:
        _snapshot_file(work, file, transfers)
    for name in ("outputs", "logs"):
        (work / name).mkdir(exist_ok=True)
    far = [source for source in spec.inputs if _is_far(source)]
    why = _mount_far(directory, far, mounts, bound) if far else None
    come = [each for given in spec.inputs if given.name not in bound.mounted for each in _far_files(given, transfers)]
    if come:
        meter.expect(len(come), sum(file.size or 0 for file in come))
    for source in spec.inputs:
        _input(directory, source, transfers, bound, check, meter, why)
    for output in spec.outputs:
        _output(directory, output, bound)
    (directory / "spool.jsonl").touch()
    drivers.bring(directory, spec, bound, transfers)
    bound.warnings += drivers.warnings(spec)
    write_json(directory / STAGED, vars(bound))
    return bound


def _far_files(given: InputSpec, transfers: Transfers) -> list[InputFile]:
    """Those that come over a network."""
    if given.mode == "direct" or transfers.store.path(given.direct) is not None:
        return []
    return [file for file in given.files if transfers.store.path(file.direct) is None]


def _snapshot_file(work: Path, file: SnapshotFile, transfers: Transfers) -> None:
    target = inside(work, file.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    transfers.bring(file, target, exact=True)
    if file.executable:
        target.chmod(0o755)


def _place(directory: Path, given: InputSpec | OutputSpec, kind: str, bound: Bound) -> Path:
    """Where it lies: in the attempt's own folder, or where the program wants it below its working directory."""
    wanted = given.path_on_compute
    usual = directory / kind / plain_name(given.name)
    if not wanted:
        return usual
    if wanted.startswith("/"):
        bound.warnings.append(said("path_not_kept", name=given.name, path=wanted))
        return usual
    return inside(directory / "work", wanted)


def _is_far(given: InputSpec) -> bool:
    """Whether it is to be mounted and lies on a store of its own."""
    return (
        given.mode == "mount" and bool(given.files) and not (given.direct or any(each.direct for each in given.files))
    )


def _mount_far(directory: Path, far: list[InputSpec], mounts: Mounts | None, bound: Bound) -> Said | None:
    """Mount them, or say why they are brought to this host instead."""
    if mounts is None:
        return None
    # By the tag a change is seen, and by the size where a file ends.
    if not all(file.tag and file.size is not None and file.get for given in far for file in given.files):
        return said("mount_unversioned")
    try:
        mounts.start(directory, far)
    except NotMounted as error:
        return error.message
    bound.mounted = {given.name: str(mounts.folder(directory, given.name)) for given in far}
    bound.roots += bound.mounted.values()
    return None


def _shown(place: Path, given: InputSpec, root: Path) -> Path:
    """Where the script finds a mount: at its own path, since some programs look into no folder that a link leads to. Where the
    program chose a path, that is a link."""
    # No question is put to the mount: the names in it were looked at when it was made.
    source = root / unescaped_path(given.files[0].path) if given.is_file and len(given.files) == 1 else root
    return source if _is_usual(given) else _linked(place, source)


def _is_usual(given: InputSpec) -> bool:
    """Whether the program leaves it to the host where it lies."""
    return not given.path_on_compute or given.path_on_compute.startswith("/")


def _linked(place: Path, source: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(source)
    return place


def _input(
    directory: Path,
    given: InputSpec,
    transfers: Transfers,
    bound: Bound,
    check: Callable[[], None],
    meter: Meter,
    why: Said | None = None,
) -> None:
    """`why` it is brought to this host where it is to be mounted and lies elsewhere."""
    name, mode, files = given.name, given.mode, given.files
    bound.modes[name] = mode
    if mode == "direct":
        bound.inputs[name] = given.dataset or ""
        return
    place = _place(directory, given, "inputs", bound)
    if given.is_file and given.file_name:  # a file keeps its name: scripts look at its end
        place = inside(place, given.file_name)
    if name in bound.mounted:
        bound.inputs[name] = str(_shown(place, given, Path(bound.mounted[name])))
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    root = transfers.store.path(given.direct)
    if root is not None and not root.exists():
        root = None
    if root is None and not files and given.direct:
        raise DataMissing(said("input_gone", name=name))
    if not files and not given.direct:
        bound.warnings.append(said("nothing_mounted", name=name))
    if mode == "mount" and root is not None:
        _mount(place, root, files, given.is_file, transfers, bound)
    else:
        is_held = mode == "mount" and not any(transfers.own(file) for file in files)
        if is_held:
            place = _hold(directory, place, given, transfers, check, meter)
        else:
            _download(place, root, files, given.is_file, transfers, check, meter)
            if mode == "mount":
                _close(place)
        if given.source:
            transfers.note_input(given.source, _far_files(given, transfers))
        if _is_far(given):
            copied = said("mounted_as_copy", name=name)
            bound.warnings.append(said("two", first=copied, second=why) if why else copied)
    bound.inputs[name] = str(place)


def _hold(
    directory: Path, place: Path, given: InputSpec, transfers: Transfers, check: Callable[[], None], meter: Meter
) -> Path:
    """Files in the place of a mount, in a folder that no sandbox lets a script change: links to what this host keeps of them."""
    own = directory / HELD / plain_name(given.name)
    if given.is_file and given.file_name:
        own = inside(own, given.file_name)
    own.parent.mkdir(parents=True, exist_ok=True)
    _download(own, None, given.files, given.is_file, transfers, check, meter, is_held=True)
    _close(own)
    return own if _is_usual(given) else _linked(place, own)


def _mount(place: Path, root: Path, files: list[InputFile], is_file: bool, transfers: Transfers, bound: Bound) -> None:
    """A folder of links: no byte is copied, and what a script adds or deletes here never reaches the store.

    What it writes *through* a link would, as long as the same user runs both: a
    launcher with sandbox shows where the links lead by read-only binds.
    """
    bound.roots.append(str(root))
    if is_file or root.is_file():
        place.symlink_to(root)
        return
    if not files:
        place.symlink_to(root, target_is_directory=True)
        return
    place.mkdir()
    for file in files:
        target = inside(place, file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        own = transfers.store.path(file.direct)
        source = own if own is not None and own.is_file() else inside(root, file.path)
        if not source.is_relative_to(root):
            bound.roots.append(str(source))
        if not source.is_file():
            raise DataMissing(said("left_store", path=file.path))
        target.symlink_to(source)
    _close(place)


def _close(place: Path) -> None:
    """What is mounted is read-only, a copy that takes its place, too."""
    if place.is_file():
        place.chmod(0o444)
        return
    for folder, entries in reversed(list(trees.walk(place))):
        for each in entries:
            if each.is_file(follow_symlinks=False) and each.stat().st_mode & 0o777 != 0o444:
                Path(each.path).chmod(0o444)
        (place / folder).chmod(0o555)


def _download(
    place: Path,
    root: Path | None,
    files: list[InputFile],
    is_file: bool,
    transfers: Transfers,
    check: Callable[[], None],
    meter: Meter,
    *,
    is_held: bool = False,
) -> None:
    """Copies, or where it `is_held` for a mount and comes over a network, links to what this host keeps."""
    if root is not None and not files:
        _copy_all(root, place)
        return
    targets = [(files[0], place)] if is_file and len(files) == 1 else _laid_out(place, files)
    far: list[tuple[InputFile, Path]] = []
    for file, target in targets:
        local = _local(file, root)
        if transfers.own(file, local) is not None:
            transfers.bring(file, target, local=local, check=check)
        elif not (is_held and transfers.hold_known(file, target, check, meter)):
            far.append((file, target))
    if len(targets) > 1:
        transfers.announce([file for file, _target in far])
    bring = transfers.hold if is_held else transfers.bring
    at_once([partial(bring, file, target, check=check, meter=meter) for file, target in far])


def _laid_out(place: Path, files: list[InputFile]) -> list[tuple[InputFile, Path]]:
    """Each file with its place, whose folder is there."""
    place.mkdir()
    where = Inside(place)
    found = [(file, where.path(file.path)) for file in files]
    for folder in dict.fromkeys(target.parent for _file, target in found):
        folder.mkdir(parents=True, exist_ok=True)
    return found


def _copy_all(root: Path, place: Path) -> None:
    """A file or a folder, with what its links lead to."""
    if root.is_file():
        copy(root, place, root.name)
        return
    pending, entered = [Path()], set()
    while pending:
        below = pending.pop()
        facts = (root / below).stat()
        (place / below).mkdir(exist_ok=True)
        if (facts.st_dev, facts.st_ino) in entered:  # a link that leads back
            continue
        entered.add((facts.st_dev, facts.st_ino))
        for each in sorted((root / below).iterdir()):
            if each.is_dir():
                pending.append(below / each.name)
            elif each.is_file():
                copy(each, place / below / each.name, spelled((below / each.name).as_posix()))


def _local(file: InputFile, root: Path | None) -> Path | None:
    """Where a file of a folder lies that is on this disk: it is copied from there instead of fetched."""
    if root is None or file.direct:
        return None
    return root if root.is_file() else inside(root, file.path)


def _output(directory: Path, given: OutputSpec, bound: Bound) -> None:
    """A `PipelineData` must not exist yet unless it is a folder by declaration; a dataset output's folder must."""
    name = given.name
    place = _place(directory, given, "outputs", bound)
    place.parent.mkdir(parents=True, exist_ok=True)
    if given.kind == "file_dataset":
        place.mkdir(exist_ok=True)
        bound.file_outputs.append(name)
    elif given.kind in LINK_KINDS:
        bound.links[name] = LINK_KINDS[given.kind]
    elif given.is_directory:
        place.mkdir(exist_ok=True)
    bound.outputs[name] = str(place)


def launch_of(
    key: AttemptKey,
    directory: Path,
    spec: LaunchSpec,
    bound: Bound,
    python: str,
    sdk: Path,
    studio: str,
    image: str = "",
    library: Path | None = None,
    meetings: Meetings | None = None,
) -> Launch:
    """The command, its variables and its limits."""
    container = spec.container if image else ContainerSpec()
    options, variables = parse_arguments(container.arguments)
    argv = _argv(directory / "work", spec, bound, python)
    if spec.distribution is not None:
        argv = started_together(directory, spec, spec.distribution, argv, python, meetings)
    data = bindings.variables(spec.params, bound)
    own = {name: str(value) for name, value in spec.environment.variables.items()}
    around = _surroundings(directory, spec, python, sdk, studio, library)
    shown = [str(sdk), *([str(library)] if library is not None else []), *bound.roots]
    return Launch(
        key=key,
        argv=argv,
        python=python,
        cwd=directory / "work",
        env=variables | drivers.variables(directory, spec) | step_variables.of_step(spec.variables, data, own, around),
        grace_seconds=float(spec.grace_seconds),
        timeout_seconds=spec.timeout_seconds,
        log_cap=spec.log_cap,
        masks=tuple(spec.masks),
        ranks=ranks_of(spec),
        reserved=reservation(spec),
        binds=tuple(Bind(Path(root), Path(root)) for root in dict.fromkeys(shown)),
        image=image,
        group=spec.root,
        network=spec.network,
        options=options | container.options,
    )


def _argv(work: Path, spec: LaunchSpec, bound: Bound, python: str) -> tuple[str, ...]:
    kind = KINDS.get(spec.kind)
    if kind is None:
        raise BadPath(said("unknown_kind", kind=spec.kind))
    if kind.is_shell:
        return *SHELL, bindings.command(spec.arguments, bound, spec.params)
    if kind.has_script and not inside(work, spec.script).is_file():
        raise BadPath(said("no_script", name=spec.script))
    if kind.runs_its_script:  # a folder of another system says of no file that it may be started
        inside(work, spec.script).chmod(0o755)
    start = kind.starting(python, unescaped_path(spec.script), spec.settings)
    return *start, *bindings.arguments(spec.arguments, bound, spec.params)


def ranks_of(spec: LaunchSpec) -> tuple[int, ...]:
    """The ranks that the step has on this node; none where its script runs once."""
    member = spec.member or MemberSpec()
    return tuple(distribution.ranks_on(spec.distribution, member.count, member.rank)) if spec.distribution else ()


def started_together(
    directory: Path,
    spec: LaunchSpec,
    spread: DistributionSpec,
    argv: tuple[str, ...],
    python: str,
    meetings: Meetings | None = None,
) -> tuple[str, ...]:
    """The program that starts the ranks, each with this command. It lies in the attempt, where every sandbox shows it."""
    folder = ranks_folder(directory)
    remove_tree(folder)
    folder.mkdir()
    program = folder / "ranks.py"
    shutil.copyfile(ranks.__file__, program)
    kind = KINDS[spec.kind]
    own = len(argv) if kind.is_shell else len(kind.start)  # words that are no arguments of the script
    plan = {"cwd": str(directory / "work"), "argv": argv, "own": own, "grace_seconds": spec.grace_seconds}
    write_json(folder / ranks.PLAN, plan | structs.asdict(spread) | _nodes(spec, spread, meetings))
    return python, "-I", "-S", str(program), str(folder)


def _nodes(spec: LaunchSpec, spread: DistributionSpec, meetings: Meetings | None) -> dict[str, Any]:
    """What a plan says of ranks on several nodes: which are here, and where all of them are. Of its ports each member has one
    for each of its ranks, one at which it is met, and one for who starts them."""
    if spec.member is None or meetings is None:
        return {}
    nodes = spec.member.count
    there = [distribution.ranks_on(spread, nodes, node) for node in range(nodes)]
    addresses = {
        rank: f"{each.address}:{port}"
        for each, mine in zip(meetings.members, there, strict=True)
        for rank, port in zip(mine, each.ports, strict=False)
    }
    met, starters = ([f"{each.address}:{each.ports[place]}" for each in meetings.members] for place in (-2, -1))
    return {
        "node": spec.member.rank,
        "numbers": there,
        "workers": distribution.workers_of(spread, nodes),
        "addresses": [*(addresses[rank] for rank in sorted(addresses)), met[0]],
        "starters": starters,
        "secret": meetings.secret,
    }


def reservation(spec: LaunchSpec) -> Reservation:
    """What the step's node holds of this host; nothing known is no limit."""
    limits = spec.limits
    return Reservation(limits.cores or None, limits.memory or None, tuple(limits.gpus or ()))


def _surroundings(
    directory: Path, spec: LaunchSpec, python: str, sdk: Path, studio: str, library: Path | None
) -> Surroundings:
    fonts = Path(python).parent.parent / FONT_FOLDER
    has_fonts = "/" in python and fonts.is_dir()
    return Surroundings(
        home=str(directory / "tmp/home"),
        temporary=str(directory / "tmp"),
        tracking=(directory / "tmp/mlflow").as_uri(),
        spool=str(directory / "spool.jsonl"),
        masks=str(directory / "tmp/masks"),
        studio_file=str(directory / "studio.json"),
        # A script in a sub-folder imports from the snapshot's root, too.
        python_path=(str(sdk), str(directory / "work")),
        bin_folder=str(Path(python).parent) if "/" in python else None,
        cores=max(1, int(spec.limits.cores or os.cpu_count() or 1) // max(1, len(ranks_of(spec)))),
        studio=studio,
        token=spec.token,
        r_library=None if library is None else str(library),
        fonts=str(_own_fonts(fonts, directory / "tmp/matplotlib")) if has_fonts else None,
    )


def _own_fonts(source: Path, target: Path) -> Path:
    """The environment is read-only and matplotlib wants to write beside its font list: a copy of some kilobytes."""
    if not target.exists():
        target.mkdir(parents=True)
        for file in source.iterdir():
            if file.is_file():
                shutil.copyfile(file, target / file.name)
    return target
