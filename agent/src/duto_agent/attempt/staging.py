"""Lays out an attempt's directory: the snapshot, the inputs, the places of the outputs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from duto.spec import trees
from duto.spec.filenames import spelled, unspelled
from duto.spec.sentences import said
from duto_agent.attempt import bindings
from duto_agent.attempt.bindings import Bound
from duto_agent.disk_space import require_space
from duto_agent.environments.builder import FONT_FOLDER
from duto_agent.files import read_json, remove_tree, write_json
from duto_agent.launchers.arguments import understood
from duto_agent.launchers.base import AttemptKey, Bind, Launch, Reservation
from duto_agent.paths import BadPath, inside, plain_name
from duto_agent.studio.transfers import DataMissing, Transfers, copy

FOLDERS = ("work", "inputs", "outputs", "tmp", "tmp/home")
STAGED = "staged.json"
NETWORK = "open"  # of a step of which the studio says nothing


def stage(directory: Path, spec: Mapping[str, Any], transfers: Transfers) -> Bound:
    """Everything but the environment. May be repeated after a crash: it then starts afresh.

    Raises DiskFull, DataMissing, BadPath, Away, OSError.
    """
    known = read_json(directory / STAGED, own=True)
    if known is not None:
        return Bound(**known)
    with require_space(said("step_files"), directory):
        return _stage(directory, spec, transfers)


def _stage(directory: Path, spec: Mapping[str, Any], transfers: Transfers) -> Bound:
    for name in FOLDERS:
        if "/" not in name:
            remove_tree(directory / name)
        (directory / name).mkdir(parents=True)
    work, bound = directory / "work", Bound()
    for file in (spec.get("snapshot") or {}).get("files") or ():
        _snapshot_file(work, file, transfers)
    for name in ("outputs", "logs"):
        (work / name).mkdir(exist_ok=True)
    for given in spec.get("inputs") or ():
        _input(directory, given, transfers, bound)
    for given in spec.get("outputs") or ():
        _output(directory, given, bound)
    (directory / "spool.jsonl").touch()
    write_json(directory / STAGED, vars(bound))
    return bound


def _snapshot_file(work: Path, file: Mapping[str, Any], transfers: Transfers) -> None:
    target = inside(work, str(file["path"]))
    target.parent.mkdir(parents=True, exist_ok=True)
    transfers.bring(file, target, exact=True)
    if file.get("executable"):
        target.chmod(0o755)


def _place(directory: Path, given: Mapping[str, Any], kind: str, bound: Bound) -> Path:
    """Where it lies: in the attempt's own folder, or where the program wants it below its working directory."""
    wanted = given.get("path_on_compute")
    usual = directory / kind / plain_name(str(given["name"]))
    if not wanted:
        return usual
    if str(wanted).startswith("/"):
        bound.warnings.append(said("path_not_kept", name=given["name"], path=wanted))
        return usual
    return inside(directory / "work", str(wanted))


def _input(directory: Path, given: Mapping[str, Any], transfers: Transfers, bound: Bound) -> None:
    name, mode = str(given["name"]), str(given.get("mode") or "mount")
    bound.modes[name] = mode
    if mode == "direct":
        bound.inputs[name] = str(given.get("dataset") or "")
        return
    place = _place(directory, given, "inputs", bound)
    if given.get("is_file") and given.get("file_name"):  # a file keeps its name: scripts look at its end
        place = inside(place, str(given["file_name"]))
    place.parent.mkdir(parents=True, exist_ok=True)
    root = transfers.store.path(given.get("direct"))
    files = list(given.get("files") or ())
    if root is not None and not root.exists():
        root = None
    if root is None and not files and given.get("direct"):
        raise DataMissing(said("input_gone", name=name))
    if not files and not given.get("direct"):
        bound.warnings.append(said("nothing_mounted", name=name))
    if mode == "mount" and root is not None:
        _mount(place, root, files, bool(given.get("is_file")), transfers, bound)
    else:
        _download(place, root, files, bool(given.get("is_file")), transfers)
        if mode == "mount":
            _close(place)
    bound.inputs[name] = str(place)


def _mount(place: Path, root: Path, files: list[Any], is_file: bool, transfers: Transfers, bound: Bound) -> None:
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
        target = inside(place, str(file["path"]))
        target.parent.mkdir(parents=True, exist_ok=True)
        own = transfers.store.path(file.get("direct"))
        source = own if own is not None and own.is_file() else inside(root, str(file["path"]))
        if not source.is_relative_to(root):
            bound.roots.append(str(source))
        if not source.is_file():
            raise DataMissing(said("left_store", path=file["path"]))
        target.symlink_to(source)
    _close(place)


def _close(place: Path) -> None:
    """What is mounted is read-only, a copy that takes its place, too."""
    if place.is_file():
        place.chmod(0o444)
        return
    for folder, entries in reversed(list(trees.walk(place))):
        for each in entries:
            if each.is_file(follow_symlinks=False):
                Path(each.path).chmod(0o444)
        (place / folder).chmod(0o555)


