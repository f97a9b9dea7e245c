"""Every name of Azure ML's SDK: it is there and takes the arguments that are documented, or says when used what to do.

`data/sdk_names.json` says where its list comes from.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import azureml
import duto
from duto import not_built
from duto.exceptions import AzureMLException, NotBuiltException
from studio.testing.cases import in_one

NAMES: dict[str, Any] = json.loads((Path(__file__).parent / "data/sdk_names.json").read_text())
MODULES = sorted(module for module in NAMES if not module.startswith("_"))
SDK = Path(duto.__file__).parent

# What stood in the SDK before file and tabular datasets, and a class that is only derived from.
OLD = {
    "ScriptRunConfig.identity",
    *(f"Dataset.{name}" for name in ("definition", "definition_version", "is_visible", "state", "workspace")),
    "Dataset.__init__",
    "Dataset.register",
    "Dataset.update",
    "AbstractAzureStorageDatastore.__init__",
}


def object_of(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


@in_one("module", MODULES)
def test_every_module_has_its_names(module: str) -> None:
    for kind, members in NAMES[module].items():
        if kind == "(constants)":
            found = {name: object_of(module, name) for name in members}
            # Images are the studio's own.
            assert {**found, **{name: members[name] for name in found if name.endswith("_IMAGE")}} == members
        elif kind == "(all)":
            assert all(object_of(module, name) is not None for name in members)
        elif kind == "(functions)":
            for name, parameters in members.items():
                takes(f"{module}.{name}", object_of(module, name), parameters)
        else:
            assert isinstance(object_of(module, kind), type)


CLASSES = [
    pytest.param(module, name, id=f"{module}.{name}") for module in MODULES for name in NAMES[module] if name[0] != "("
]


@in_one("module,name", CLASSES)
def test_every_class_has_its_members_or_says_what_to_do(module: str, name: str) -> None:
    found, members = object_of(module, name), NAMES[module][name]
    if issubclass(found, BaseException):
        with pytest.raises(found):
            raise found()
    elif isinstance(found, not_built._LaterType):
        for refused in (found, *(getattr(found, each) for each in members if each[0].isalpha())):
            with pytest.raises(NotBuiltException, match=r"is not part of Duto yet\. \w+"):
                refused(anything=1)
    else:
        for member, parameters in members.items():
            if member == "(properties)":
                wanted = [each for each in parameters if f"{found.__name__}.{each}" not in OLD]
                assert [each for each in wanted if not has_property(found, each)] == []
            elif f"{found.__name__}.{member}" not in OLD:
                takes(f"{found.__name__}.{member}", getattr(found, member), parameters)


def has_property(kind: type, name: str) -> bool:
    if hasattr(kind, name):
        return True
    source = "".join(inspect.getsource(each) for each in kind.__mro__[:-1] if each.__module__.startswith("duto"))
    return f"self.{name}" in source or f'"{name}"' in source


def takes(where: str, function: Any, parameters: list[str]) -> None:
    """A call with the documented keywords is no TypeError."""
    try:
        found = inspect.signature(function).parameters
    except ValueError:  # of a builtin type: it has no keywords
        return
    if any(each.kind is each.VAR_KEYWORD for each in found.values()):
        return
    wanted = [each for each in parameters if each[0] not in "*_"]
    missing = [each for each in wanted if each not in found]
    assert not missing or [each for each in found if each.startswith("__")], f"{where} takes no {missing}"


def test_a_name_that_is_another_elsewhere_is_not_taken_for_it() -> None:
    assert object_of("azureml.core.dataset", "Dataset") is duto.Dataset
    with pytest.raises(NotBuiltException, match="inputs, outputs"):
        object_of("azureml.core.runconfig", "Dataset")()


def test_what_programs_catch_of_other_packages_is_caught() -> None:
    from azureml.data.dataset_error_handling import DatasetExecutionError
    from msrest.exceptions import AuthenticationError, ClientRequestError, DeserializationError

    assert issubclass(duto.UserErrorException, DatasetExecutionError)
    assert issubclass(duto.AuthenticationException, AuthenticationError)
    assert issubclass(duto.StudioUnavailableException, ClientRequestError)
    assert issubclass(DeserializationError, AzureMLException)


def test_the_limit_of_a_snapshot_is_the_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import azureml._restclient.snapshots_client as client

    from duto.run import snapshots

    (tmp_path / "a.py").write_text("x" * 100)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert client.SNAPSHOT_MAX_SIZE_BYTES == 300 * 1024 * 1024
    monkeypatch.setattr(client, "SNAPSHOT_MAX_SIZE_BYTES", 99)
    with pytest.raises(duto.SnapshotException, match="a snapshot may hold"):
        snapshots.take(tmp_path)
    monkeypatch.setattr(client, "SNAPSHOT_MAX_SIZE_BYTES", 1_000_000_000)
    assert "a.py" in snapshots.take(tmp_path).paths


def test_what_was_given_and_changes_nothing_is_told() -> None:
    with pytest.warns(UserWarning, match="passes over vnet_name, subnet_name: steps run on the studio's hosts"):
        duto.AmlCompute.provisioning_configuration("STANDARD_D2_V2", vnet_name="v", subnet_name="s")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        duto.AmlCompute.provisioning_configuration("STANDARD_D2_V2", location="westeurope")
    with pytest.raises(ValueError, match="no argument 'stepz'"):
        duto.Pipeline(None, [], stepz=1)


# --- no argument is silently passed over ---

# Arguments without a meaning here, in whatever function: the result is the same with and without.
HARMLESS = {
    "wait_for_provisioning": "a schedule is there when it is made",
    "wait_timeout": "nothing is waited for",
    "create_sequencing_ports": "any step may run after any other",
    "create_pool": "nodes come and go with the work",
    "delete_batch_job_after_finish": "there are no jobs of Azure Batch",
    "delete_batch_pool_after_finish": "there are no pools of Azure Batch",
    "show_progress": "nothing is drawn while files travel",
    "resource_url": "the studio signs in by keys, not by tokens of Azure",
    "authority_url": "the studio signs in by keys, not by tokens of Azure",
    "blob_cache_timeout": "nothing is mounted",
    "show_output": "there is nothing to print",
    "timeout_seconds": "requests have limits of their own",
    "batch_size": "files travel one by one",
    "page_count": "all pages are read",
    "expand": "all is read at once",
    "cloud": "there is one studio",
    "location": "there is one place",
    "compute_location": "there is one place",
    "auth": "the studio's credentials are found",
    "force": "nobody is asked to sign in",
    "platform": "hosts know what they are",
    "wait_post_processing": "a run is over when it is over",
    "populate": "all of a metric is read",
    "rehydrate": "each run is of its class",
    "clean_up": "nothing is left behind",
    "used_for_context_manager": "the run is the same",
    "context": "the run is known",
    "render_lib": "there is one look",
    "widget_settings": "there is one look",
    "remote_login_port_public_access": "nodes have no port",
    "enable_node_public_ip": "nodes have no address",
    "disable_metadata_cache": "files are beside the script",
    "pin_sdk_version": "the SDK is the studio's own",
    "core_type": "one package serves both",
    "is_file": "whether it is a file is looked up",
    "validate": "operations are checked when the rows are read",
    "sku": "there is one kind of workspace",
    "subscription_id": "a studio has one of its own",
    "resource_group": "a studio has one of its own",
    "create_resource_group": "a studio has one of its own",
    "private_endpoint_auto_approval": "there are no endpoints",
    "services": "there are no web services",
    "schedule_start": "windows are those of the calendar",
    "create_compute_target": "the studio compares",
    "sample_size": "types are those of all rows",
    "graph_draft_id": "a draft has one graph, which its own id finds",
    "system_datastores_auth_mode": "datastores need no key",
    "protocol": "datastores need no address",
    "endpoint": "datastores need no address",
    "request_session": "datastores need no address",
    "workspace_msi_has_access": "datastores need no key",
    "service_data_access_auth_identity": "datastores need no key",
    "no_wait": "it is gone at once",
    "send_diagnostics": "nothing is sent",
    "verbosity": "nothing is sent",
    "reason": "nothing is sent",
    "access_token": "there is no Databricks, and its token goes nowhere",
    "min_workers": "executors of Spark do not come and go",
    "permit_cluster_restart": "there is no cluster to start again",
    "linked_service_config": "there is no Azure Synapse",
    "cache_datastore_name": "of a profile nothing else is kept",
}
# Functions whose arguments are told by words of their own, or are kept for their signature.
KNOWN = {
    "attached.AttachConfiguration.to_body",
    "commands.command_problems",
    "automl.AutoMLStep.folder",
    "kinds.automl_problems",
    "config.AutoMLConfig.__init__",
    "config.AutoMLConfig.get_supported_dataset_languages",
    "forecasting_parameters.ForecastingParameters.__init__",
    "forecasting_parameters.ForecastingParameters.from_parameters_dict",
    "data_transfer.DataTransferStep.folder",
    "drift_detector.DataDriftDetector.backfill",
    "drift_detector.DataDriftDetector.delete",
    "drift_detector.DataDriftDetector.run",
    "module.Module.__init__",
    "module.ModuleVersion.__init__",
    "module_step.ModuleStep.folder",
    "refused.KustoStep.__init__",
    "refused.RefusedStep.folder",
    "provisioning.AmlComputeProvisioningConfiguration.to_body",
    "slurm.SlurmAttachConfiguration.to_body",
    "authentication.AbstractAuthentication.get_token",
    "authentication.ArcTokenAuthentication.__init__",
    "authentication.ArmTokenAuthentication.__init__",
    "authentication.ArmTokenAuthentication.update_arm_access_token",
    "authentication.MsiAuthentication.__init__",
    "targets.AmlCompute.supported_vmsizes",
    "tabular_dataset.TabularDataset.submit_profile_run",
    "types.DataType.to_stream",
    "exceptions.AzureMLException.__init__",
    "exceptions.HttpOperationError.__init__",
    "exceptions.WebserviceException.__init__",
    "exceptions.datastore_not_found",
    "pipeline_data.OutputPortBinding.__init__",
    "spool.Posting.wait",
    "workspace.Workspace.create",
    "workspace.Workspace.get",
    "telemetry.diagnostic_log.__init__",
    "telemetry.perform_interactive_login",
}


def is_stub(function: ast.FunctionDef) -> bool:
    """An overload, or a method of a protocol: it says a type alone."""
    return ast.unparse(function.body[-1]) == "..."


def functions() -> list[Any]:
    found = []
    for path in sorted(SDK.rglob("*.py")):
        for owner in ast.walk(ast.parse(path.read_text())):
            if isinstance(owner, ast.ClassDef | ast.Module) and not getattr(owner, "name", "").startswith("_Later"):
                kept = [each for each in owner.body if isinstance(each, ast.FunctionDef) and not is_stub(each)]
                names = [".".join(filter(None, (path.stem, getattr(owner, "name", ""), each.name))) for each in kept]
                found += [pytest.param(name, each, id=name) for name, each in zip(names, kept, strict=True)]
    return [each for each in found if not each.id.split(".")[-1].startswith("_") or each.id.endswith("__init__")]


def test_what_is_known_to_pass_arguments_over_is_there() -> None:
    assert KNOWN - {each.id for each in functions()} == set()


@in_one("name,function", functions)
def test_no_argument_is_passed_over_without_a_word(name: str, function: ast.FunctionDef) -> None:
    calls = {ast.unparse(each.func) for each in ast.walk(function) if isinstance(each, ast.Call)}
    raises = [each for each in function.body if isinstance(each, ast.Raise)]
    if "not_built" in calls or raises or name.startswith("offline.") or name in KNOWN:
        return
    read = {each.id for each in ast.walk(function) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}
    given = [each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    given += [function.args.kwarg.arg] if function.args.kwarg else []
    left = [each for each in given if each not in read and each[0] != "_" and each not in HARMLESS]
    assert [each for each in left if each not in ("self", "cls", "kwargs")] == []


def test_importing_one_package_gives_the_others_as_azures_does() -> None:
    code = "import azureml.core; print(azureml.data.__version__, azureml.core.VERSION)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    known, version = done.stdout.split()
    assert known == version
    with pytest.raises(AttributeError, match="no attribute 'nowhere'"):
        _ = azureml.nowhere


def test_a_part_of_azures_sdk_that_is_not_here_is_told_with_what_not_to_do() -> None:
    for name in ("azureml.interpret", "azureml.contrib.interpret.explanation", "azureml.monitoring"):
        with pytest.raises(ModuleNotFoundError, match="knows no Duto studio"):
            importlib.import_module(name)
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from azureml.core import nothing")
    assert not hasattr(azureml, "nothing")


@pytest.mark.parametrize(
    "module,name",
    [("azureml.train.hyperdrive.run", "PrimaryMetricGoal"), ("azureml.opendatasets", "NycTlcGreen")],
)
def test_names_that_programs_import_from_elsewhere_than_where_they_are_made(module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name) is not None
