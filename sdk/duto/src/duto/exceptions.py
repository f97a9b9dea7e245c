"""What goes wrong, under the names that programs catch (Azure ML SDK v1, `azureml.exceptions`)."""

from __future__ import annotations

from typing import Any, Dict, Optional, Type


class AzureMLException(Exception):
    """The root of all errors of the SDK; `message` holds the text."""

    def __init__(
        self,
        exception_message: str = "",
        inner_exception: Optional[BaseException] = None,
        target: Any = None,
        details: Any = None,
        message_format: Any = None,
        message_parameters: Any = None,
        reference_code: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(exception_message)
        self.message = exception_message
        self.inner_exception = inner_exception
        self.code: Optional[str] = None
        self.status: Optional[int] = None
        self.facts: Dict[str, Any] = {}

    def __str__(self) -> str:
        return self.message


class UserErrorException(AzureMLException):
    """Something that the caller can put right."""


class AuthenticationException(UserErrorException):
    """No credentials, or the studio knows them not."""


class ForbiddenException(UserErrorException):
    """The role is too small for the deed."""


class NotFoundException(UserErrorException):
    """The studio has no such thing, or shows it not to this user."""


class ConflictException(UserErrorException):
    """The name is taken, or the state does not allow the deed."""


class TooLargeException(UserErrorException):
    """The body is above the studio's limit."""


class StudioUnavailableException(AzureMLException):
    """The studio does not answer, or answers with a fault of its own."""


class ComputeTargetException(AzureMLException):
    """A compute target that is absent, or that cannot be made so."""


class ExperimentExecutionException(AzureMLException):
    """A run that cannot be submitted."""


class ActivityFailedException(AzureMLException):
    """A run that was waited for and did not complete; `error_details` says why."""

    def __init__(self, error_details: Any = "", **kwargs: Any) -> None:
        super().__init__(str(error_details), **kwargs)
        self.error_details = error_details


class RunEnvironmentException(AzureMLException):
    """There is no run around: `Run.get_context(allow_offline=False)` outside one."""

    def __init__(
        self,
        exception_message: str = "This script does not run inside a submitted run: AZUREML_RUN_ID and its companions are "
        "not set.",
        **kwargs: Any,
    ) -> None:
        super().__init__(exception_message, **kwargs)


class RunConfigurationException(AzureMLException):
    """A run configuration that cannot be read or written."""


class SnapshotException(AzureMLException):
    """A source directory that cannot become a snapshot."""


class ModelNotFoundException(AzureMLException):
    """No model of this name and version."""


class ModelPathNotFoundException(AzureMLException):
    """A model's file that does not exist."""


class ProjectSystemException(AzureMLException):
    """A project folder that cannot be used."""


class TrainingException(AzureMLException):
    """A training run that went wrong."""


class ParallelRunException(AzureMLException):
    """A parallel run that went wrong."""


class AzureMLAggregatedException(AzureMLException):
    """Several errors at once."""

    def __init__(self, exceptions_list: Any = (), **kwargs: Any) -> None:
        super().__init__("\n".join(str(each) for each in exceptions_list), **kwargs)
        self.exceptions_list = list(exceptions_list)


class DatasetTimestampMissingError(AzureMLException):
    """A dataset without timestamp columns, asked for a time range."""


class DiscoveryUrlNotFoundException(AzureMLException):
    """A service address that is missing."""


class WebserviceException(AzureMLException):
    """What concerns models and web services; programs catch it for a missing model."""

    def __init__(
        self, exception_message: str = "", status_code: Optional[int] = None, logger: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(exception_message, **kwargs)
        self.status_code = status_code


class WorkspaceException(AzureMLException):
    """A workspace that cannot be reached."""


class WorkspacePrivateEndpointException(WorkspaceException):
    """Kept for its name."""


class HttpOperationError(Exception):
    """`msrest.exceptions.HttpOperationError`, where msrest itself is not installed."""

    def __init__(self, message: str = "", *args: Any, **kwargs: Any) -> None:
        super().__init__(message)
        self.message = message


class NotBuiltException(UserErrorException, NotImplementedError):
    """A name of the Azure ML SDK that imports here but does nothing yet."""


def http_operation_error() -> Type[Exception]:
    """The class that `from msrest.exceptions import HttpOperationError` gives in this process."""
    try:
        from msrest.exceptions import HttpOperationError as installed  # type: ignore[import-not-found]
    except ImportError:
        return HttpOperationError
    return installed  # type: ignore[no-any-return]


_DOUBLE: Dict[str, Type[Exception]] = {}


def datastore_not_found(name: str, message: str) -> Exception:
    """The error of a missing datastore: programs catch it as `UserErrorException` or as
    `HttpOperationError`."""
    return _double("DatastoreNotFoundException", NotFoundException)(message)


def endpoint_not_found(message: str) -> Exception:
    """The error of a missing pipeline endpoint: programs catch it as `ErrorResponseException`."""
    return error_response_exception()(message)


def error_response_exception() -> Type[Exception]:
    """The class behind `...aeva.models.error_response.ErrorResponseException`."""
    return _double("ErrorResponseException", NotFoundException)


def service_exception() -> Type[Exception]:
    """`azureml.exceptions.ServiceException`: an error of the service, an `HttpOperationError` as well."""
    return _double("ServiceException", AzureMLException)


def _double(name: str, base: Type[AzureMLException]) -> Type[Exception]:
    # Made on first use, for it must derive from msrest's own class where that is installed.
    if name not in _DOUBLE:
        other = http_operation_error()

        def start(self: Any, exception_message: str = "", **kwargs: Any) -> None:
            AzureMLException.__init__(self, str(exception_message), **kwargs)

        members = {
            "__init__": start,
            "__module__": __name__,
            "__doc__": f"An {base.__name__} and an HTTP error in one.",
        }
        _DOUBLE[name] = type(name, (base, other), members)
    return _DOUBLE[name]


def __getattr__(name: str) -> Any:
    if name == "ErrorResponseException":
        return error_response_exception()
    if name == "ServiceException":
        return service_exception()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
