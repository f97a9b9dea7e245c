"""Modules: steps that are published once and used in many pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from duto.client.http import segment
from duto.configuration.arguments import as_list, as_value
from duto.exceptions import NotFoundException, UserErrorException
from duto.not_built import passed_over, refusing
from duto.pipeline.module_ports import InputPortDef, OutputPortDef, ParamDef
from duto.run import snapshots
from duto.steps.azure_batch import USUAL_IMAGE, USUAL_SIZE
from duto.steps.base import flat
from duto.steps.parameter import PipelineParameter

if TYPE_CHECKING:
    from duto.configuration.run_configuration import RunConfiguration
    from duto.workspace.workspace import Workspace

# How Azure ML calls what a module is run by.
_SCRIPT, _PROGRAM = "esCloud", "AzureBatchCloud"


class ModuleVersionDescriptor:
    """A version of a module by its name and its id.

    Attributes:
        version: its name.
        module_version_id: its id.
    """

    def __init__(self, version: str, module_version_id: str) -> None:
        """Programs get one by `Module.module_version_list`.

        Args:
            version: its name.
            module_version_id: its id.
        """
        self.version = version
        self.module_version_id = module_version_id

    def __repr__(self) -> str:
        return f"ModuleVersionDescriptor(version={self.version}, module_version_id={self.module_version_id})"


class _Entry:
    """What a module and a version of one have in common: a text and a status that may change."""

    _workspace: Workspace
    _document: Dict[str, Any]

    @property
    def _place(self) -> str:
        raise NotImplementedError

    @property
    def description(self) -> str:
        """What it is."""
        return str(self._document["description"])

    @property
    def status(self) -> str:
        """`Active`, `Deprecated` or `Disabled`."""
        return str(self._document["status"])

    def set_description(self, description: str) -> None:
        """Say what it is.

        Args:
            description: the text.

        Raises:
            ForbiddenException: these credentials may not change it.
        """
        self._change({"description": description})

    def enable(self) -> None:
        """Let it be used.

        Raises:
            ForbiddenException: these credentials may not change it.
        """
        self._change({"status": "Active"})

    def disable(self) -> None:
        """Let no new pipeline use it: a step of it is refused when it is made.

        Raises:
            ForbiddenException: these credentials may not change it.
        """
        self._change({"status": "Disabled"})

    def deprecate(self) -> None:
        """Advise against it: a step of it warns.

        Raises:
            ForbiddenException: these credentials may not change it.
        """
        self._change({"status": "Deprecated"})

    def _change(self, changes: Mapping[str, object]) -> None:
        self._document = dict(self._workspace._client.patch(self._place, changes))


class ModuleVersion(_Entry):
    """One published form of a module: code, inputs, outputs, arguments. Only its status and description change."""

    def __init__(
        self,
        workspace: Workspace,
        module_entity: Mapping[str, object],
        version: Optional[str] = None,
        _module_version_provider: Any = None,
    ) -> None:
        """Programs get one by `Module.publish_python_script`, `Module.resolve` or `ModuleVersion.get`.

        Args:
            workspace: the workspace.
            module_entity: the version's document, as REST has it.
            version: taken and not used: the document says it.
        """
        self._workspace = workspace
        self._document: Dict[str, Any] = dict(module_entity)

    @staticmethod
    def get(workspace: Workspace, module_version_id: str, _workflow_provider: Any = None) -> ModuleVersion:
        """The version of this id.

        Args:
            workspace: the workspace.
            module_version_id: its id.

        Returns:
            The version.

        Raises:
            NotFoundException: there is none.
        """
        found = workspace._client.get(workspace._path(f"module-versions/{segment(module_version_id)}/"))
        return ModuleVersion(workspace, found)

    @property
    def module_version_id(self) -> str:
        """Its id."""
        return str(self._document["id"])

    @property
    def module_id(self) -> str:
        """Id of the module."""
        return str(self._document["module"])

    @property
    def version(self) -> str:
        """Its name, unique in the module."""
        return str(self._document["version"])

    @property
    def category(self) -> str:
        """The text that it was published with."""
        return str(self._definition.get("category") or "")

    @property
    def interface(self) -> Dict[str, object]:
        """Its `inputs`, `outputs` and `params`, as they were published."""
        return {name: self._definition.get(name) for name in ("inputs", "outputs", "params")}

    @property
    def runconfig(self) -> Optional[Mapping[str, object]]:
        """The environment that it was published with, as a graph has it; None for none."""
        found: Optional[Mapping[str, object]] = self._definition.get("environment")
        return found

    @property
    def _place(self) -> str:
        return str(self._workspace._path(f"module-versions/{segment(self.module_version_id)}/"))

    @property
    def _definition(self) -> Dict[str, Any]:
        return dict(self._document["definition"])

    def module(self, _workflow_provider: Any = None) -> Module:
        """The module that it is a version of.

        Returns:
            The module.

        Raises:
            NotFoundException: it is there no longer.
        """
        return Module.get(self._workspace, self.module_id)

    def __repr__(self) -> str:
        return f"ModuleVersion(name={self._document['name']}, version={self.version}, id={self.module_version_id})"


@refusing(
    "module_def_builder process_source_directory publish_adla_script",
    "Publish a script by publish or publish_python_script, or a program by publish_azure_batch.",
)
class Module(_Entry):
    """A step by a name, which the pipelines of a workspace share; each change of it is a version.

    Attributes:
        id: its id.
    """

    def __init__(
        self,
        workspace: Workspace,
        module_id: str,
        name: str,
        description: str = "",
        status: str = "Active",
        default_version: Optional[str] = None,
        module_version_list: object = None,
        _module_provider: Any = None,
        _module_version_provider: Any = None,
    ) -> None:
        """Programs get one by `Module.create` or `Module.get`.

        Args:
            workspace: the workspace.
            module_id: its id, the attribute `id`.
            name: its name.
            description: what it is.
            status: `Active`, `Deprecated` or `Disabled`.
            default_version: the version that is meant where none is named; None or empty for the newest.
            module_version_list: taken and not used: the studio is asked.
        """
        self._workspace = workspace
        self.id = module_id
        self._document: Dict[str, Any] = {
            "name": name, "description": description, "status": status, "default_version": default_version or "",
        }  # fmt: skip

    @staticmethod
    def create(workspace: Workspace, name: str, description: str, _workflow_provider: Any = None) -> Module:
        """A new module, which has no version yet.

        Args:
            workspace: the workspace.
            name: its name, unique in the workspace.
            description: what it is.

        Returns:
            The module.

        Raises:
            ConflictException: there is one of this name: `Module.get` gives it.
            ForbiddenException: these credentials may not make one.
        """
        body = {"name": name, "description": description or ""}
        return _module_of(workspace, workspace._client.post(workspace._path("modules/"), body))

    @staticmethod
    def get(
        workspace: Workspace,
        module_id: Optional[str] = None,
        name: Optional[str] = None,
        _workflow_provider: Any = None,
    ) -> Module:
        """A module by its id or its name.

        Args:
            workspace: the workspace.
            module_id: its id.
            name: its name.

        Returns:
            The module.

        Raises:
            UserErrorException: neither or both were given.
            NotFoundException: there is none.
        """
        if bool(module_id) == bool(name):
            raise UserErrorException("Name a module by its id or by its name.")
        if module_id:
            return _module_of(workspace, workspace._client.get(workspace._path(f"modules/{segment(module_id)}/")))
        found = next((each for each in workspace._pages(f"modules/?name={segment(str(name))}")), None)
        if found is None:
            raise NotFoundException(f"There is no module '{name}' in workspace '{workspace.name}'.")
        return _module_of(workspace, found)

    @staticmethod
    def get_versions(workspace: Workspace, name: str, _workflow_provider: Any = None) -> List[ModuleVersionDescriptor]:
        """The versions of the module of this name.

        Args:
            workspace: the workspace.
            name: its name.

        Returns:
            The versions, newest first.

        Raises:
            NotFoundException: there is no such module.
        """
        return Module.get(workspace, name=name).module_version_list()

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._document["name"])

    @property
    def default_version(self) -> Optional[str]:
        """The version that is meant where none is named; None for the newest that is active."""
        return str(self._document["default_version"]) or None

    def publish(
        self,
        description: Optional[str] = None,
        execution_type: Optional[str] = None,
        inputs: Optional[Sequence[InputPortDef]] = None,
        outputs: Optional[Sequence[OutputPortDef]] = None,
        param_defs: Optional[Sequence[ParamDef]] = None,
        create_sequencing_ports: bool = True,
        version: Optional[str] = None,
        is_default: bool = False,
        content_path: Optional[str] = None,
        hash_paths: Union[str, List[str], None] = None,
        category: Optional[str] = None,
        arguments: Union[str, Sequence[object], None] = None,
        runconfig: Optional[RunConfiguration] = None,
    ) -> ModuleVersion:
        """Publish a folder, of which the parameters say what runs, as a version.

        Args:
            description: what it is.
            execution_type: `esCloud` for a Python script, which None means as well, or `AzureBatchCloud` for a program.
            inputs: as for `publish_python_script`.
            outputs: as for `publish_python_script`.
            param_defs: what runs, a `ParamDef` with `is_metadata_param` named `Script` (of a program `Executable`), and
                values for it.
            create_sequencing_ports: taken and not used.
            version: as for `publish_python_script`.
            is_default: as for `publish_python_script`.
            content_path: the folder, or the script itself; None for the current folder.
            hash_paths: as for `publish_python_script`.
            category: as for `publish_python_script`.
            arguments: as for `publish_python_script`.
            runconfig: as for `publish_python_script`.

        Returns:
            The version.

        Raises:
            UserErrorException: nothing says what runs, a value has no default, or something of it cannot be.
            ConflictException: there is a version of this name.
            SnapshotException: the folder is too large.
        """
        if execution_type not in (None, _SCRIPT, _PROGRAM):
            raise UserErrorException(
                f"Module.publish(execution_type={execution_type!r}) is not part of Duto: {_SCRIPT!r} runs a Python script, "
                f"{_PROGRAM!r} a program."
            )
        wanted = "Executable" if execution_type == _PROGRAM else "Script"
        params, metadata = _params(param_defs or ())
        folder, program = content_path, metadata.pop(wanted, None)
        if program is None and content_path is not None and Path(content_path).is_file():
            folder, program = str(Path(content_path).parent), Path(content_path).name
        if program is None:
            raise UserErrorException(
                f"Nothing says what runs: add ParamDef({wanted!r}, default_value='train.py', is_metadata_param=True) to "
                "param_defs, or let content_path be the script."
            )
        if metadata:
            passed_over("Module.publish", f"of what runs it there is {wanted} alone.", **metadata)
        ports: Dict[str, Any] = {
            "description": description, "inputs": inputs, "outputs": outputs, "params": params, "version": version,
            "is_default": is_default, "source_directory": folder, "category": category, "arguments": arguments,
        }  # fmt: skip
        if execution_type == _PROGRAM:
            passed_over("Module.publish", "a program runs as it is.", hash_paths=hash_paths, runconfig=runconfig)
            return self.publish_azure_batch(executable=str(program), **ports)
        return self.publish_python_script(str(program), hash_paths=hash_paths, runconfig=runconfig, **ports)

    def publish_python_script(
        self,
        script_name: str,
        description: Optional[str] = None,
        inputs: Optional[Sequence[InputPortDef]] = None,
        outputs: Optional[Sequence[OutputPortDef]] = None,
        params: Optional[Mapping[str, object]] = None,
        create_sequencing_ports: bool = True,
        version: Optional[str] = None,
        is_default: bool = False,
        source_directory: Optional[str] = None,
        hash_paths: Union[str, List[str], None] = None,
        category: Optional[str] = None,
        arguments: Union[str, Sequence[object], None] = None,
        runconfig: Optional[RunConfiguration] = None,
    ) -> ModuleVersion:
        """Publish a Python script with its folder as a version. Code and declarations never change after that.

        Args:
            script_name: the script, relative to the source directory.
            description: what it is.
            inputs: what it reads.
            outputs: what it writes.
            params: values that the script gets as the variables `AML_PARAMETER_<name>`; a step may give others.
            create_sequencing_ports: taken and not used: any step may run after any other.
            version: its name; None for the next whole number.
            is_default: whether it is meant from now on where a step names none.
            source_directory: the folder; None for the current one.
            hash_paths: files and folders that count, beside the script, when a result is to be reused; None for all.
            category: a text, kept with it.
            arguments: texts, numbers, parameters, and of `inputs` and `outputs` those whose paths are meant; a step may
                give others.
            runconfig: its environment, for steps that give no run configuration.

        Returns:
            The version.

        Raises:
            ValueError: there is no script.
            UserErrorException: something of it cannot be; the studio names all that is wrong.
            ConflictException: there is a version of this name.
            SnapshotException: the folder is too large.
        """
        if not script_name:
            raise ValueError("A module of a Python script names the script.")
        definition = {
            "kind": "module",
            "script": str(script_name),
            "environment": runconfig.environment_reference(self._workspace) if runconfig else None,
            "hash_paths": [hash_paths] if isinstance(hash_paths, str) else hash_paths,
        }
        ports = (inputs, outputs, params, arguments)
        return self._publish(definition, ports, source_directory, description, version, is_default, category)

    def publish_azure_batch(
        self,
        description: Optional[str] = None,
        compute_target: object = None,
        inputs: Optional[Sequence[InputPortDef]] = None,
        outputs: Optional[Sequence[OutputPortDef]] = None,
        params: Optional[Mapping[str, object]] = None,
        create_sequencing_ports: bool = True,
        version: Optional[str] = None,
        is_default: bool = False,
        create_pool: bool = False,
        pool_id: Optional[str] = None,
        delete_batch_job_after_finish: bool = True,
        delete_batch_pool_after_finish: bool = False,
        is_positive_exit_code_failure: bool = True,
        vm_image_urn: Optional[str] = USUAL_IMAGE,
        run_task_as_admin: bool = False,
        target_compute_nodes: int = 1,
        vm_size: str = USUAL_SIZE,
        executable: Optional[str] = None,
        source_directory: Optional[str] = None,
        category: Optional[str] = None,
        arguments: Union[str, Sequence[object], None] = None,
    ) -> ModuleVersion:
        """Publish a program with its folder as a version, as `AzureBatchStep` runs one.

        Args:
            description: what it is.
            compute_target: passed over with a warning: the step names one.
            inputs: as for `publish_python_script`.
            outputs: as for `publish_python_script`.
            params: as for `publish_python_script`.
            create_sequencing_ports: taken and not used.
            version: as for `publish_python_script`.
            is_default: as for `publish_python_script`.
            create_pool: taken and not used.
            pool_id: passed over with a warning, as by `AzureBatchStep`.
            delete_batch_job_after_finish: taken and not used.
            delete_batch_pool_after_finish: taken and not used.
            is_positive_exit_code_failure: whether an exit code above 0 fails the step.
            vm_image_urn: passed over with a warning: the program runs on the host as it is.
            run_task_as_admin: passed over with a warning: a step never runs as administrator.
            target_compute_nodes: passed over with a warning: a step runs on one node.
            vm_size: passed over with a warning: the compute target has a size.
            executable: the program, relative to the source directory.
            source_directory: the folder; None for the current one.
            category: a text, kept with it.
            arguments: as for `publish_python_script`.

        Returns:
            The version.

        Raises:
            ValueError: there is no program.
            UserErrorException: something of it cannot be; the studio names all that is wrong.
            ConflictException: there is a version of this name.
            SnapshotException: the folder is too large.
        """
        if not executable:
            raise ValueError("A module of a program names its executable.")
        passed_over(
            "publish_azure_batch", "the step says where it runs.",
            compute_target=compute_target, pool_id=pool_id, run_task_as_admin=run_task_as_admin,
            vm_image_urn=None if vm_image_urn == USUAL_IMAGE else vm_image_urn,
            vm_size=None if vm_size == USUAL_SIZE else vm_size,
            target_compute_nodes=None if target_compute_nodes == 1 else target_compute_nodes,
        )  # fmt: skip
        codes = "fail" if is_positive_exit_code_failure else "pass"
        definition = {"kind": "program", "script": str(executable), "settings": {"exit_codes": codes}}
        ports = (inputs, outputs, params, arguments)
        return self._publish(definition, ports, source_directory, description, version, is_default, category)

    def _publish(
        self,
        definition: Mapping[str, Any],
        ports: Any,
        source_directory: Optional[str],
        description: Optional[str],
        version: Optional[str],
        is_default: bool,
        category: Optional[str],
    ) -> ModuleVersion:
        inputs, outputs, params, arguments = ports
        root = Path(source_directory or ".").resolve()
        if not root.is_dir():
            raise UserErrorException(f"The source directory '{root}' does not exist.")
        manifest = snapshots.take(root)
        snapshots.upload(self._workspace, root, manifest)
        whole = {
            **definition,
            "snapshot": manifest.digest,
            "inputs": [each._document() for each in inputs or ()],
            "outputs": [each._document() for each in outputs or ()],
            "params": {name: _plain(value) for name, value in (params or {}).items()},
            "arguments": [_argument(each) for each in flat(as_list(arguments))],
            "category": category or "",
        }
        body = {
            "definition": whole,
            "version": "" if version is None else str(version),
            "description": description or "",
            "is_default": bool(is_default),
        }
        made = self._workspace._client.post(f"{self._place}versions/", body)
        if is_default:
            self._document["default_version"] = made["version"]
        return ModuleVersion(self._workspace, made)

    def module_version_list(self) -> List[ModuleVersionDescriptor]:
        """Its versions.

        Returns:
            Each with its name and its id, newest first.
        """
        return [ModuleVersionDescriptor(str(each["version"]), str(each["id"])) for each in self._versions()]

    def get_default(self) -> Optional[ModuleVersion]:
        """The version that is meant where none is named.

        Returns:
            The version; None where there is none.
        """
        wanted, found = self.default_version, self._versions()
        usable = [each for each in found if each["version"] == wanted or (not wanted and each["status"] == "Active")]
        return ModuleVersion(self._workspace, usable[0]) if usable else None

    def get_default_version(self) -> Optional[str]:
        """The name of the version that is meant where none is named.

        Returns:
            The name; None where there is no version.
        """
        found = self.get_default()
        return None if found is None else found.version

    def resolve(self, version: Optional[str] = None) -> Optional[ModuleVersion]:
        """The version of this name, or the one that is meant where none is named.

        Args:
            version: its name; None for the default.

        Returns:
            The version; None where there is none.
        """
        if version is None:
            return self.get_default()
        found = [each for each in self._versions() if each["version"] == str(version)]
        return ModuleVersion(self._workspace, found[0]) if found else None

    def set_default_version(self, version_id: str) -> None:
        """Choose the version that is meant where none is named.

        Args:
            version_id: its name or its id.

        Raises:
            NotFoundException: there is no such version.
            ForbiddenException: these credentials may not change the module.
        """
        names = {str(each["id"]): str(each["version"]) for each in self._versions()}
        self._change({"default_version": names.get(str(version_id), str(version_id))})

    def set_name(self, name: str) -> None:
        """Give it another name.

        Args:
            name: the name, unique in the workspace.

        Raises:
            ConflictException: another module has it.
            ForbiddenException: these credentials may not change the module.
        """
        self._change({"name": name})

    @property
    def _place(self) -> str:
        return str(self._workspace._path(f"modules/{segment(self.id)}/"))

    def _versions(self) -> List[Dict[str, Any]]:
        return list(self._workspace._pages(f"modules/{segment(self.id)}/versions/"))

    def __repr__(self) -> str:
        return f"Module(name={self.name}, id={self.id}, default_version={self.default_version})"


def _module_of(workspace: Any, document: Mapping[str, Any]) -> Module:
    facts = (document[name] for name in ("id", "name", "description", "status", "default_version"))
    return Module(workspace, *facts)


def _params(given: Sequence[ParamDef]) -> Tuple[Dict[str, object], Dict[str, object]]:
    """The values for a script by name, and what is said of how it runs. Raises `UserErrorException`."""
    params: Dict[str, object] = {}
    metadata: Dict[str, object] = {}
    for each in given:
        if not isinstance(each, ParamDef):
            raise UserErrorException(f"param_defs are ParamDef, not {each!r:.80}.")
        if each.default_value is None and not each.is_optional:
            raise UserErrorException(
                f"The ParamDef {each.name!r} has no default_value: give it one, or let it be optional."
            )
        if each.default_value is not None:
            (metadata if each.is_metadata_param else params)[each.name] = each.default_value
    return params, metadata


def _argument(item: Any) -> Any:
    if isinstance(item, InputPortDef):
        return {"input": item.name}
    return {"output": item.name} if isinstance(item, OutputPortDef) else _plain(item)


def _plain(item: Any) -> Any:
    value = as_value(item.default_value if isinstance(item, PipelineParameter) else item)
    if isinstance(value, (str, int, float)):
        return value
    raise UserErrorException(
        f"{item!r} can be no argument and no param of a module: give texts, numbers, InputPortDef and OutputPortDef."
    )
