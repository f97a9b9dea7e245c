"""What `duto debug` needs to start a step elsewhere: what an agent gets of it, with addresses that people may read, and without a token."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _

from core.errors import Unprocessable
from core.storage import safe
from datasets import references
from datasets.models import DatasetVersion
from datasets.services import files as dataset_files
from datasets.services import versions as dataset_versions
from datasets.services.files import ResolvedFile
from datasets.stores import WEB
from duto.spec.graph import Input
from duto.spec.kinds import KINDS
from duto.spec.secrets import is_sealed, mark_of
from duto_protocol.reading import builtins_of
from runs.models import Output, Run, Snapshot, StepRun
from runs.queries.files import require_kept
from runs.queries.graphs import parsed
from runs.queries.runs import get_run
from runs.services.agent_reports.step_parts import StepParts
from runs.services.results.output_check import plain
from workspaces.models import Workspace

# A variable of such a name holds a secret, whoever set it: whole words of it, so that TOKENIZERS_PARALLELISM is none.
_SECRET = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|SECRETS|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|CREDENTIALS|SAS|CONNECTION_?STRING"
    r"|(?:API|ACCESS|ACCOUNT|PRIVATE|STORAGE|SUBSCRIPTION|SHARED)_?KEY|APIKEY|PAT)(?:_|$)",
    re.IGNORECASE,
)


def launch_document(workspace: Workspace, run: Run) -> dict[str, Any]:
    """The document of one step run; of a reused one that of the run that did the work.

    Raises Unprocessable for a run that is no step or that cannot run elsewhere, for code that is gone and for inputs that
    are not there; NotFound for data that is gone.
    """
    _require_step(run)
    source = get_run(workspace, run.step.reused_from_id) if run.step.reused_from_id else run
    root = get_run(workspace, source.root_id) if source.root_id and source.root_id != source.pk else source
    return _LaunchDocument(source, root, _marked(root.parameters)).document(None if source is run else run)


def _marked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of parameters, and for those that are secret the marks in whose places a person puts them."""
    return {name: mark_of(name) if is_sealed(value) else value for name, value in values.items()}


def is_possible(kind: str) -> bool:
    """Whether a step of this kind runs outside of a host of the studio."""
    return kind in KINDS and KINDS[kind].runs_elsewhere


def is_secret(name: str) -> bool:
    """Whether a variable of this name is taken for a secret."""
    return _SECRET.search(name) is not None


def _require_step(run: Run) -> None:
    if not hasattr(run, "step"):
        steps = StepRun.objects.filter(run__root=run.pk).order_by("run_id").values_list("name", flat=True)[:10]
        text = _("The run is no step. Name one of its steps: %(steps)s.")
        raise Unprocessable(text % {"steps": ", ".join(steps) or _("it has none")}, code="no_step")
    step = parsed(run.graph_id).steps[run.step.node_id]
    if step.kind == "sweep":
        text = _("The step '%(name)s' is a sweep, which starts trials. Name the id of one of its trials instead.")
        raise Unprocessable(text % {"name": step.name}, code="not_launchable")
    if not is_possible(step.kind):
        text = _("The step '%(name)s' (%(kind)s) runs no script of yours, and can be run by the studio alone.")
        raise Unprocessable(text % {"name": step.name, "kind": KINDS[step.kind].step_type}, code="not_launchable")