def _download(place: Path, root: Path | None, files: list[Any], is_file: bool, transfers: Transfers) -> None:
    if root is not None and not files:
        _copy_all(root, place)
        return
    if is_file and len(files) == 1:
        transfers.bring(_with_direct(files[0], root), place)
        return
    place.mkdir()
    for file in files:
        target = inside(place, str(file["path"]))
        target.parent.mkdir(parents=True, exist_ok=True)
        transfers.bring(_with_direct(file, root), target)


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


def _with_direct(file: Mapping[str, Any], root: Path | None) -> Mapping[str, Any]:
    """A file of a folder that lies on this disk is copied from there instead of fetched."""
    if root is None or file.get("direct"):
        return file
    source = root if root.is_file() else inside(root, str(file["path"]))
    return {**file, "local": str(source)}


def _output(directory: Path, given: Mapping[str, Any], bound: Bound) -> None:
    """A `PipelineData` must not exist yet unless it is a folder by declaration; a dataset output's folder must."""
    name = str(given["name"])
    place = _place(directory, given, "outputs", bound)
    place.parent.mkdir(parents=True, exist_ok=True)
    if given.get("kind") == "file_dataset":
        place.mkdir(exist_ok=True)
        bound.file_outputs.append(name)
    elif given.get("is_directory"):
        place.mkdir(exist_ok=True)
    bound.outputs[name] = str(place)


def launch_of(
    key: AttemptKey,
    directory: Path,
    spec: Mapping[str, Any],
    bound: Bound,
    python: str,
    sdk: Path,
    studio: str,
    image: str = "",
) -> Launch:
    """The command, its variables and its limits."""
    script = str(spec["script"])
    if not inside(directory / "work", script).is_file():
        raise BadPath(said("no_script", name=script))
    container = (spec.get("container") or {}) if image else {}
    options, variables = understood(container.get("arguments") or ())
    given = bindings.arguments(list(spec.get("arguments") or ()), bound, spec.get("params") or {})
    return Launch(
        key=key,
        argv=(python, unspelled(script), *given),
        cwd=directory / "work",
        env=variables | _variables(key, directory, spec, bound, python, sdk) | _access(spec, studio),
        grace_seconds=float(spec.get("grace_seconds") or 10),
        timeout_seconds=spec.get("timeout_seconds"),
        log_cap=int(spec.get("log_cap") or 1 << 30),
        reserved=reservation(spec),
        binds=tuple(Bind(Path(root), Path(root)) for root in (str(sdk), *dict.fromkeys(bound.roots))),
        image=image,
        group=str(spec.get("root") or ""),
        network=str(spec.get("network") or NETWORK),
        options=options | dict(container.get("options") or {}),
    )


def reservation(spec: Mapping[str, Any]) -> Reservation:
    """What the step's node holds of this host; nothing known is no limit."""
    limits = spec.get("limits") or {}
    return Reservation(limits.get("cores"), limits.get("memory"), tuple(map(str, limits.get("gpus") or ())))


def _variables(
    key: AttemptKey, directory: Path, spec: Mapping[str, Any], bound: Bound, python: str, sdk: Path
) -> dict[str, str]:
    environment = spec.get("environment") or {}
    own = {str(name): str(value) for name, value in (environment.get("variables") or {}).items()}
    folders = {"HOME": str(directory / "tmp/home"), "TMPDIR": str(directory / "tmp")}
    # Every version of MLflow then works, also without a database's driver, and says whereto it logs (duto.run.mlflow_notice).
    folders |= {"MLFLOW_TRACKING_URI": (directory / "tmp/mlflow").as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
    fonts = Path(python).parent.parent / FONT_FOLDER
    if "/" in python and fonts.is_dir():
        folders["MPLCONFIGDIR"] = str(_own_fonts(fonts, directory / "tmp/matplotlib"))
    # A script in a sub-folder imports from the snapshot's root, too.
    path = ":".join(part for part in (str(sdk), str(directory / "work"), own.pop("PYTHONPATH", "")) if part)
    cores = (spec.get("limits") or {}).get("cores")
    given = {str(name): str(value) for name, value in (spec.get("variables") or {}).items() if value is not None}
    return {
        **bindings.base_variables(
            folders, str(Path(python).parent) if "/" in python else None, max(1, int(cores)) if cores else None
        ),
        **own,
        "DUTO_ATTEMPT": key.attempt,
        **given,
        **bindings.variables(spec, bound),
        "DUTO_SPOOL": str(directory / "spool.jsonl"),
        "DUTO_STUDIO_FILE": str(directory / "studio.json"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": path,
    }


def _access(spec: Mapping[str, Any], studio: str) -> dict[str, str]:
    """How the script reaches the studio by itself."""
    token = spec.get("token")
    return {"AZUREML_SERVICE_ENDPOINT": studio} | ({"AZUREML_RUN_TOKEN": str(token)} if token else {})


def _own_fonts(source: Path, target: Path) -> Path:
    """The environment is read-only and matplotlib wants to write beside its font list: a copy of some kilobytes."""
    if not target.exists():
        target.mkdir(parents=True)
        for file in source.iterdir():
            if file.is_file():
                shutil.copyfile(file, target / file.name)
    return target
