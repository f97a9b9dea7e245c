"""Where each public name of `duto` is defined."""

from __future__ import annotations

from typing import Dict

_BY_MODULE = {
    "duto.workspace": "Workspace",
    "duto.experiment": "Experiment",
    "duto.run": "Run get_run",
    "duto.offline": "_OfflineRun",
    "duto.pipeline_run": "PipelineRun StepRun",
    "duto.port_data": "PortDataReference StepRunOutput",
    "duto.pipeline": "Pipeline",
    "duto.steps": "PipelineStep PythonScriptStep StepSequence",
    "duto.parameter": "PipelineParameter",
    "duto.pipeline_data": "PipelineData InputPortBinding OutputPortBinding PipelineOutputAbstractDataset "
    "PipelineOutputFileDataset PipelineOutputTabularDataset",
    "duto.published": "PublishedPipeline",
    "duto.datastore": "Datastore AbstractDatastore AbstractAzureStorageDatastore AzureBlobDatastore AzureFileDatastore",
    "duto.dataset": "Dataset AbstractDataset",
    "duto.file_dataset": "FileDataset",
    "duto.tabular_dataset": "TabularDataset",
    "duto.dataset_factory": "FileDatasetFactory TabularDatasetFactory",
    "duto.dataset_types": "DataType PromoteHeadersBehavior FileEncoding Scenario",
    "duto.consumption": "DatasetConsumptionConfig",
    "duto.output_config": "OutputDatasetConfig OutputFileDatasetConfig OutputTabularDatasetConfig "
    "LinkFileOutputDatasetConfig TransformationMixin",
    "duto.references": "DataReference DataPath DataPathComputeBinding",
    "duto.compute": "ComputeTarget AmlCompute AmlComputeProvisioningConfiguration",
    "duto.compute_status": "AmlComputeStatus ScaleSettings",
    "duto.environment": "Environment ImageBuildDetails DEFAULT_CPU_IMAGE DEFAULT_GPU_IMAGE",
    "duto.environment_sections": "PythonSection DockerSection SparkSection RSection SparkPackage ContainerRegistry",
    "duto.conda_dependencies": "CondaDependencies",
    "duto.runconfig": "RunConfiguration DockerConfiguration MpiConfiguration HistoryConfiguration SparkConfiguration",
    "duto.script_run_config": "ScriptRunConfig",
    "duto.model": "Model",
    "duto.authentication": "AbstractAuthentication InteractiveLoginAuthentication AzureCliAuthentication "
    "MsiAuthentication ServicePrincipalAuthentication TokenAuthentication ArcTokenAuthentication AccessToken "
    "ArmTokenAuthentication",
    "duto.widgets": "RunDetails",
    "duto.telemetry": "set_diagnostics_collection diagnostic_log NewLoggingLevel experimental "
    "perform_interactive_login",
    "duto.resources": "ResourceConfiguration RunStatus ViewType PrimaryMetricGoal TimeSeries",
    "duto.exceptions": "AzureMLException UserErrorException AuthenticationException ForbiddenException "
    "NotFoundException ConflictException TooLargeException StudioUnavailableException "
    "ComputeTargetException ExperimentExecutionException ActivityFailedException "
    "RunEnvironmentException RunConfigurationException SnapshotException ModelNotFoundException "
    "ModelPathNotFoundException ProjectSystemException TrainingException ParallelRunException "
    "AzureMLAggregatedException DatasetTimestampMissingError DiscoveryUrlNotFoundException "
    "WebserviceException WorkspaceException WorkspacePrivateEndpointException HttpOperationError "
    "NotBuiltException ErrorResponseException ServiceException",
}

PUBLIC: Dict[str, str] = {name: module for module, names in _BY_MODULE.items() for name in names.split()}
