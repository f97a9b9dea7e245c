"""What others left where a step that submits wants an output to be kept: it replaces none of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from core.errors import Forbidden
from core.ids import as_uuid
from core.storage import Root, safe
from datasets import stores
from duto.spec.graph import Graph
from runs import stored_messages
from runs.models import Output, Run
from runs.services.results.output_check import key_of
from workspaces import access
from workspaces.access import WorkspaceContext, require_run
from workspaces.models import Workspace
from workspaces.scopes import Act, allows, scope_in

# What makes a place new for each run, so that nothing lies there yet.
OWN_PLACE = "{run-id}"


def keep_off(context: WorkspaceContext, graph: Graph) -> None:
    """A step submits no graph that would have an output kept over files which its own tree did not write.

    Raises Forbidden (`run_scope`) that names the output and the place.
    """
    tree = context.token.root_run_id if context.is_run and context.token is not None else None
    if tree is None or context.can(Act.CHANGE):
        return
    for output in (each for step in graph.steps for each in step.outputs):
        if not output.destination or OWN_PLACE in str(output.destination):
            continue
        store = output.datastore or context.workspace.default_datastore
        path = safe(str(output.destination).replace("{output-name}", output.name))
        root = stores.root_by_name(context.workspace, store)
        _refuse_foreign(_Place(context.workspace, store, root, path), {tree}, output.name, [path])


def keep_off_again(run: Run, name: str, store: str, root: Root, path: str, taken: Sequence[str]) -> None:
    """The same for the very files that an output is about to replace: some may have come since the submit."""
    tree = (run.root or run).submitted_in
    if tree is None or allows(scope_in(run.workspace.settings), Act.CHANGE):
        return
    _refuse_foreign(_Place(run.workspace, store, root, path), {tree, (run.root or run).pk}, name, taken)


def claim(run: Run, store: str, keys: Iterable[str]) -> None:
    """Where a step submitted the run: what comes to these places is its tree's, also if promoting it ends half-way."""
    root = run.root or run
    if root.submitted_in is not None:
        access.note_made(run.workspace, root.pk, "file", [f"{store}/{key}" for key in keys])


def settle(run: Run, store: str, keys: Iterable[str]) -> None:
    """What was promoted is nobody's upload, whoever put a file there before."""
    access.forget_made(run.workspace, "file", [f"{store}/{key}" for key in keys])


@dataclass(frozen=True)
class _Place:
    """Where an output is to be kept."""

    workspace: Workspace
    store: str
    root: Root
    path: str


def _refuse_foreign(place: _Place, trees: set[UUID], name: str, keys: Sequence[str]) -> None:
    file = _first_foreign(place, trees, keys)
    if not file:
        return
    scope = scope_in(place.workspace.settings).value
    facts = {"output": name, "path": place.path, "store": place.store, "file": file, "scope": scope, "free": OWN_PLACE}
    raise Forbidden(stored_messages.say("run_scope", **facts), code="run_scope", act=Act.CHANGE.value, **facts)


def _first_foreign(place: _Place, trees: set[UUID], keys: Sequence[str]) -> str:
    """The first file at or below the keys that is not as one of these trees left it; empty where all are."""
    left = {each.path for key in keys for each in place.root.walk(key)}
    uploads = {f"{place.store}/{key}": key for key in left}
    left -= {uploads[name] for name in access.made_by(place.workspace, trees, "file", uploads)}
    # Of several runs that wrote one file it is the last one's.
    for output in _outputs_around(place) if left else ():
        wrote = {key_of(output, each): each for each in output.files}
        here = left & wrote.keys()
        is_theirs = _tree_of(output.run) & trees
        changed = sorted(key for key in here if not is_theirs or place.root.differs(key, wrote[key]))
        if changed:
            return changed[0]
        left -= here
        if not left:
            break
    return min(left, default="")


def _outputs_around(place: _Place) -> Iterator[Output]:
    """The outputs that were kept at the path, above or below it, newest first."""
    parts = place.path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    rows = Output.objects.filter(
        Q(path__in=above) | Q(path__startswith=f"{place.path}/"),
        run__workspace=place.workspace, datastore=place.store, removed_at=None,
    )  # fmt: skip
    only = ("path", "is_directory", "files", "run__root__submitted_in")
    return rows.select_related("run__root").only(*only).order_by("-id").iterator(chunk_size=20)


def _tree_of(run: Run) -> set[UUID | None]:
    """The tree that the run is of, and the one whose step submitted that."""
    return {run.root_id, run.root.submitted_in if run.root else None} - {None}


def keep_upload_off(context: WorkspaceContext, datastore: str, path: str) -> None:
    """A step writes below outputs of its own tree only: in `azureml/<run>/` as in a place that a program chose.

    Of several runs whose outputs were kept in one place it is the last one's. Raises Forbidden.
    """
    top, _, rest = path.partition("/")
    key = as_uuid(rest.partition("/")[0]) if top == "azureml" else None
    run = Run.objects.only("root_id").filter(workspace=context.workspace, pk=key).first() if key else None
    if run is not None:
        require_run(context, run)
        return
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    kept = Output.objects.filter(run__workspace=context.workspace, datastore=datastore, path__in=above, removed_at=None)
    last = kept.select_related("run").only("run__root_id").order_by("-id").first()
    if last is not None:
        require_run(context, last.run)
