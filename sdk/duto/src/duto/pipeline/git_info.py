"""Where source comes from: the seven git properties of Azure ML, and the difference of a dirty tree.

dulwich reads the repository where it is installed, else a git program does; without both, branch, commit and
address are read from the repository's files, and whether the tree is dirty stays unknown.
"""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path
from typing import Dict, Optional, Tuple

_LIMIT = 1 << 20


def describe(folder: Path) -> Tuple[Dict[str, str], str]:
    """The properties of the repository around a folder, none outside one, and the tree's difference from
    HEAD."""
    top = find_repository(folder)
    if top is None:
        return {}, ""
    address, branch, commit = _address(top), *_head(top)
    dirty, difference = _difference(top, folder)
    found = {
        "azureml.git.repository_uri": address,
        "mlflow.source.git.repoURL": address,
        "azureml.git.branch": branch,
        "mlflow.source.git.branch": branch,
        "azureml.git.commit": commit,
        "mlflow.source.git.commit": commit,
        "azureml.git.dirty": None if dirty is None else str(dirty),
    }
    return {key: value for key, value in found.items() if value}, difference[:_LIMIT]


def find_repository(folder: Path) -> Optional[Path]:
    """The work tree that holds a folder."""
    here = folder.resolve()
    return next((each for each in (here, *here.parents) if (each / ".git").exists()), None)


def without_password(address: str) -> str:
    """An address without the user and password that it may carry."""
    return re.sub(r"^(\w+://)[^/@]*@", r"\1", address)


def _git_folders(top: Path) -> Tuple[Path, Path]:
    """The folder of this work tree and the one that it shares with others."""
    git = top / ".git"
    if git.is_file():
        git = (top / git.read_text(encoding="utf-8").partition(":")[2].strip()).resolve()
    common = git / "commondir"
    shared = (git / common.read_text(encoding="utf-8").strip()).resolve() if common.is_file() else git
    return git, shared


def _head(top: Path) -> Tuple[Optional[str], Optional[str]]:
    git, shared = _git_folders(top)
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
    except OSError:
        return None, None
    if not head.startswith("ref:"):
        return None, head
    name = head.partition(":")[2].strip()
    return name[len("refs/heads/") :] if name.startswith("refs/heads/") else name, _commit(git, shared, name)


def _commit(git: Path, shared: Path, name: str) -> Optional[str]:
    for folder in (git, shared):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8").strip()
    packed = shared / "packed-refs"
    if packed.is_file():
        for line in packed.read_text(encoding="utf-8").splitlines():
            if line.endswith(" " + name):
                return line.split(" ")[0]
    return None


def _address(top: Path) -> Optional[str]:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        text = (_git_folders(top)[1] / "config").read_text(encoding="utf-8")
        # git indents the keys, which the parser would take for the end of the line before.
        parser.read_string("\n".join(line.strip() for line in text.splitlines()))
    except (OSError, configparser.Error):
        return None
    remotes = [section for section in parser.sections() if section.startswith('remote "')]
    remotes.sort(key=lambda section: section != 'remote "origin"')
    return without_password(parser.get(remotes[0], "url", fallback="")) or None if remotes else None


def _difference(top: Path, folder: Path) -> Tuple[Optional[bool], str]:
    try:
        return _by_dulwich(top)
    except Exception:  # dulwich may be absent, or not know this repository's format
        return _by_program(folder)


def _by_dulwich(top: Path) -> Tuple[bool, str]:
    import io

    from dulwich import porcelain

    status = porcelain.status(str(top), untracked_files="normal")
    dirty = bool(status.unstaged or status.untracked or any(status.staged.values()))
    stream = io.BytesIO()
    if dirty:
        porcelain.diff(str(top), outstream=stream)
    return dirty, stream.getvalue().decode("utf-8", "replace")


def _by_program(folder: Path) -> Tuple[Optional[bool], str]:
    def run(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, timeout=20, check=True)
        return done.stdout.decode("utf-8", "replace")

    try:
        dirty = bool(run("status", "--porcelain", "."))
        return dirty, run("diff", "HEAD", "--", ".") if dirty else ""
    except (OSError, subprocess.SubprocessError):
        return None, ""
