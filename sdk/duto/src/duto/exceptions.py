"""What goes wrong, under the names that programs catch (Azure ML SDK v1, `azureml.exceptions`)."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Optional, Type


class AzureMLException(Exception):
    """The root of all errors of the SDK.

    Attributes:
        message: the text.
        inner_exception: the error that this one comes from, where there is one.
        code: the studio's word for what went wrong, such as `not_found`; None where the error is this side's own.
        status: status of the studio's answer, such as 404; None where the error is this side's own.
        facts: what the text names, as the studio's JSON has it.
    """

    def __init__(
        self,
        exception_message: str = "",
        inner_exception: Optional[BaseException] = None,
        target: object = None,
        details: object = None,
        message_format: object = None,
        message_parameters: object = None,
        reference_code: object = None,
        **kwargs: object,
    ) -> None:
        """
        Args:
            exception_message: the text.
            inner_exception: the error that this one comes from.
            target: taken and not used.
            details: taken and not used.
            message_format: taken and not used.
            message_parameters: taken and not used.
            reference_code: taken and not used.
            kwargs: taken and not used.
        """
        super().__init__(exception_message)
        self.message = exception_message
        self.inner_exception = inner_exception
        self.code: Optional[str] = None
        self.status: Optional[int] = None
        self.facts: Dict[str, Any] = {}

    def __str__(self) -> str:
        return self.message


class UserErrorException(AzureMLException):
    """Something that the caller can put right; also what the studio answers with 400 and 422."""


class HyperDriveConfigException(UserErrorException):
    """A sweep that cannot be: its hyperparameters, its policy or its bounds."""


class AuthenticationException(UserErrorException):
    """No credentials, or the studio does not know them (401)."""


class ForbiddenException(UserErrorException):
    """The role is too small for the action, or the token's scope (403)."""


class NotFoundException(UserErrorException):
    """The studio has no such thing, or does not show it to this user (404)."""


class ConflictException(UserErrorException):
    """The name is taken, or the state does not allow the action (409)."""


class TooLargeException(UserErrorException):
    """The body is above the studio's limit (413)."""


class StudioUnavailableException(AzureMLException):
    """The studio does not answer, or answers with a fault of its own (5xx). It was waited for as long as patience
    lasts.
    """


class ComputeTargetException(AzureMLException):
    """A compute target that is absent, or that cannot be made so."""


class ExperimentExecutionException(AzureMLException):
    """A run that cannot be submitted."""


class ActivityFailedException(AzureMLException):
    """A run that was waited for and did not complete.

    Attributes:
        error_details: why, as the run's error tells it.
    """

    def __init__(self, error_details: object = "", **kwargs: Any) -> None:
        """
        Args:
            error_details: why; its text is the message.
            kwargs: as in `AzureMLException`.
        """
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
        """
        Args:
            exception_message: the text.
            kwargs: as in `AzureMLException`.
        """
        super().__init__(exception_message, **kwargs)


class RunConfigurationException(AzureMLException):
    """A run configuration that cannot be read or written: `RunConfiguration.load`, `RunConfiguration.save`."""


class SnapshotException(AzureMLException):
    """A source directory that cannot become a snapshot: it is absent, too large, or holds what cannot be read."""


class ModelNotFoundException(AzureMLException):
    """No model of this name and version; also a `WebserviceException` where `Model` raises it."""


class ModelPathNotFoundException(AzureMLException):
    """A model's file that does not exist."""


class ProjectSystemException(AzureMLException):
    """A project folder that cannot be used. Kept for its name: nothing here raises it."""


class TrainingException(AzureMLException):
    """A training run that went wrong. Kept for its name: nothing here raises it."""


class ParallelRunException(AzureMLException):
    """A parallel run that went wrong. Kept for its name: nothing here raises it."""


class AzureMLAggregatedException(AzureMLException):
    """Several errors at once.

    Attributes:
        exceptions_list: the errors.
    """

    def __init__(self, exceptions_list: Iterable[object] = (), **kwargs: Any) -> None:
        """
        Args:
            exceptions_list: the errors; the message has one line for each.
            kwargs: as in `AzureMLException`.
        """
        super().__init__("\n".join(str(each) for each in exceptions_list), **kwargs)
        self.exceptions_list = list(exceptions_list)


class DatasetTimestampMissingError(AzureMLException):
    """A dataset without timestamp columns, asked for a time range: `with_timestamp_columns` names them."""


class DiscoveryUrlNotFoundException(AzureMLException):
    """A service address that is missing. Kept for its name: nothing here raises it."""


class WebserviceException(AzureMLException):
    """What concerns models and web services; programs catch it for a missing model.

    Attributes:
        status_code: status of the answer, where one is told.
    """

    def __init__(
        self, exception_message: str = "", status_code: Optional[int] = None, logger: object = None, **kwargs: Any
    ) -> None:
        """
        Args:
            exception_message: the text.
            status_code: what `status_code` gives.
            logger: taken and not used.
            kwargs: as in `AzureMLException`.
        """
        super().__init__(exception_message, **kwargs)
        self.status_code = status_code


class WorkspaceException(AzureMLException):
    """A workspace that is absent, or that these credentials do not reach or may not make."""


class WorkspacePrivateEndpointException(WorkspaceException):
    """A private endpoint that cannot be used. Kept for its name: nothing here raises it."""


class HttpOperationError(Exception):
    """`msrest.exceptions.HttpOperationError`, where msrest itself is not installed.

    Attributes:
        message: the text.
    """

    def __init__(self, message: str = "", *args: object, **kwargs: object) -> None:
        """
        Args:
            message: the text.
            args: taken and not used.
            kwargs: taken and not used.
        """
        super().__init__(message)
        self.message = message


class NotBuiltException(UserErrorException, NotImplementedError):
    """A name of Azure ML's SDK that imports here but does nothing yet; the text says what to do instead."""


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
