"""Which names each module of Azure ML's SDK has. Names that are not built yet are those of `duto.not_built`."""

from __future__ import annotations

from typing import Dict, Tuple

from azureml._beyond import BEYOND

_COMPUTE = (
    "ComputeTarget AmlCompute AksCompute AdlaCompute BatchCompute BatchAiCompute ComputeInstance "
    "DatabricksCompute "
    "DataFactoryCompute DsvmCompute HDInsightCompute RemoteCompute KubernetesCompute KustoCompute "
    "SynapseCompute"
)
_SERVICES = "Webservice AciWebservice AksWebservice LocalWebservice AksEndpoint"
_AUTHENTICATION = (
    "AbstractAuthentication InteractiveLoginAuthentication AzureCliAuthentication MsiAuthentication "
    "ServicePrincipalAuthentication TokenAuthentication ArcTokenAuthentication AuthenticationException"
)
_EXCEPTIONS = (
    "AzureMLException UserErrorException AuthenticationException ComputeTargetException "
    "ExperimentExecutionException ActivityFailedException RunEnvironmentException RunConfigurationException "
    "SnapshotException ModelNotFoundException ModelPathNotFoundException ProjectSystemException "
    "TrainingException ParallelRunException AzureMLAggregatedException DatasetTimestampMissingError "
    "DiscoveryUrlNotFoundException WebserviceException WorkspaceException "
    "WorkspacePrivateEndpointException ServiceException"
)
_FACTORIES = "FileDatasetFactory TabularDatasetFactory DataType"
_OUTPUTS = (
    "OutputFileDatasetConfig OutputTabularDatasetConfig OutputDatasetConfig HDFSOutputDatasetConfig LinkFileOutputDatasetConfig "
    "LinkTabularOutputDatasetConfig TransformationMixin"
)
_GRAPH = (
    "PipelineParameter PipelineData InputPortBinding OutputPortBinding PortDataReference PublishedPipeline "
    "StepSequence PipelineStep TrainingOutput"
)
_STEPS = (
    "PythonScriptStep ParallelRunStep ParallelRunConfig CommandStep DataTransferStep DatabricksStep "
    "EstimatorStep "
    "MpiStep AdlaStep AzureBatchStep RScriptStep SynapseSparkStep KustoStep ModuleStep HyperDriveStep "
    "HyperDriveStepRun AutoMLStep AutoMLStepRun"
)
_OPEN = (
    "MNIST OjSalesSimulated Diabetes NycTlcGreen NycTlcYellow NycTlcFhv PublicHolidays PublicHolidaysOffline NoaaIsdWeather "
    "NoaaGfsWeather BostonSafety ChicagoSafety NycSafety SanFranciscoSafety SeattleSafety UsPopulationCounty UsPopulationZip "
    "UsLaborCPI UsLaborCPS UsLaborEHENational UsLaborEHEState UsLaborLAUS UsLaborPPICommodity UsLaborPPIIndustry"
)
_SWEEP = (
    "HyperDriveConfig HyperDriveRun PrimaryMetricGoal RandomParameterSampling GridParameterSampling "
    "BayesianParameterSampling BanditPolicy MedianStoppingPolicy TruncationSelectionPolicy "
    "NoTerminationPolicy"
)
_EXPRESSIONS = "choice uniform loguniform quniform qloguniform normal lognormal qnormal qlognormal randint"
_SECTIONS = "PythonSection DockerSection SparkSection RSection SparkPackage"
_SCHEDULE = "Schedule ScheduleRecurrence TimeZone"

