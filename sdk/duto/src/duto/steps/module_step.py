"""A step that runs a version of a module."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Mapping, Optional, Sequence, Tuple, Union

import duto
from duto.configuration.run_configuration import RunConfiguration
from duto.exceptions import UserErrorException
from duto.steps import ports
from duto.steps.compute_step import ComputeStep

if TYPE_CHECKING:
    from duto.pipeline.module import Module, ModuleVersion


class ModuleStep(ComputeStep):
    """A version of a module, with data for its inputs and outputs. See *Modules* in docs/sdk.md.

    Attributes:
        script_name: the script or program that the version was published with.
        hash_paths: files that count when a result is to be reused, as the version was published.
        kind: the kind of the step in the graph.
        retries: how many more attempts there are; programs may set it.
        timeout: seconds that an attempt may take; programs may set it.
        source_directory: None: no folder goes along.
        retry_delay: seconds before each further attempt; programs may set it.
        allow_reuse: whether an earlier result may stand for it.
    """

    def __init__(
        self,
        module: Optional[Module] = None,
        version: Optional[str] = None,
        module_version: Optional[ModuleVersion] = None,
        inputs_map: Optional[Mapping[str, object]] = None,
        outputs_map: Optional[Mapping[str, object]] = None,
        compute_target: Union[duto.ComputeTarget, str, Tuple[str, str], None] = None,
        runconfig: Optional[RunConfiguration] = None,
        runconfig_pipeline_params: Optional[Mapping[str, object]] = None,
        arguments: Union[str, Sequence[object], None] = None,
        params: Optional[Mapping[str, object]] = None,
        name: Optional[str] = None,
        _workflow_provider: Any = None,
    ) -> None:
        """The version is looked up now; nothing is sent before the pipeline is submitted.

        Args:
            module: the module.
            version: name of its version; None for the one that is meant where none is named.
            module_version: the version itself, instead of `module`.
            inputs_map: data by the name of the input: datasets, data of other steps, references.
            outputs_map: where outputs are kept, by their names: `PipelineData`, `OutputFileDatasetConfig`.
            compute_target: a cluster, its name, or a pair of a name and a type; None for that of the run
                configuration, else the workspace's default.
            runconfig: environment, compute target and limits; None for the environment of the version.
            runconfig_pipeline_params: as for `PythonScriptStep`.
            arguments: texts, numbers, parameters, and the data of the maps; None for those of the version.
            params: values of its variables `AML_PARAMETER_<name>`; those that are not named have the version's.
            name: name of the step; None for that of the module.

        Raises:
            UserErrorException: there is no such version, or it is disabled; an input has no data, an output no place, or
                one is named that the version does not have.
        """
        self._version = _resolved(module, version, module_version)
        definition = self._version._definition
        self._definition = definition
        self._module_name = str(self._version._document["name"])
        label = name or self._module_name
        given, kept = dict(inputs_map or {}), dict(outputs_map or {})
        inputs, outputs = definition["inputs"], definition["outputs"]
        _check_ports(label, "inputs_map", given, inputs, "input", [each["name"] for each in inputs if not each["is_optional"]])  # fmt: skip
        _check_ports(label, "outputs_map", kept, outputs, "output", [each["name"] for each in outputs])
        modes = {each["name"]: each["mode"] for each in inputs}
        read = [_named(ports.in_port(item), port, modes[port]) for port, item in given.items()]
        for port, item in kept.items():
            _name_output(label, port, item)
        # Before the base looks at the arguments: an output that stands in them is one of the map.
        self.kind = str(definition["kind"])  # type: ignore[misc]
        self.script_name = str(definition["script"])
        self._snapshot = str(definition["snapshot"])
        own = [_bound(each, given, kept) for each in definition["arguments"]] if arguments is None else arguments
        super().__init__(
            label, own, compute_target, runconfig, runconfig_pipeline_params, read, list(kept.values()),
            {**definition["params"], **dict(params or {})}, None, bool(definition["allow_reuse"]), None,
            definition["hash_paths"], None, None, None,
        )  # fmt: skip

    @property
    def _settings(self) -> Mapping[str, Any]:
        return {**self._definition["settings"], "module": self._version.module_version_id}

    @property
    def _environment(self) -> Optional[Mapping[str, Any]]:
        found: Optional[Mapping[str, Any]] = self._definition["environment"]
        return found

    def folder(self, default: Optional[str]) -> Optional[Path]:
        """The source directory: the studio has the code of the version.

        Args:
            default: not used.

        Returns:
            None.
        """
        return None


def _resolved(module: Optional[Module], version: Optional[str], given: Optional[ModuleVersion]) -> ModuleVersion:
    if (module is None) == (given is None):
        raise UserErrorException("A ModuleStep names a module, with a version or without, or a module_version.")
    found = module.resolve(version) if module is not None else given
    if found is None:
        what = "no version that could be used" if version is None else f"no version '{version}'"
        raise UserErrorException(f"The module '{module.name if module else ''}' has {what}.")
    for thing, label in ((module, "module"), (found, "version")):
        if thing is not None and thing.status == "Disabled":
            raise UserErrorException(
                f"The {label} of {found!r} is disabled: use another version, or enable it by enable()."
            )
        if thing is not None and thing.status == "Deprecated":
            warnings.warn(f"The {label} of {found!r} is deprecated.", stacklevel=3)
    return found


def _check_ports(
    step: str,
    argument: str,
    given: Mapping[str, Any],
    declared: Sequence[Mapping[str, Any]],
    what: str,
    needed: List[str],
) -> None:
    names = [str(each["name"]) for each in declared]
    unknown, missing = sorted(set(given) - set(names)), [name for name in needed if name not in given]
    has = f"It has: {', '.join(names)}." if names else "It has none."
    if unknown:
        raise UserErrorException(
            f"Step '{step}': {argument} names {', '.join(unknown)}, no {what} of the module. {has}"
        )
    if missing:
        raise UserErrorException(f"Step '{step}': {argument} gives nothing for the {what} {', '.join(missing)}.")


def _named(port: ports.InPort, name: str, mode: str) -> ports.InPort:
    """The input under its name in the module; what says nothing about how it arrives does so as the module says."""
    wanted = mode if port.mode == "mount" else port.mode
    return replace(port, name=name, mode=wanted)


def _name_output(step: str, name: str, item: Any) -> None:
    root = ports.output_root(item)
    if root is None:
        raise UserErrorException(f"Step '{step}': the output '{name}' cannot be kept in {item!r}: give a PipelineData.")
    root.output_name = name


def _bound(argument: Any, given: Mapping[str, Any], kept: Mapping[str, Any]) -> Any:
    """An argument of the version with the step's own data; an optional input that has none must not be named."""
    if not isinstance(argument, Mapping):
        return argument
    kind, name = next(iter(argument.items()))
    if kind == "input" and name not in given:
        raise UserErrorException(
            f"The arguments of the module name its input '{name}', for which there is nothing: give it by inputs_map, or "
            "give arguments without it."
        )
    return given[name] if kind == "input" else kept[name]
