"""Runs below a run: those of its steps, and child runs that a program opens or submits."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Union

import duto
from duto.client.tags import texts
from duto.not_built import passed_over
from duto.run.lookup import fits, run_of
from duto.spec.text import cleaned

# What one request of `create_children` takes.
CHILDREN_AT_ONCE = 500


class RunChildren:
    """The half of a run that has others below it."""

    id: str
    experiment: Any
    _workspace: Any
    _place: str

    def get_children(
        self,
        recursive: bool = False,
        tags: Union[str, Mapping[str, object], None] = None,
        properties: Union[str, Mapping[str, object], None] = None,
        type: Optional[str] = None,
        status: Optional[str] = None,
        _rehydrate_runs: bool = True,
    ) -> Iterator[duto.Run]:
        """The runs that belong to this one.

        Args:
            recursive: those that belong to these, too.
            tags: only runs that have this tag, or all of these with these values.
            properties: only runs that have this property, or all of these with these values.
            type: only runs of this type.
            status: only runs of this status.

        Returns:
            The runs, newest first, each of its own class.
        """
        items = list(self._workspace._client.pages(self._place + "children/"))
        for item in sorted(items, key=lambda each: str(each.get("created_at")), reverse=True):
            child = run_of(self._workspace, item, self.experiment)
            if fits(child, item, type, tags, properties, status):
                yield child
            if recursive:
                yield from child.get_children(True, tags, properties, type, status)

    def child_run(
        self, name: Optional[str] = None, run_id: Optional[str] = None, outputs: Optional[str] = None
    ) -> duto.Run:
        """A new interactive run below this one. It ends by `complete()` or `fail()`, at the end of a `with` block,
        and with this one at the latest.

        Args:
            name: name that the pages show.
            run_id: passed over with a warning: the studio gives the ids.
            outputs: a folder of this machine whose files are kept with the run by its `complete()`.

        Returns:
            The run.
        """
        passed_over("Run.child_run", "the studio gives runs their ids.", run_id=run_id)
        run = self._child_run(name, {})
        run._outputs = outputs
        return run

    def _child_run(self, name: Optional[str], properties: Mapping[str, str]) -> duto.Run:
        """The same with its properties, which it has from the beginning."""
        body: Dict[str, Any] = {
            "experiment": self.experiment.name,
            "kind": "interactive",
            "parent": self.id,
            "display_name": name,
            "parameters": {},
            "tags": {},
            "properties": dict(properties),
        }
        document = self._workspace._client.post(self._workspace._path("runs/"), cleaned(body))
        run: duto.Run = run_of(self._workspace, document, self.experiment)
        return run

    def create_children(
        self, count: Optional[int] = None, tag_key: Optional[str] = None, tag_values: Optional[Iterable[object]] = None
    ) -> List[duto.Run]:
        """Several interactive runs below this one.

        Args:
            count: how many, where there are no `tag_values`.
            tag_key: a tag that each gets.
            tag_values: its values, one for each run.

        Returns:
            The runs.
        """
        values = list(tag_values) if tag_values else [None] * int(count or 0)
        asked = [{"tags": texts({tag_key: value} if tag_key else {})} for value in values]
        client, children = self._workspace._client, []
        for start in range(0, len(asked), CHILDREN_AT_ONCE):
            part = {"children": asked[start : start + CHILDREN_AT_ONCE]}
            children += client.post(self._place + "children/", cleaned(part))["items"]
        return [run_of(self._workspace, document, self.experiment) for document in children]

    def submit_child(
        self,
        config: Union[duto.Pipeline, duto.PublishedPipeline, duto.ScriptRunConfig, duto.Estimator],
        tags: Optional[Mapping[str, object]] = None,
        **kwargs: Any,
    ) -> duto.Run:
        """Submit a script or a pipeline to the same experiment, as a run of its own.

        Args:
            config: what is to run.
            tags: tags of the run.
            kwargs: as in `Experiment.submit`.

        Returns:
            The run, which goes on when this returns.

        Raises:
            UserErrorException: what is wrong, every problem by name.
        """
        run: duto.Run = self.experiment.submit(config, tags=tags, **kwargs)
        return run
