"""Names of Azure ML's SDK beyond those that programs use most: each is there, or says when it is used what to do.

Modules and their names, and the values of plain ones, after release 1.60.0 of the SDK.
"""

from __future__ import annotations

from typing import Any, Dict

BEYOND: Dict[str, str] = {
    "azureml._base_sdk_common": "",
    "azureml._base_sdk_common._docstring_wrapper": "experimental",
    "azureml._base_sdk_common.common": "perform_interactive_login resource_client_factory fetch_tenantid_from_aad_token "
    "AZUREML_DIR",
    "azureml._restclient.exceptions": "ServiceException",
    "azureml._restclient.models": "RunTypeV2",
    "azureml._restclient.snapshots_client": "SnapshotsClient SNAPSHOT_MAX_SIZE_BYTES SNAPSHOT_BATCH_SIZE",
    "azureml.automl.core.featurization.featurizationconfig": "FeaturizationConfig",
    "azureml.contrib.mlflow": "get_portal_url register_model",
    "azureml.contrib.notebook": "AzureMLNotebookHandler NotebookRunConfig NotebookRunnerStep",
    "azureml.core._experiment_method": "ExperimentSubmitRegistrar",
    "azureml.core.authentication": "AccessToken ArmTokenAuthentication Audience AzureMLTokenAuthentication",
    "azureml.core.compute": "VERSION",
    "azureml.core.compute.adla": "AdlaCompute DataLakeAnalyticsAttachConfiguration",
    "azureml.core.compute.aks": "AksAttachConfiguration AksProvisioningConfiguration AksUpdateConfiguration "
    "SslConfiguration SystemService",
    "azureml.core.compute.amlcompute": "DEFAULT_PAGE_SIZE AmlComputeNodeStateCounts",
    "azureml.core.compute.batch": "BatchAttachConfiguration BatchCompute",
    "azureml.core.compute.compute": "ComputeTargetAttachConfiguration ComputeTargetProvisioningConfiguration "
    "ComputeTargetUpdateConfiguration",
    "azureml.core.compute.computeinstance": "ComputeInstanceProvisioningConfiguration ComputeInstanceStatus",
    "azureml.core.compute.databricks": "DatabricksAttachConfiguration",
    "azureml.core.compute.datafactory": "DataFactoryAttachConfiguration DataFactoryProvisioningConfiguration",
    "azureml.core.compute.dsvm": "DsvmCompute DsvmProvisioningConfiguration",
    "azureml.core.compute.hdinsight": "HDInsightAttachConfiguration HDInsightCompute",
    "azureml.core.compute.kubernetescompute": "KubernetesCompute KubernetesComputeAttachConfiguration KubernetesComputeStatus",
    "azureml.core.compute.kusto": "KustoAttachConfiguration KustoCompute",
    "azureml.core.compute.remote": "RemoteComputeAttachConfiguration",
    "azureml.core.compute.synapse": "SynapseAttachConfiguration SynapseCompute",
    "azureml.core.compute_target": "AbstractComputeTarget LocalTarget",
    "azureml.core.conda_dependencies": "CHAINER_PACKAGE_PREFIX CHANNELS CNTK_DEFAULT_VERSION CNTK_PACKAGE_PREFIX CONDA_FILE_NAME "
    "CPU CUPY_DEFAULT_VERSION DEFAULT_CHAINER_VERSION GPU HOROVOD_DEFAULT_VERSION "
    "LINUX_PLATFORM PACKAGES PIP PYTHON_DEFAULT_VERSION PYTHON_PREFIX PYTORCH_DEFAULT_VERSION "
    "PYTORCH_PACKAGE_PREFIX TENSORFLOW_DEFAULT_VERSION TENSORFLOW_PACKAGE_PREFIX "
    "TORCHVISION_DEFAULT_VERSION TORCHVISION_PACKAGE_PREFIX VERSION WINDOWS_PLATFORM",
    "azureml.core.container_registry": "RegistryIdentity",
    "azureml.core.databricks": "DatabricksCluster DatabricksEnvironment DatabricksSection EggLibrary JarLibrary "
    "MavenLibrary PyPiLibrary RCranLibrary",
    "azureml.core.environment": "PYTHON_DEFAULT_VERSION SDKVERSION DockerBuildContext DockerEnvironment "
    "DockerImageDetails DockerImagePlatform EnvironmentReference PythonEnvironment "
    "RCranPackage RGitHubPackage SparkEnvironment",
    "azureml.core.experiment": "DEFAULT_GPU_IMAGE",
    "azureml.core.image": "VERSION UnknownImage",
    "azureml.core.image.container": "ARCHITECTURE_AMD64 WEBAPI_IMAGE_FLAVOR ContainerImage ContainerImageConfig",
    "azureml.core.image.image": "ARCHITECTURE_AMD64 UNKNOWN_IMAGE_FLAVOR UNKNOWN_IMAGE_TYPE Asset Image ImageConfig "
    "TargetRuntime",
    "azureml.core.image.unknown_image": "UNKNOWN_IMAGE_FLAVOR UNKNOWN_IMAGE_TYPE UnknownImage",
    "azureml.core.linked_service": "LinkedService LinkedServiceConfiguration SynapseWorkspaceLinkedServiceConfiguration",
    "azureml.core.model": "AKS_ENDPOINT_TYPE ARCHITECTURE_AMD64 MIR_WEBSERVICE_TYPE MODELS_DIR WEBAPI_IMAGE_FLAVOR",
    "azureml.core.private_endpoint": "PrivateEndPoint PrivateEndPointConfig",
    "azureml.core.profile": "ModelProfile",
    "azureml.core.run": "BASE_RUN_SOURCE OUTPUTS_DIR RUN_ORIGIN SDK_TARGET InputDatasets LinkOutput OutputDatasets",
    "azureml.core.runconfig": "AML_CONFIG_DIR AZUREML_DIR COMPUTECONTEXT_EXTENSION LOCAL_RUNCONFIG_NAME MPI_CPU_IMAGE "
    "MPI_GPU_IMAGE RUNCONFIGURATION_EXTENSION AmlComputeConfiguration "
    "ApplicationEndpointConfiguration AzureContainerRegistry Data DataLocation DataPath "
    "DatacacheConfiguration Dataset DatasetRegistrationOptions EnvironmentDefinition "
    "GlobsOptions HdiConfiguration KubernetesComputeConfiguration MountOptions OutputData "
    "OutputOptions RegistrationOptions UploadOptions Uri",
    "azureml.core.script_run_config": "get_run_config_from_script_run submit",
    "azureml.core.util": "NewLoggingLevel",
    "azureml.core.webservice": "VERSION UnknownWebservice",
    "azureml.core.webservice.aci": "ACI_WEBSERVICE_TYPE AciServiceDeploymentConfiguration ContainerResourceRequirements "
    "EncryptionProperties VnetConfiguration",
    "azureml.core.webservice.aks": "AKS_ENDPOINT_TYPE AKS_WEBSERVICE_TYPE AksEndpointDeploymentConfiguration "
    "AksServiceAccessToken AksServiceDeploymentConfiguration AutoScaler "
    "ContainerResourceRequirements DataCollection LivenessProbeRequirements",
    "azureml.core.webservice.container_resource_requirements": "ContainerResourceRequirements",
    "azureml.core.webservice.local": "LOCAL_WEBSERVICE_TYPE MODEL_PACKAGE_ASSETS_DIR MODEL_PACKAGE_MODELS_DIR "
    "LocalWebserviceDeploymentConfiguration",
    "azureml.core.webservice.unknown_webservice": "UNKNOWN_WEBSERVICE_TYPE UnknownWebservice",
    "azureml.core.webservice.webservice": "ACI_WEBSERVICE_TYPE AKS_ENDPOINT_TYPE AKS_WEBSERVICE_TYPE LOCAL_WEBSERVICE_TYPE "
    "UNKNOWN_WEBSERVICE_TYPE AutoScaler ContainerResourceRequirements DataCollection "
    "LivenessProbeRequirements WebServiceAccessToken WebserviceDeploymentConfiguration",
    "azureml.core.workspace": "VERSION WORKSPACE_DEFAULT_BLOB_STORE_NAME",
    "azureml.data": "VERSION HDFSOutputDatasetConfig LinkTabularOutputDatasetConfig DatacacheStore",
    "azureml.data.azure_data_lake_datastore": "AbstractADLSDatastore AzureDataLakeDatastore",
    "azureml.data.azure_storage_datastore": "EMPTY_FILE FILE FOLDER",
    "azureml.data.constants": "ACCOUNT_KEY AZURE_BLOB AZURE_DATA_LAKE AZURE_DATA_LAKE_GEN2 AZURE_FILE AZURE_MYSQL "
    "AZURE_POSTGRESQL AZURE_SQL_DATABASE CLIENT_CREDENTIALS CUSTOM DBFS DIRECT_MODE "
    "DOWNLOAD_MODE GIT HDFS HDFS_MODE LINK_MODE MANAGED_DATASET MOUNT_MODE NONE ONE_LAKE SAS "
    "SERVICE_PRINCIPAL SQL_AUTHENTICATION UPLOAD_MODE WORKSPACE_BLOB_DATASTORE "
    "WORKSPACE_FILE_DATASTORE",
    "azureml.data.context_managers": "DatasetContextManager DatastoreContextManager",
    "azureml.data.datacache": "DatacacheHydrationTracker DatacacheStore",
    "azureml.data.datacache_consumption_config": "MOUNT_MODE DatacacheConsumptionConfig",
    "azureml.data.datacache_singularity_settings": "DatacacheSingularitySettings SingularityPriority SingularitySlaTier",
    "azureml.data.dataset_action_run": "DatasetActionRun",
    "azureml.data.dataset_consumption_config": "DIRECT_MODE DOWNLOAD_MODE HDFS_MODE MOUNT_MODE",
    "azureml.data.dataset_definition": "DatasetDefinition",
    "azureml.data.dataset_error_handling": "DatasetExecutionError DatasetValidationError",
    "azureml.data.dataset_profile": "DatasetProfile",
    "azureml.data.dataset_profile_run": "DatasetProfileRun",
    "azureml.data.dataset_profile_run_config": "DatasetProfileRunConfig",
    "azureml.data.dataset_snapshot": "DatasetSnapshot",
    "azureml.data.dataset_type_definitions": "FileType HistogramCompareMethod SkipLinesBehavior",
    "azureml.data.datastore_client": "",
    "azureml.data.dbfs_datastore": "DBFSDatastore",
    "azureml.data.hdfs_datastore": "HDFSDatastore",
    "azureml.data.output_dataset_config": "DIRECT_MODE HDFS_MODE LINK_MODE MOUNT_MODE UPLOAD_MODE HDFSOutputDatasetConfig "
    "LinkTabularOutputDatasetConfig MountOptions RegistrationConfiguration UploadOptions",
    "azureml.data.stored_procedure_parameter": "StoredProcedureParameter StoredProcedureParameterType",
    "azureml.exceptions": "VERSION",
    "azureml.mlflow": "get_portal_url register_model",
    "azureml.pipeline.core": "ModuleVersion ModuleVersionDescriptor PipelineDataset",
    "azureml.pipeline.core.graph": "ALL_COMPLETED DataSource DataSourceDef DataSourceNode DataType Edge Graph InputPort "
    "InputPortDef Module ModuleDef ModuleNode Node OutputPort OutputPortDef Param ParamDef "
    "PipelineDataset StoredProcedureParameter StoredProcedureParameterType",
    "azureml.pipeline.core.module": "Module ModuleVersion ModuleVersionDescriptor",
    "azureml.pipeline.core.module_step_base": "ModuleStepBase",
    "azureml.pipeline.core.pipeline_endpoint": "PipelineIdVersion PipelineVersion",
    "azureml.pipeline.core.pipeline_output_dataset": "LINK_MODE UPLOAD_MODE DatasetRegistration",
    "azureml.pipeline.steps": "_HDInsightStep",
    "azureml.pipeline.steps.adla_step": "AdlaStep",
    "azureml.pipeline.steps.automl_step": "DIRECT_MODE AutoMLStep AutoMLStepRun",
    "azureml.pipeline.steps.azurebatch_step": "AzureBatchStep",
    "azureml.pipeline.steps.command_step": "CommandStep",
    "azureml.pipeline.steps.data_transfer_step": "DataTransferStep",
    "azureml.pipeline.steps.databricks_step": "DatabricksStep",
    "azureml.pipeline.steps.estimator_step": "EstimatorStep",
    "azureml.pipeline.steps.kusto_step": "KustoStep",
    "azureml.pipeline.steps.module_step": "ModuleStep",
    "azureml.pipeline.steps.mpi_step": "MpiStep",
    "azureml.pipeline.steps.r_script_step": "DEFAULT_CPU_IMAGE R_DEFAULT_IMAGE_FOR_CPU R_DEFAULT_IMAGE_FOR_GPU RScriptStep",
    "azureml.pipeline.steps.synapse_spark_step": "SynapseSparkStep",
    "azureml.train._distributed_training": "Gloo Mpi Nccl ParameterServer",
    "azureml.train.automl": "AutoMLImageConfig get_sdk_dependencies",
    "azureml.train.automl.automl_adb_run": "AutoMLADBRun",
    "azureml.train.automl.automlimageconfig": "AutoMLImageConfig",
    "azureml.train.automl.constants": "AutoMLPipelineScenario ComputeTargets Environments ExperimentObserver Framework "
    "HTSConstants HTSSupportedInputType InferenceTypes Scenarios SupportedInputDatatypes "
    "SupportedModels Tasks",
    "azureml.train.automl.exceptions": "ApiInvocationException AuthorizationException AutoMLExperimentException "
    "BadArgumentException CacheException ClientException ConfigException DataException "
    "DataPrepValidationException DataScriptException DataValidationException "
    "DataprepException DatasetServiceException EarlyTerminationException "
    "FeatureUnavailableException FeaturizationException FetchNextIterationException "
    "FileNotFoundException ForecastingDataException InvalidRunState MalformedValueException "
    "MetricCalculationException MissingValueException ModelExplanationException "
    "ModelFitException NotFoundException OnnxConvertException OnnxException "
    "PostTrainingException PreTrainingException ProblemInfoException ServiceException "
    "SystemException TrainingException UnhashableEntryException ValidationException",
    "azureml.train.automl.model_proxy": "ModelProxy",
    "azureml.train.automl.utilities": "get_primary_metrics",
    "azureml.train.dnn": "Gloo Mpi Nccl ParameterServer",
    "azureml.train.dnn._chainer": "Chainer",
    "azureml.train.dnn._pytorch": "PyTorch",
    "azureml.train.dnn._tensorflow": "TensorFlow",
    "azureml.train.estimator": "Gloo _FrameworkBaseEstimator MMLBaseEstimatorRunConfig Mpi Nccl ParameterServer",
    "azureml.train.estimator._estimator": "Estimator",
    "azureml.train.estimator._mml_base_estimator": "MMLBaseEstimator MMLBaseEstimatorRunConfig",
    "azureml.train.hyperdrive": "EarlyTerminationPolicy HyperDriveRunConfig HyperParameterSampling",
    "azureml.train.hyperdrive.error_definition": "DictValidationInvalidArgument DistributionValidationFailure HyperDriveNotImplemented "
    "HyperDriveRunCancellationError HyperDriveTrainingError InvalidComputeTarget "
    "InvalidConfigSetting InvalidKeyInDict InvalidRunHost InvalidType MissingChoiceValues "
    "RehydratePolicyNotFound RehydrateUnknownSampling ResumeChildRunsContainsDuplicate "
    "ResumeChildRunsFromTooManyParentRuns ResumeChildRunsNotInTerminalState "
    "ResumeChildRunsWithoutParentRun WarmStartRunsDontMatch",
    "azureml.train.hyperdrive.error_strings": "HyperDriveErrorStrings",
    "azureml.train.hyperdrive.exceptions": "HyperDriveConfigException HyperDriveException HyperDriveNotImplementedException "
    "HyperDriveRehydrateException HyperDriveScenarioNotSupportedException "
    "HyperDriveServiceException",
    "azureml.train.hyperdrive.policy": "EarlyTerminationPolicy",
    "azureml.train.hyperdrive.runconfig": "MAX_DURATION_MINUTES MAX_PARENT_RUNS RECOMMENDED_MAX_CONCURRENT_RUNS_BAYESIAN "
    "RECOMMENDED_MIN_RUNS_PER_PARAMETER_BAYESIAN RESUME_FROM_TOTAL_RUNS HyperDriveRunConfig "
    "PrimaryMetricGoal",
    "azureml.train.hyperdrive.sampling": "HyperParameterSampling",
    "azureml_user": "",
    "azureml_user.parallel_run": "EntryScript",
}