class _LaunchDocument(StepParts):
    """Builds the document of one step."""

    def document(self, asked: Run | None) -> dict[str, Any]:
        spread = self.distribution()
        return {
            "run": str(self.run.pk),
            "root": str(self.root.pk),
            "reused_by": str(asked.pk) if asked else None,
            "step": self.step.name,
            "experiment": self.root.experiment.name,
            "status": self.run.status,
            "kind": self.step.kind,
            "step_type": KINDS[self.step.kind].step_type,
            "script": self.step.script,
            "arguments": builtins_of(self.arguments()),
            "params": self.params(),
            "settings": self.settings(),
            "snapshot": self._snapshot(),
            "environment": self._environment(),
            "inputs": [self._input(each) for each in self.step.inputs],
            "outputs": [
                {
                    "name": each.name,
                    "kind": each.kind,
                    "is_directory": each.is_directory,
                    "path_on_compute": each.path_on_compute,
                }
                for each in self.step.outputs
            ],
            "variables": self.variables(1),
            "distribution": builtins_of(spread) if spread else None,
            "secrets": sorted(name for name, value in self.root.parameters.items() if is_sealed(value)),
        }

    def _snapshot(self) -> dict[str, Any]:
        digest = self.step.snapshot or ""
        found = Snapshot.objects.filter(workspace=self.workspace, digest=digest).first() if digest else None
        if digest and found is None:
            text = _(
                "The code of the step '%(name)s' is no longer kept: its snapshot was removed. Run the step from the code of today."
            )
            raise Unprocessable(text % {"name": self.step.name}, code="snapshot_gone")
        base = f"snapshots/{digest}/files/"
        files = [
            {
                "path": each["path"],
                "size": each["size"],
                "digest": each["digest"],
                "executable": bool(each.get("executable")),
                "address": base + quote(each["path"]),
            }
            for each in (found.files if found else ())
        ]
        return {"digest": digest, "files": files}

    def _environment(self) -> dict[str, Any]:
        version, spec = self.version, self.environment()
        definition = version.definition if version else {}
        docker = definition.get("docker") or {}
        return {
            "name": version.environment.name if version and version.environment else "",
            "version": version.version if version else None,
            "user_managed": spec.user_managed,
            "interpreter": spec.interpreter,
            "python": spec.python,
            "lock": spec.lock,
            "definition": {key: value for key, value in definition.items() if key != "variables"},
            "image": docker.get("image"),
            "variables": {name: str(value) for name, value in spec.variables.items() if not is_secret(name)},
            "withheld": sorted(name for name in spec.variables if is_secret(name)),
            "r": builtins_of(spec.r) if spec.r else None,
        }

    def _input(self, source: Input) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": source.name,
            "mode": source.mode,
            "path_on_compute": source.path_on_compute,
            "is_file": False,
            "file_name": None,
            "dataset": None,
            "partition_format": None,
            "origin": "",
            "files": [],
        }
        if source.step is not None and source.output is not None:
            return found | self._upstream(source, source.step, source.output)
        value = self.source(source)
        if isinstance(value, str):
            return found | self._dataset(source, dataset_versions.get_version(self.workspace, value))
        place = value if isinstance(value, Mapping) else {"datastore": source.datastore, "path": source.path}
        return found | self._place(source, str(place["datastore"]), str(place.get("path") or ""))

    def _upstream(self, source: Input, node: str, output: str) -> dict[str, Any]:
        """What another step wrote. That its files are still those is said by the address of each."""
        rows = Run.objects.select_related("step").defer("graph")
        parent = rows.filter(root=self.root.pk, step__node_id=node).first()
        writer = None if parent is None else parent.step.reused_from_id or parent.pk
        found = Output.objects.filter(run=writer, name=output).first() if writer else None
        if found is None:
            text = _(
                "The input '%(input)s' is the output '%(output)s' of the step '%(step)s', which has not written it: its run is %(status)s."
            )
            said = {"input": source.name, "output": output, "step": node, "status": _("gone")}
            if parent is not None:
                said |= {"step": parent.step.name, "status": str(parent.get_status_display())}
            raise Unprocessable(text % said, code="input_missing")
        if found.linked_version_id is not None:
            return self._dataset(source, dataset_versions.get_version(self.workspace, found.linked_version_id))
        require_kept(found)
        base, one = f"runs/{writer}/outputs/{quote(output, safe='')}/files/", not found.is_directory
        files = [each | {"address": base + quote(each["path"])} for each in plain(found)]
        return {"is_file": one, "origin": f"{self.name_of(node)}/{output}", "files": files}

    def name_of(self, node: str) -> str:
        step = parsed(self.root.pk).steps.get(node)
        return step.name if step else node

    def _dataset(self, source: Input, version: DatasetVersion) -> dict[str, Any]:
        name = version.dataset.name if version.dataset else ""
        origin = f"{name}:{version.version}" if name else str(version.pk)
        if source.mode == "direct":
            return {"dataset": str(version.pk), "origin": origin}
        found = dataset_files.files_of(version)
        one = dataset_files.is_one_file(version, found)
        return {
            "dataset": str(version.pk),
            "origin": origin,
            "is_file": one,
            "file_name": found[0].path if one else None,
            "partition_format": (version.definition.get("format") or {}).get("partition_format"),
            "files": _files((each.path, each.size, each.digest, _address(version, each)) for each in found),
        }

    def _place(self, source: Input, datastore: str, path: str) -> dict[str, Any]:
        find = references.files_mounted if source.mode == references.MOUNT else references.files_below
        found = find(self.workspace, datastore, path)
        one = len(found) == 1 and found[0].key == safe(path)
        return {
            "origin": f"{datastore}/{path}",
            "is_file": one,
            "file_name": found[0].path if one else None,
            "files": _files((each.path, each.size, each.digest, _stored(datastore, each.key)) for each in found),
        }


def _address(version: DatasetVersion, file: ResolvedFile) -> str:
    """Where one file of a dataset is read. What came from the web lies on a datastore that is nobody's to open."""
    if file.datastore == WEB:
        return f"dataset-versions/{version.pk}/content/?path={quote(file.path, safe='')}"
    return _stored(file.datastore, file.key)


def _stored(datastore: str, key: str) -> str:
    return f"datastores/{quote(datastore, safe='')}/files/{quote(key)}"


def _files(found: Iterable[tuple[str, int, str | None, str]]) -> list[dict[str, Any]]:
    names = ("path", "size", "digest", "address")
    return [dict(zip(names, each, strict=True)) for each in found]
