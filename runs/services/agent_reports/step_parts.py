"""What is known of a step before anyone knows where it runs: its arguments, settings, environment and variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from django.conf import settings as django_settings

from core.prepared import Prepared
from duto.spec import distribution, step_variables
from duto.spec.graph import Input, Step
from duto.spec.kinds import KINDS
from duto.spec.parameters import as_text, texts
from duto.spec.shell import with_values
from duto_protocol.messages import Binding, DistributionSpec, EnvironmentSpec, RPackage, RSpec
from environments.models import EnvironmentVersion
from runs.models import Run
from runs.queries.graphs import parsed
from workspaces.queries import RESOURCE_GROUP, SUBSCRIPTION

_VERSION: Prepared[EnvironmentVersion] = Prepared(
    lambda key: EnvironmentVersion.objects.select_related("build").filter(pk=key)
)


class StepParts:
    """The parts of a step run that its attempts have in common. The run comes with its step and experiment; `values` are those
    of its parameters as they are told here."""

    def __init__(self, run: Run, root: Run, values: Mapping[str, Any]) -> None:
        self.run, self.root = run, root
        graph = parsed(run.graph_id)
        self.step: Step = graph.steps[run.step.node_id]
        self.values, self._given = texts(graph.types, values), values
        self.workspace = root.workspace

    def distribution(self) -> DistributionSpec | None:
        if self.step.distribution is None:
            return None
        spread: Any = distribution.resolved(self.step.distribution, self.root.parameters)
        return DistributionSpec(spread.type, spread.processes, spread.parameter_servers)

    def arguments(self) -> list[str | int | float | bool | Binding | None]:
        """Parameters become text here; inputs and outputs become paths at the agent, who knows them."""
        given: Sequence[Any] = self.step.arguments
        if KINDS[self.step.kind].is_shell:
            given = with_values(given, self.values)
        return [
            Binding(**each) if isinstance(each, Mapping) and "parameter" not in each else self.text(each)
            for each in given
        ]

    def params(self) -> dict[str, str]:
        return {name: self.text(value) for name, value in self.step.params.items()}

    def settings(self) -> dict[str, Any]:
        return {name: self.setting(value) for name, value in self.step.settings.items()}

    def source(self, source: Input) -> Any:
        """What an input reads that no step writes: the id of a dataset version, a place, or None for that of the input itself."""
        return self.root.parameters.get(source.parameter) if source.parameter is not None else source.dataset

    def setting(self, value: Any) -> Any:
        is_parameter = isinstance(value, Mapping) and set(value) == {"parameter"}
        return self._given.get(value["parameter"]) if is_parameter else value

    def text(self, value: Any) -> str:
        if isinstance(value, Mapping) and "parameter" in value:
            value = self.values.get(value["parameter"])
        return as_text(value)

    @cached_property
    def version(self) -> EnvironmentVersion | None:
        key = self.run.step.environment_version_id
        return _VERSION.first(key) if key else None

    def environment(self) -> EnvironmentSpec:
        version = self.version
        definition = version.definition if version else {}
        python = definition.get("python") or {}
        build = version.build if version else None
        variables = {**definition.get("variables", {}), **self.step.environment_variables}
        r = self._r(definition.get("r"))
        if build is None:
            interpreter = python.get("interpreter") or django_settings.DUTO.user_python or None
            return EnvironmentSpec(user_managed=True, interpreter=interpreter, variables=variables, r=r)
        minor = ".".join(build.python.split(".")[:2])
        key = f"{build.lock_digest[:40]}-{minor}"
        return EnvironmentSpec(key=key, lock=build.lock, python=build.python, variables=variables, r=r)

    def _r(self, section: Mapping[str, Any] | None) -> RSpec | None:
        """The library of R that the environment asks for, where it or the kind of the step needs R."""
        if section is None and not KINDS[self.step.kind].needs_r:
            return None
        given = section or {}
        cran = django_settings.DUTO.cran_url
        packages = [
            RPackage(each["name"], each["version"], each["repository"] or cran) for each in given.get("packages", ())
        ]
        return RSpec(version=given.get("version"), packages=packages, sources=list(given.get("sources", ())), cran=cran)

    def variables(self, attempt: int) -> dict[str, str]:
        return step_variables.of_run(
            run=str(self.run.pk),
            root=str(self.root.pk),
            parent=str(self.run.parent_id or ""),
            subscription=SUBSCRIPTION,
            resource_group=RESOURCE_GROUP,
            workspace=self.workspace.name,
            workspace_id=str(self.workspace.pk),
            experiment=self.root.experiment.name,
            experiment_id=str(self.root.experiment_id),
            attempt=attempt,
        )
