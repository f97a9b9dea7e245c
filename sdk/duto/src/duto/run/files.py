"""The files of a run: artifacts in and out, and its log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from duto.client.http import path_of, segment
from duto.client.local_files import each_of, files_below, local_file, place_of, text_of
from duto.exceptions import NotFoundException, UserErrorException
from duto.not_built import passed_over
from duto.spec.units import counted

LOG_NAME = "user_logs/std_log.txt"
LOG_OF_RANK = "user_logs/std_log_process_{}.txt"
_OWN_STORE = "files of a run are kept with the run."
_WINDOW = 1 << 20


class RunFiles:
    """The file half of a run."""

    id: str
    _workspace: Any

    def upload_file(
        self, name: str, path_or_stream: Union[str, IO[bytes]], datastore_name: Optional[str] = None
    ) -> None:
        """Keep a file with the run, at once.

        Args:
            name: path of the artifact, such as `outputs/model.pkl`.
            path_or_stream: a file of this machine, or a stream, which is read to its end.
            datastore_name: passed over with a warning: files of a run are kept with the run.

        Raises:
            UserErrorException: there is no such file, or the name is none of a file.
            ConflictException: the run has an artifact of this name with other bytes.
        """
        passed_over("Run.upload_file", _OWN_STORE, datastore_name=datastore_name)
        if hasattr(path_or_stream, "read"):
            data = path_or_stream.read()
            self._put_artifact(name, data if isinstance(data, bytes) else str(data).encode("utf-8"))
            return None
        self._workspace._client.upload(self._artifact(name), local_file(path_or_stream))
        return None

    def upload_files(
        self,
        names: Sequence[str],
        paths: Sequence[str],
        return_artifacts: bool = False,
        timeout_seconds: object = None,
        datastore_name: Optional[str] = None,
    ) -> None:
        """Keep several files with the run.

        Args:
            names: paths of the artifacts.
            paths: files of this machine, one for each.
            return_artifacts: passed over with a warning: `get_file_names()` lists them.
            timeout_seconds: taken and not used.
            datastore_name: passed over with a warning: files of a run are kept with the run.

        Raises:
            UserErrorException: the lists are not of one length, or some files could not be kept: it names them when
                all others have been.
        """
        passed_over("Run.upload_files", _OWN_STORE, datastore_name=datastore_name)
        passed_over("Run.upload_files", "get_file_names() lists them.", return_artifacts=return_artifacts)
        if len(names) != len(paths):
            raise UserErrorException("upload_files takes as many names as paths.")
        each_of(zip(names, paths), lambda pair: self.upload_file(*pair), lambda pair: str(pair[1]))
        return None

    def upload_folder(self, name: str, path: str, datastore_name: Optional[str] = None) -> None:
        """Keep all files of a folder with the run.

        Args:
            name: folder of the artifacts.
            path: the folder on this machine.
            datastore_name: passed over with a warning: files of a run are kept with the run.

        Raises:
            UserErrorException: there is no such folder, or some files could not be kept: it names them when all
                others have been.
        """
        passed_over("Run.upload_folder", _OWN_STORE, datastore_name=datastore_name)
        root = Path(path)
        if not root.is_dir():
            raise UserErrorException(f"The folder '{path}' does not exist.")

        def keep(found: Tuple[str, Path]) -> None:
            self.upload_file(f"{name.rstrip('/')}/{found[0]}", str(found[1]))

        each_of(files_below(root), keep, lambda found: found[0])
        return None

    def get_file_names(self) -> List[str]:
        """The names of all artifacts, the log among them.

        Returns:
            Their paths.
        """
        return [str(item["path"]) for item in self._artifacts()]

    def download_file(
        self, name: str, output_file_path: Optional[str] = None, _validate_checksum: bool = False
    ) -> None:
        """Copy an artifact to a file, which is replaced.

        Args:
            name: path of the artifact.
            output_file_path: the file, or a folder for it; None for its last name in the current folder.

        Raises:
            UserErrorException: the run has no such artifact, or the name is none of a file.
        """
        last = name.rstrip("/").rsplit("/", 1)[-1]
        target = Path(output_file_path) if output_file_path else place_of(".", last)
        if target.is_dir() or (output_file_path or "").endswith(("/", os.sep)):
            target = place_of(target, last)
        try:
            self._workspace._client.download(self._artifact(name), target)
        except NotFoundException as error:
            raise UserErrorException(f"File with path '{name}' was not found in run {self.id}.") from error

    def download_files(
        self,
        prefix: Optional[str] = None,
        output_directory: Optional[str] = None,
        output_paths: Optional[List[str]] = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: object = None,
    ) -> None:
        """Copy artifacts to a folder; files that are there are replaced.

        Args:
            prefix: only those whose paths begin so; None for all.
            output_directory: the folder; None for the current one.
            output_paths: paths below it, one for each file; None for those of the artifacts.
            batch_size: taken and not used.
            append_prefix: keep the prefix in the paths here.
            timeout_seconds: taken and not used.

        Raises:
            UserErrorException: there are not as many paths as files, or some could not be copied: it names them when
                all others have been.
        """
        names = [name for name in self.get_file_names() if name.startswith(prefix or "")]
        if output_paths and len(output_paths) != len(names):
            raise UserErrorException(
                f"{counted(len(output_paths), 'path')} cannot name {counted(len(names), 'file')}: give one for each."
            )
        root = Path(output_directory or ".")
        wanted = dict(zip(names, output_paths)) if output_paths else {}

        def copy(name: str) -> None:
            short = name if append_prefix or not prefix else name[len(prefix) :].lstrip("/")
            target = root / wanted[name] if wanted else place_of(root, short or name.rsplit("/", 1)[-1])
            self._workspace._client.download(self._artifact(name), target)

        each_of(names, copy)

    def get_all_logs(self, destination: Optional[str] = None) -> List[str]:
        """Copy the logs to a folder.

        Args:
            destination: the folder; None for the current one.

        Returns:
            The paths of the copies.

        Raises:
            UserErrorException: some could not be copied: it names them when all others have been.
        """
        root = Path(destination or ".")
        names = [name for name in self.get_file_names() if name.startswith(("user_logs/", "logs/", "system_logs/"))]
        each_of(names, lambda name: self._workspace._client.download(self._artifact(name), place_of(root, name)))
        if LOG_NAME not in names:
            target = root / LOG_NAME
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self._log())
            names.append(LOG_NAME)
        return [str(place_of(root, name)) for name in names]

    def _log(self, offset: int = 0, rank: Optional[int] = None) -> bytes:
        """The log from an offset on, as far as it has come: of the step, or of one of its processes."""
        return b"".join(chunk for chunk, _offset, _attempt in self._log_windows(offset, rank=rank))

    def _log_windows(
        self, offset: int = 0, attempt: Optional[str] = None, rank: Optional[int] = None
    ) -> Iterator[Tuple[bytes, int, Optional[str]]]:
        """Pieces of the newest attempt's log: bytes, the offset behind them, the attempt's number.

        `offset` counts in the log of `attempt`; where there is another by now, its log comes from its beginning.
        """
        while True:
            try:
                query = {} if rank is None else {"rank": rank}
                data, headers = self._workspace._client.fetch(
                    self._place + "log/", offset=offset, limit=_WINDOW, **query
                )
            except NotFoundException:
                return  # no attempt has started, so there is no log
            found = headers.get("x-log-attempt")
            if attempt is not None and found is not None and found != attempt:
                attempt, offset = found, 0
                continue
            attempt = found
            if not data:
                return
            offset = int(headers.get("x-log-offset", offset)) + len(data)
            yield data, offset, attempt
            if offset >= int(headers.get("x-log-size", offset)):
                return

    def _artifacts(self, prefix: str = "") -> List[Dict[str, Any]]:
        return list(self._workspace._client.pages(self._place + "artifacts/", prefix=prefix or None))

    def _artifact(self, name: str) -> str:
        """The address of the artifact `name`. Raises `UserErrorException` for what names no file."""
        if not isinstance(name, str) or not name.strip("/"):
            raise UserErrorException(f"{name!r} names no file of a run; a name is such as 'outputs/model.pkl'.")
        if name.endswith("/"):
            raise UserErrorException(f"{name!r} names a folder: put the file's own name after it.")
        return f"{self._place}artifacts/{path_of(text_of(name.lstrip('/')))}"

    def _put_artifact(self, name: str, data: bytes) -> None:
        self._workspace._client.put(self._artifact(name), data)

    @property
    def _place(self) -> str:
        return str(self._workspace._path(f"runs/{segment(self.id)}/"))
