"""Where each public name of `duto` is defined."""

from __future__ import annotations

from typing import Dict

_BY_MODULE = {
    "duto.workspace.workspace": "Workspace",
    "duto.workspace.keyvault": "Keyvault",
    "duto.experiment.experiment": "Experiment",
    "duto.run.run": "Run get_run",
    "duto.run.offline": "_OfflineRun",
    "duto.pipeline.pipeline_run": "PipelineRun StepRun",
    "duto.pipeline.port_data": "PortDataReference StepRunOutput",
    "duto.pipeline.pipeline": "Pipeline",
    "duto.pipeline.plan": "RunPlan PlannedStep",
    "duto.pipeline.endpoint_token": "EndpointToken",
    "duto.pipeline.endpoint_form": "EndpointForm",
    "duto.steps.base": "PipelineStep StepSequence",
    "duto.steps.python_script": "PythonScriptStep",
    "duto.steps.command": "CommandStep",
    "duto.steps.estimator": "EstimatorStep",
    "duto.steps.mpi": "MpiStep",
    "duto.steps.parallel_run": "ParallelRunStep ParallelRunConfig",
    "duto.parallel.entry_script": "EntryScript",
    "duto.steps.hyper_drive": "HyperDriveStep",
    "duto.automl.config": "AutoMLConfig get_primary_metrics",
    "duto.automl.featurization": "FeaturizationConfig",
    "duto.automl.forecasting_parameters": "ForecastingParameters",
    "duto.automl.run": "AutoMLRun AutoMLStepRun",
    "duto.steps.automl": "AutoMLStep",
    "duto.sweep.expressions": "choice randint uniform quniform loguniform qloguniform normal qnormal lognormal qlognormal",
    "duto.sweep.sampling": "HyperParameterSampling RandomParameterSampling GridParameterSampling "
    "BayesianParameterSampling",
    "duto.sweep.policy": "EarlyTerminationPolicy BanditPolicy MedianStoppingPolicy TruncationSelectionPolicy "
    "NoTerminationPolicy",
    "duto.sweep.config": "HyperDriveConfig HyperDriveRunConfig",
    "duto.sweep.run": "HyperDriveRun HyperDriveStepRun",
    "duto.sweep.training_output": "TrainingOutput",
    "duto.steps.azure_batch": "AzureBatchStep",
    "duto.steps.data_transfer": "DataTransferStep TransferredData",
    "duto.steps.module_step": "ModuleStep",
    "duto.steps.r_script": "RScriptStep",
    "duto.pipeline.module": "Module ModuleVersion ModuleVersionDescriptor",
    "duto.pipeline.module_ports": "InputPortDef OutputPortDef ParamDef",
    "duto.steps.synapse_spark": "SynapseSparkStep",
    "duto.steps.databricks": "DatabricksStep PyPiLibrary MavenLibrary JarLibrary EggLibrary RCranLibrary",
    "duto.steps.refused": "AdlaStep KustoStep",
    "duto.steps.parameter": "PipelineParameter",
    "duto.data.pipeline_data": "PipelineData InputPortBinding OutputPortBinding PipelineOutputAbstractDataset "
    "PipelineOutputFileDataset PipelineOutputTabularDataset",
    "duto.pipeline.published": "PublishedPipeline",
    "duto.pipeline.draft": "PipelineDraft",
    "duto.pipeline.schedule": "Schedule",
    "duto.pipeline.schedule_recurrence": "ScheduleRecurrence",
    "duto.pipeline.schedule_trigger": "ScheduleTrigger",
    "duto.pipeline.backfill": "Backfill",
    "duto.pipeline.time_zones": "TimeZone",
    "duto.pipeline.pipeline_endpoint": "PipelineEndpoint PipelineIdInfo PipelineVersion",
    "duto.data.datastore": "Datastore AbstractDatastore AbstractAzureStorageDatastore AzureBlobDatastore AzureFileDatastore "
    "AzureDataLakeGen2Datastore DatabaseDatastore AzureSqlDatabaseDatastore AzurePostgreSqlDatastore AzureMySqlDatastore",
    "duto.data.dataset": "Dataset AbstractDataset",
    "duto.data.file_dataset": "FileDataset",
    "duto.data.expressions": "Expression",
    "duto.data.tabular_dataset": "TabularDataset",
    "duto.data.profile": "DatasetProfile DatasetProfileRun ColumnProfile",
    "duto.data.factory": "FileDatasetFactory TabularDatasetFactory",
    "duto.data.drift_detector": "DataDriftDetector AlertConfiguration",
    "duto.data.drift_run": "DataDriftRun",
    "duto.data.performance": "PerformanceConfiguration",
    "duto.data.types": "DataType PromoteHeadersBehavior FileEncoding Scenario",
    "duto.data.consumption": "DatasetConsumptionConfig",
    "duto.data.output_config": "OutputDatasetConfig OutputFileDatasetConfig OutputTabularDatasetConfig "
    "HDFSOutputDatasetConfig LinkFileOutputDatasetConfig LinkTabularOutputDatasetConfig TransformationMixin",
    "duto.data.references": "DataReference SqlDataReference DataPath DataPathComputeBinding",
    "duto.compute.targets": "ComputeTarget AmlCompute",
    "duto.compute.provisioning": "AmlComputeProvisioningConfiguration",
    "duto.compute.attached": "DataFactoryCompute DataFactoryProvisioningConfiguration DataFactoryAttachConfiguration "
    "BatchCompute BatchAttachConfiguration AttachConfiguration",
    "duto.compute.spark": "SynapseCompute SynapseAttachConfiguration DatabricksCompute DatabricksAttachConfiguration "
    "LinkedService LinkedServiceConfiguration SynapseWorkspaceLinkedServiceConfiguration",
    "duto.compute.slurm": "SlurmCompute SlurmAttachConfiguration",
    "duto.compute.status": "AmlComputeStatus ScaleSettings",
    "duto.environment.environment": "Environment ImageBuildDetails DEFAULT_CPU_IMAGE DEFAULT_GPU_IMAGE",
    "duto.environment.sections": "PythonSection DockerSection SparkSection RSection RCranPackage RGitHubPackage "
    "SparkPackage ContainerRegistry",
    "duto.environment.conda_dependencies": "CondaDependencies",
    "duto.configuration.run_configuration": "RunConfiguration DockerConfiguration HistoryConfiguration SparkConfiguration",
    "duto.configuration.estimator": "Estimator SKLearn PyTorch TensorFlow Chainer",
    "duto.configuration.distributed": "Mpi Nccl Gloo ParameterServer MpiConfiguration PyTorchConfiguration "
    "TensorflowConfiguration",
    "duto.experiment.script_run_config": "ScriptRunConfig",
    "duto.model.model": "Model",
    "duto.authentication": "AbstractAuthentication InteractiveLoginAuthentication AzureCliAuthentication "
    "MsiAuthentication ServicePrincipalAuthentication TokenAuthentication ArcTokenAuthentication AccessToken "
    "ArmTokenAuthentication",
    "duto.run.widgets": "RunDetails",
    "duto.client.telemetry": "set_diagnostics_collection diagnostic_log NewLoggingLevel experimental "
    "perform_interactive_login",
    "duto.configuration.resources": "ResourceConfiguration RunStatus ViewType PrimaryMetricGoal TimeSeries",
    "duto.exceptions": "AzureMLException UserErrorException HyperDriveConfigException AuthenticationException ForbiddenException "
    "NotFoundException ConflictException TooLargeException StudioUnavailableException "
    "ComputeTargetException ExperimentExecutionException ActivityFailedException "
    "RunEnvironmentException RunConfigurationException SnapshotException ModelNotFoundException "
    "ModelPathNotFoundException ProjectSystemException TrainingException ParallelRunException "
    "AzureMLAggregatedException DatasetTimestampMissingError DiscoveryUrlNotFoundException "
    "WebserviceException WorkspaceException WorkspacePrivateEndpointException HttpOperationError "
    "NotBuiltException ErrorResponseException ServiceException",
}

PUBLIC: Dict[str, str] = {name: module for module, names in _BY_MODULE.items() for name in names.split()}