_USED: Dict[str, str] = {
    "azureml.core": "ComputeTarget ContainerRegistry Dataset Datastore diagnostic_log Environment Experiment Image "
    "Keyvault Model PrivateEndPoint PrivateEndPointConfig Run RunConfiguration ScriptRun "
    "ScriptRunConfig Webservice Workspace attach_legacy_compute_target get_run "
    "is_compute_target_prepared prepare_compute_target remove_legacy_compute_target LinkedService "
    "SynapseWorkspaceLinkedServiceConfiguration VERSION",
    "azureml.core.authentication": _AUTHENTICATION,
    "azureml.core.compute": _COMPUTE,
    "azureml.core.compute.amlcompute": "AmlCompute AmlComputeStatus ScaleSettings AmlComputeProvisioningConfiguration "
    "ComputeTargetException",
    "azureml.core.compute.compute": "ComputeTarget ComputeTargetException",
    "azureml.core.compute.computeinstance": "ComputeInstance",
    "azureml.core.compute.aks": "AksCompute",
    "azureml.core.compute.databricks": "DatabricksCompute DatabricksAttachConfiguration",
    "azureml.core.compute.datafactory": "DataFactoryCompute",
    "azureml.core.compute.remote": "RemoteCompute",
    "azureml.core.compute_target": "ComputeTargetException attach_legacy_compute_target is_compute_target_prepared "
    "prepare_compute_target remove_legacy_compute_target",
    "azureml.core.conda_dependencies": "CondaDependencies",
    "azureml.core.container_registry": "ContainerRegistry",
    "azureml.core.dataset": "Dataset FileDatasetFactory TabularDatasetFactory",
    "azureml.core.datastore": "Datastore",
    "azureml.core.environment": f"Environment CondaDependencies ImageBuildDetails {_SECTIONS} ContainerRegistry "
    "DEFAULT_CPU_IMAGE DEFAULT_GPU_IMAGE",
    "azureml.core.experiment": "Experiment ViewType",
    "azureml.core.image": "Image ContainerImage",
    "azureml.core.keyvault": "Keyvault",
    "azureml.core.model": "Model InferenceConfig ModelPackage ResourceConfiguration",
    "azureml.core.resource_configuration": "ResourceConfiguration",
    "azureml.core.run": "Run _OfflineRun get_run RunEnvironmentException",
    "azureml.core.runconfig": f"RunConfiguration CondaDependencies DockerConfiguration MpiConfiguration "
    f"HistoryConfiguration SparkConfiguration Environment ContainerRegistry {_SECTIONS} "
    "DEFAULT_CPU_IMAGE DEFAULT_GPU_IMAGE JarLibrary MavenLibrary PyPiLibrary EggLibrary "
    "DataReferenceConfiguration PyTorchConfiguration TensorflowConfiguration "
    "ParallelTaskConfiguration",
    "azureml.core.script_run": "ScriptRun",
    "azureml.core.script_run_config": "ScriptRunConfig MpiConfiguration PyTorchConfiguration TensorflowConfiguration",
    "azureml.core.webservice": _SERVICES + " WebserviceException",
    "azureml.core.webservice.aci": "AciWebservice",
    "azureml.core.webservice.aks": "AksWebservice AksEndpoint",
    "azureml.core.webservice.local": "LocalWebservice",
    "azureml.core.webservice.webservice": "Webservice WebserviceException",
    "azureml.core.workspace": "Workspace",
    "azureml.data": "AbstractDataset AbstractDatastore FileDataset TabularDataset DataType "
    f"DatasetConsumptionConfig {_OUTPUTS}",
    "azureml.data.abstract_dataset": "AbstractDataset",
    "azureml.data.abstract_datastore": "AbstractDatastore",
    "azureml.data.azure_data_lake_datastore": "AzureDataLakeGen2Datastore",
    "azureml.data.azure_my_sql_datastore": "AzureMySqlDatastore",
    "azureml.data.azure_postgre_sql_datastore": "AzurePostgreSqlDatastore",
    "azureml.data.azure_sql_database_datastore": "AzureSqlDatabaseDatastore",
    "azureml.data.azure_storage_datastore": "AbstractAzureStorageDatastore AzureBlobDatastore AzureFileDatastore",
    "azureml.data.data_reference": "DataReference",
    "azureml.data.datapath": "DataPath DataPathComputeBinding",
    "azureml.data.dataset_consumption_config": "DatasetConsumptionConfig",
    "azureml.data.dataset_factory": _FACTORIES + " PromoteHeadersBehavior",
    "azureml.data.dataset_type_definitions": "PromoteHeadersBehavior FileEncoding",
    "azureml.data.file_dataset": "FileDataset",
    "azureml.data.output_dataset_config": _OUTPUTS,
    "azureml.data.sql_data_reference": "SqlDataReference",
    "azureml.data.tabular_dataset": "TabularDataset",
    "azureml.exceptions": _EXCEPTIONS,
    "azureml.pipeline": "",
    "azureml.pipeline.core": "Pipeline PipelineRun StepRun StepRunOutput PipelineEndpoint PipelineDraft Module "
    f"{_GRAPH} {_SCHEDULE} PipelineOutputAbstractDataset PipelineOutputFileDataset "
    "PipelineOutputTabularDataset",
    "azureml.pipeline.core.builder": "PipelineData PipelineStep StepSequence",
    "azureml.pipeline.core.graph": _GRAPH,
    "azureml.pipeline.core.pipeline": "Pipeline",
    "azureml.pipeline.core.pipeline_draft": "PipelineDraft",
    "azureml.pipeline.core.pipeline_endpoint": "PipelineEndpoint",
    "azureml.pipeline.core.pipeline_output_dataset": "PipelineOutputAbstractDataset PipelineOutputFileDataset "
    "PipelineOutputTabularDataset",
    "azureml.pipeline.core.run": "PipelineRun StepRun StepRunOutput",
    "azureml.pipeline.core.schedule": _SCHEDULE,
    "azureml.pipeline.core._restclients": "",
    "azureml.pipeline.core._restclients.aeva": "",
    "azureml.pipeline.core._restclients.aeva.models": "ErrorResponseException",
    "azureml.pipeline.core._restclients.aeva.models.error_response": "ErrorResponseException",
    "azureml.pipeline.steps": _STEPS,
    "azureml.pipeline.steps.python_script_step": "PythonScriptStep",
    "azureml.pipeline.steps.parallel_run_step": "ParallelRunStep",
    "azureml.pipeline.steps.parallel_run_config": "ParallelRunConfig",
    "azureml.pipeline.steps.hyper_drive_step": "HyperDriveStep HyperDriveStepRun",
    "azureml.contrib": "",
    "azureml.contrib.pipeline": "",
    "azureml.contrib.pipeline.steps": "ParallelRunStep ParallelRunConfig",
    "azureml.contrib.automl": "",
    "azureml.contrib.automl.pipeline": "",
    "azureml.contrib.automl.pipeline.steps": "AutoMLPipelineBuilder",
    "azureml.contrib.automl.pipeline.steps.utilities": "get_output_from_mm_pipeline",
    "azureml.contrib.services": "",
    "azureml.contrib.services.aml_request": "AMLRequest rawhttp",
    "azureml.contrib.services.aml_response": "AMLResponse",
    "azureml.automl": "",
    "azureml.automl.core": "",
    "azureml.automl.core.featurization": "FeaturizationConfig",
    "azureml.automl.core.forecasting_parameters": "ForecastingParameters",
    "azureml.automl.core.shared": "",
    "azureml.automl.core.shared.constants": "TimeSeries",
    "azureml.automl.runtime": "",
    "azureml.automl.runtime.shared": "",
    "azureml.automl.runtime.shared.score": "scoring",
    "azureml.automl.runtime.shared.score.scoring": "scoring",
    "azureml.train": "",
    "azureml.train.automl": "AutoMLConfig",
    "azureml.train.automl.automlconfig": "AutoMLConfig",
    "azureml.train.automl.constants": "TimeSeries",
    "azureml.train.automl.run": "AutoMLRun",
    "azureml.train.automl.runtime": "",
    "azureml.train.automl.runtime._many_models": "",
    "azureml.train.automl.runtime._many_models.many_models_parameters": "ManyModelsTrainParameters "
    "ManyModelsInferenceParameters",
    "azureml.train.dnn": "PyTorch TensorFlow Chainer",
    "azureml.train.estimator": "Estimator MMLBaseEstimator",
    "azureml.train.hyperdrive": f"{_SWEEP} {_EXPRESSIONS}",
    "azureml.train.hyperdrive.parameter_expressions": _EXPRESSIONS,
    "azureml.train.hyperdrive.policy": "BanditPolicy MedianStoppingPolicy TruncationSelectionPolicy "
    "NoTerminationPolicy",
    "azureml.train.hyperdrive.run": "HyperDriveRun PrimaryMetricGoal",
    "azureml.train.hyperdrive.runconfig": "HyperDriveConfig",
    "azureml.train.hyperdrive.sampling": "RandomParameterSampling GridParameterSampling BayesianParameterSampling",
    "azureml.train.sklearn": "SKLearn",
    "azureml.train.widgets": "RunDetails",
    "azureml.widgets": "RunDetails",
    "azureml.telemetry": "set_diagnostics_collection",
    "azureml.opendatasets": f"{_OPEN} OpenDataset",
    "azureml.datadrift": "DataDriftDetector AlertConfiguration",
    "azureml.dataprep": "",
    "azureml._restclient": "",
    "azureml._restclient.constants": "RunStatus",
    "azureml._logging": "",
    "azureml._logging.debug_mode": "diagnostic_log",
    # Programs catch its exception by name; where msrest is installed, that one is used.
    "msrest": "",
    "msrest.exceptions": "HttpOperationError ClientException AuthenticationError ClientRequestError "
    "DeserializationError SerializationError TokenExpiredError ValidationError",
}
MODULES: Dict[str, str] = {
    module: f"{_USED.get(module, '')} {BEYOND.get(module, '')}".strip() for module in {**BEYOND, **_USED}
}
# Names that mean something else there than in the modules where programs know them from.
ANOTHER: Dict[str, Tuple[str, ...]] = {
    "azureml.pipeline.core.graph": ("DataType", "Module"),
    "azureml.core.runconfig": ("Dataset", "DataPath", "DataReferenceConfiguration"),
}

# Names that stand for another.
OTHER_NAMES: Dict[str, str] = {
    **dict.fromkeys(_OPEN.split(), "OpenDataset"),
    **dict.fromkeys(("ParallelTaskConfiguration",), "ParallelRunStep"),
    # What programs do where data are no table, or cannot be had.
    **dict.fromkeys(("DatasetExecutionError", "DatasetValidationError"), "UserErrorException"),
    "AuthenticationError": "AuthenticationException",
    "ClientRequestError": "StudioUnavailableException",
}