CONSTANTS: Dict[str, Any] = {
    "ACCOUNT_KEY": "AccountKey",
    "ACI_WEBSERVICE_TYPE": "ACI",
    "AKS_ENDPOINT_TYPE": "AKSENDPOINT",
    "AKS_WEBSERVICE_TYPE": "AKS",
    "ALL_COMPLETED": "ALL_COMPLETED",
    "AML_CONFIG_DIR": "aml_config",
    "ARCHITECTURE_AMD64": "amd64",
    "AZUREML_DIR": ".azureml",
    "AZURE_BLOB": "AzureBlob",
    "AZURE_DATA_LAKE": "AzureDataLake",
    "AZURE_DATA_LAKE_GEN2": "AzureDataLakeGen2",
    "AZURE_FILE": "AzureFile",
    "AZURE_MYSQL": "AzureMySql",
    "AZURE_POSTGRESQL": "AzurePostgreSql",
    "AZURE_SQL_DATABASE": "AzureSqlDatabase",
    "BASE_RUN_SOURCE": "azureml.runsource",
    "CHAINER_PACKAGE_PREFIX": "chainer",
    "CHANNELS": "channels",
    "CLIENT_CREDENTIALS": "ClientCredentials",
    "CNTK_DEFAULT_VERSION": "2.7",
    "CNTK_PACKAGE_PREFIX": "cntk",
    "COMPUTECONTEXT_EXTENSION": ".compute",
    "CONDA_FILE_NAME": "auto_conda_dependencies.yml",
    "CPU": "cpu",
    "CUPY_DEFAULT_VERSION": "cupy-cuda102",
    "CUSTOM": "Custom",
    "DBFS": "DBFS",
    "DEFAULT_CHAINER_VERSION": "7.7.0",
    "DEFAULT_PAGE_SIZE": 500,
    "DIRECT_MODE": "direct",
    "DOWNLOAD_MODE": "download",
    "EMPTY_FILE": 1,
    "FILE": 2,
    "FOLDER": 0,
    "GIT": "Git",
    "GPU": "gpu",
    "HDFS": "Hdfs",
    "HDFS_MODE": "hdfs",
    "HOROVOD_DEFAULT_VERSION": "0.19.5",
    "LINK_MODE": "link",
    "LINUX_PLATFORM": "linux",
    "LOCAL_RUNCONFIG_NAME": "local",
    "LOCAL_WEBSERVICE_TYPE": "Local",
    "MANAGED_DATASET": "managed-dataset",
    "MAX_DURATION_MINUTES": 10080,
    "MAX_PARENT_RUNS": 5,
    "MIR_WEBSERVICE_TYPE": "MIR",
    "MODELS_DIR": "azureml-models",
    "MODEL_PACKAGE_ASSETS_DIR": "azureml-app",
    "MODEL_PACKAGE_MODELS_DIR": "azureml-models",
    "MOUNT_MODE": "mount",
    "MPI_CPU_IMAGE": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04",
    "MPI_GPU_IMAGE": "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.3-cudnn8-ubuntu20.04",
    "NONE": "None",
    "ONE_LAKE": "OneLake",
    "OUTPUTS_DIR": "./outputs",
    "PACKAGES": "dependencies",
    "PIP": "pip",
    "PYTHON_DEFAULT_VERSION": "3.9.12",
    "PYTHON_PREFIX": "python",
    "PYTORCH_DEFAULT_VERSION": "1.6.0",
    "PYTORCH_PACKAGE_PREFIX": "torch",
    "RECOMMENDED_MAX_CONCURRENT_RUNS_BAYESIAN": 20,
    "RECOMMENDED_MIN_RUNS_PER_PARAMETER_BAYESIAN": 20,
    "RESUME_FROM_TOTAL_RUNS": 1000,
    "RUNCONFIGURATION_EXTENSION": ".runconfig",
    "RUN_ORIGIN": "ExperimentRun",
    "R_DEFAULT_IMAGE_FOR_CPU": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04",
    "R_DEFAULT_IMAGE_FOR_GPU": "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.1-cudnn8-ubuntu20.04",
    "SAS": "Sas",
    "SDKVERSION": "1.60.0",
    "SDK_TARGET": "sdk",
    "SERVICE_PRINCIPAL": "ServicePrincipal",
    "SNAPSHOT_MAX_SIZE_BYTES": 314572800,
    "SQL_AUTHENTICATION": "SqlAuthentication",
    "TENSORFLOW_DEFAULT_VERSION": "2.2.0",
    "TENSORFLOW_PACKAGE_PREFIX": "tensorflow",
    "TORCHVISION_DEFAULT_VERSION": "0.7.0",
    "TORCHVISION_PACKAGE_PREFIX": "torchvision",
    "UNKNOWN_IMAGE_FLAVOR": "Unknown",
    "UNKNOWN_IMAGE_TYPE": "Unknown",
    "UNKNOWN_WEBSERVICE_TYPE": "Unknown",
    "UPLOAD_MODE": "upload",
    "VERSION": "1.60.0",
    "WEBAPI_IMAGE_FLAVOR": "WebApiContainer",
    "WINDOWS_PLATFORM": "win32",
    "WORKSPACE_BLOB_DATASTORE": "workspaceblobstore",
    "WORKSPACE_DEFAULT_BLOB_STORE_NAME": "workspaceblobstore",
    "WORKSPACE_FILE_DATASTORE": "workspacefilestore",
}
