"""What a pipeline and its steps import to speak with a Duto studio.

Names load on first use: `import duto` costs nothing, and `duto.spec`, which the studio and its agents share,
never pulls in the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:  # what type checkers and editors see of `duto._names`
    from duto.authentication import (
        AbstractAuthentication as AbstractAuthentication,
        AccessToken as AccessToken,
        ArcTokenAuthentication as ArcTokenAuthentication,
        ArmTokenAuthentication as ArmTokenAuthentication,
        AzureCliAuthentication as AzureCliAuthentication,
        InteractiveLoginAuthentication as InteractiveLoginAuthentication,
        MsiAuthentication as MsiAuthentication,
        ServicePrincipalAuthentication as ServicePrincipalAuthentication,
        TokenAuthentication as TokenAuthentication,
    )
    from duto.client.telemetry import (
        NewLoggingLevel as NewLoggingLevel,
        diagnostic_log as diagnostic_log,
        experimental as experimental,
        perform_interactive_login as perform_interactive_login,
        set_diagnostics_collection as set_diagnostics_collection,
    )
    from duto.compute.attached import (
        AttachConfiguration as AttachConfiguration,
        BatchAttachConfiguration as BatchAttachConfiguration,
        BatchCompute as BatchCompute,
        DataFactoryAttachConfiguration as DataFactoryAttachConfiguration,
        DataFactoryCompute as DataFactoryCompute,
        DataFactoryProvisioningConfiguration as DataFactoryProvisioningConfiguration,
    )
    from duto.compute.slurm import (
        SlurmAttachConfiguration as SlurmAttachConfiguration,
        SlurmCompute as SlurmCompute,
    )
    from duto.compute.spark import (
        DatabricksAttachConfiguration as DatabricksAttachConfiguration,
        DatabricksCompute as DatabricksCompute,
        LinkedService as LinkedService,
        LinkedServiceConfiguration as LinkedServiceConfiguration,
        SynapseAttachConfiguration as SynapseAttachConfiguration,
        SynapseCompute as SynapseCompute,
        SynapseWorkspaceLinkedServiceConfiguration as SynapseWorkspaceLinkedServiceConfiguration,
    )
    from duto.compute.provisioning import AmlComputeProvisioningConfiguration as AmlComputeProvisioningConfiguration
    from duto.compute.status import AmlComputeStatus as AmlComputeStatus, ScaleSettings as ScaleSettings
    from duto.compute.targets import (
        AmlCompute as AmlCompute,
        ComputeTarget as ComputeTarget,
    )
    from duto.configuration.distributed import (
        Gloo as Gloo,
        Mpi as Mpi,
        MpiConfiguration as MpiConfiguration,
        Nccl as Nccl,
        ParameterServer as ParameterServer,
        PyTorchConfiguration as PyTorchConfiguration,
        TensorflowConfiguration as TensorflowConfiguration,
    )
    from duto.configuration.estimator import (
        Chainer as Chainer,
        Estimator as Estimator,
        PyTorch as PyTorch,
        SKLearn as SKLearn,
        TensorFlow as TensorFlow,
    )
    from duto.configuration.resources import (
        PrimaryMetricGoal as PrimaryMetricGoal,
        ResourceConfiguration as ResourceConfiguration,
        RunStatus as RunStatus,
        TimeSeries as TimeSeries,
        ViewType as ViewType,
    )
    from duto.configuration.run_configuration import (
        DockerConfiguration as DockerConfiguration,
        HistoryConfiguration as HistoryConfiguration,
        RunConfiguration as RunConfiguration,
        SparkConfiguration as SparkConfiguration,
    )
    from duto.data.consumption import DatasetConsumptionConfig as DatasetConsumptionConfig
    from duto.data.dataset import AbstractDataset as AbstractDataset, Dataset as Dataset
    from duto.data.datastore import (
        AbstractAzureStorageDatastore as AbstractAzureStorageDatastore,
        AbstractDatastore as AbstractDatastore,
        AzureBlobDatastore as AzureBlobDatastore,
        AzureDataLakeGen2Datastore as AzureDataLakeGen2Datastore,
        AzureFileDatastore as AzureFileDatastore,
        AzureMySqlDatastore as AzureMySqlDatastore,
        AzurePostgreSqlDatastore as AzurePostgreSqlDatastore,
        AzureSqlDatabaseDatastore as AzureSqlDatabaseDatastore,
        DatabaseDatastore as DatabaseDatastore,
        Datastore as Datastore,
    )
    from duto.data.expressions import Expression as Expression
    from duto.data.factory import (
        FileDatasetFactory as FileDatasetFactory,
        TabularDatasetFactory as TabularDatasetFactory,
    )
    from duto.data.file_dataset import FileDataset as FileDataset
    from duto.data.output_config import (
        HDFSOutputDatasetConfig as HDFSOutputDatasetConfig,
        LinkFileOutputDatasetConfig as LinkFileOutputDatasetConfig,
        LinkTabularOutputDatasetConfig as LinkTabularOutputDatasetConfig,
        OutputDatasetConfig as OutputDatasetConfig,
        OutputFileDatasetConfig as OutputFileDatasetConfig,
        OutputTabularDatasetConfig as OutputTabularDatasetConfig,
        TransformationMixin as TransformationMixin,
    )
    from duto.data.pipeline_data import (
        InputPortBinding as InputPortBinding,
        OutputPortBinding as OutputPortBinding,
        PipelineData as PipelineData,
        PipelineOutputAbstractDataset as PipelineOutputAbstractDataset,
        PipelineOutputFileDataset as PipelineOutputFileDataset,
        PipelineOutputTabularDataset as PipelineOutputTabularDataset,
    )
    from duto.data.references import (
        DataPath as DataPath,
        DataPathComputeBinding as DataPathComputeBinding,
        DataReference as DataReference,
        SqlDataReference as SqlDataReference,
    )
    from duto.data.profile import (
        ColumnProfile as ColumnProfile,
        DatasetProfile as DatasetProfile,
        DatasetProfileRun as DatasetProfileRun,
    )
    from duto.data.tabular_dataset import TabularDataset as TabularDataset
    from duto.data.drift_detector import (
        AlertConfiguration as AlertConfiguration,
        DataDriftDetector as DataDriftDetector,
    )
    from duto.data.drift_run import DataDriftRun as DataDriftRun
    from duto.data.performance import PerformanceConfiguration as PerformanceConfiguration
    from duto.data.types import (
        DataType as DataType,
        FileEncoding as FileEncoding,
        PromoteHeadersBehavior as PromoteHeadersBehavior,
        Scenario as Scenario,
    )
    from duto.environment.conda_dependencies import CondaDependencies as CondaDependencies
    from duto.environment.environment import (
        DEFAULT_CPU_IMAGE as DEFAULT_CPU_IMAGE,
        DEFAULT_GPU_IMAGE as DEFAULT_GPU_IMAGE,
        Environment as Environment,
        ImageBuildDetails as ImageBuildDetails,
    )
    from duto.environment.sections import (
        ContainerRegistry as ContainerRegistry,
        DockerSection as DockerSection,
        PythonSection as PythonSection,
        RCranPackage as RCranPackage,
        RGitHubPackage as RGitHubPackage,
        RSection as RSection,
        SparkPackage as SparkPackage,
        SparkSection as SparkSection,
    )
    from duto.exceptions import (
        ActivityFailedException as ActivityFailedException,
        AuthenticationException as AuthenticationException,
        AzureMLAggregatedException as AzureMLAggregatedException,
        AzureMLException as AzureMLException,
        ComputeTargetException as ComputeTargetException,
        ConflictException as ConflictException,
        DatasetTimestampMissingError as DatasetTimestampMissingError,
        DiscoveryUrlNotFoundException as DiscoveryUrlNotFoundException,
        ErrorResponseException as ErrorResponseException,
        ExperimentExecutionException as ExperimentExecutionException,
        ForbiddenException as ForbiddenException,
        HyperDriveConfigException as HyperDriveConfigException,
        HttpOperationError as HttpOperationError,
        ModelNotFoundException as ModelNotFoundException,
        ModelPathNotFoundException as ModelPathNotFoundException,
        NotBuiltException as NotBuiltException,
        NotFoundException as NotFoundException,
        ParallelRunException as ParallelRunException,
        ProjectSystemException as ProjectSystemException,
        RunConfigurationException as RunConfigurationException,
        RunEnvironmentException as RunEnvironmentException,
        ServiceException as ServiceException,
        SnapshotException as SnapshotException,
        StudioUnavailableException as StudioUnavailableException,
        TooLargeException as TooLargeException,
        TrainingException as TrainingException,
        UserErrorException as UserErrorException,
        WebserviceException as WebserviceException,
        WorkspaceException as WorkspaceException,
        WorkspacePrivateEndpointException as WorkspacePrivateEndpointException,
    )
    from duto.automl.config import AutoMLConfig as AutoMLConfig, get_primary_metrics as get_primary_metrics
    from duto.automl.featurization import FeaturizationConfig as FeaturizationConfig
    from duto.automl.forecasting_parameters import ForecastingParameters as ForecastingParameters
    from duto.automl.run import AutoMLRun as AutoMLRun, AutoMLStepRun as AutoMLStepRun
    from duto.experiment.experiment import Experiment as Experiment
    from duto.experiment.script_run_config import ScriptRunConfig as ScriptRunConfig
    from duto.model.model import Model as Model
    from duto.parallel.entry_script import EntryScript as EntryScript
    from duto.pipeline.module import (
        Module as Module,
        ModuleVersion as ModuleVersion,
        ModuleVersionDescriptor as ModuleVersionDescriptor,
    )
    from duto.pipeline.module_ports import (
        InputPortDef as InputPortDef,
        OutputPortDef as OutputPortDef,
        ParamDef as ParamDef,
    )
    from duto.pipeline.pipeline import Pipeline as Pipeline
    from duto.pipeline.endpoint_token import EndpointToken as EndpointToken
    from duto.pipeline.endpoint_form import EndpointForm as EndpointForm
    from duto.pipeline.plan import RunPlan as RunPlan, PlannedStep as PlannedStep
    from duto.pipeline.pipeline_run import PipelineRun as PipelineRun, StepRun as StepRun
    from duto.pipeline.port_data import PortDataReference as PortDataReference, StepRunOutput as StepRunOutput
    from duto.pipeline.pipeline_endpoint import PipelineEndpoint as PipelineEndpoint
    from duto.pipeline.pipeline_endpoint import PipelineIdInfo as PipelineIdInfo
    from duto.pipeline.pipeline_endpoint import PipelineVersion as PipelineVersion
    from duto.pipeline.backfill import Backfill as Backfill
    from duto.pipeline.schedule import Schedule as Schedule
    from duto.pipeline.schedule_recurrence import ScheduleRecurrence as ScheduleRecurrence
    from duto.pipeline.schedule_trigger import ScheduleTrigger as ScheduleTrigger
    from duto.pipeline.time_zones import TimeZone as TimeZone
    from duto.pipeline.published import PublishedPipeline as PublishedPipeline
    from duto.pipeline.draft import PipelineDraft as PipelineDraft
    from duto.run.offline import _OfflineRun as _OfflineRun
    from duto.run.run import Run as Run, get_run as get_run
    from duto.run.widgets import RunDetails as RunDetails
    from duto.steps.base import PipelineStep as PipelineStep, StepSequence as StepSequence
    from duto.steps.automl import AutoMLStep as AutoMLStep
    from duto.steps.azure_batch import AzureBatchStep as AzureBatchStep
    from duto.steps.command import CommandStep as CommandStep
    from duto.steps.data_transfer import DataTransferStep as DataTransferStep, TransferredData as TransferredData
    from duto.steps.databricks import (
        DatabricksStep as DatabricksStep,
        EggLibrary as EggLibrary,
        JarLibrary as JarLibrary,
        MavenLibrary as MavenLibrary,
        PyPiLibrary as PyPiLibrary,
        RCranLibrary as RCranLibrary,
    )
    from duto.steps.estimator import EstimatorStep as EstimatorStep
    from duto.steps.module_step import ModuleStep as ModuleStep
    from duto.steps.mpi import MpiStep as MpiStep
    from duto.steps.parallel_run import ParallelRunConfig as ParallelRunConfig, ParallelRunStep as ParallelRunStep
    from duto.steps.hyper_drive import HyperDriveStep as HyperDriveStep
    from duto.steps.parameter import PipelineParameter as PipelineParameter
    from duto.steps.refused import AdlaStep as AdlaStep, KustoStep as KustoStep
    from duto.steps.python_script import PythonScriptStep as PythonScriptStep
    from duto.steps.r_script import RScriptStep as RScriptStep
    from duto.steps.synapse_spark import SynapseSparkStep as SynapseSparkStep
    from duto.sweep.config import HyperDriveConfig as HyperDriveConfig, HyperDriveRunConfig as HyperDriveRunConfig
    from duto.sweep.expressions import (
        choice as choice,
        lognormal as lognormal,
        loguniform as loguniform,
        normal as normal,
        qlognormal as qlognormal,
        qloguniform as qloguniform,
        qnormal as qnormal,
        quniform as quniform,
        randint as randint,
        uniform as uniform,
    )
    from duto.sweep.policy import (
        BanditPolicy as BanditPolicy,
        EarlyTerminationPolicy as EarlyTerminationPolicy,
        MedianStoppingPolicy as MedianStoppingPolicy,
        NoTerminationPolicy as NoTerminationPolicy,
        TruncationSelectionPolicy as TruncationSelectionPolicy,
    )
    from duto.sweep.run import HyperDriveRun as HyperDriveRun, HyperDriveStepRun as HyperDriveStepRun
    from duto.sweep.sampling import (
        BayesianParameterSampling as BayesianParameterSampling,
        GridParameterSampling as GridParameterSampling,
        HyperParameterSampling as HyperParameterSampling,
        RandomParameterSampling as RandomParameterSampling,
    )
    from duto.sweep.training_output import TrainingOutput as TrainingOutput
    from duto.workspace.keyvault import Keyvault as Keyvault
    from duto.workspace.workspace import Workspace as Workspace

_RELEASE = "0.1.0"


def __getattr__(name: str) -> Any:
    import importlib

    from duto._names import PUBLIC

    if name == "__version__":
        return _version()

    module = PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'duto' has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def _version() -> str:
    """The version that pip lists, with the digest of the files; the release's where the SDK is carried into a step."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("duto")
    except PackageNotFoundError:
        return _RELEASE


def __dir__() -> List[str]:
    from duto._names import PUBLIC

    return sorted({*globals(), *PUBLIC})
