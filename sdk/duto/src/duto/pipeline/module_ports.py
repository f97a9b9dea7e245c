"""What a module reads and writes, as programs declare it."""

from __future__ import annotations

from typing import Any, Dict, Optional

from duto.exceptions import UserErrorException
from duto.spec.names import check_name


class InputPortDef:
    """An input of a module. A `ModuleStep` gives it data by `inputs_map`."""

    def __init__(
        self,
        name: str,
        data_types: object = None,
        default_datastore_mode: Optional[str] = None,
        default_path_on_compute: Optional[str] = None,
        is_optional: bool = False,
        default_overwrite: Optional[bool] = None,
        default_data_reference_name: Optional[str] = None,
        is_resource: bool = False,
        label: Optional[str] = None,
        additional_transformations: object = None,
        **kwargs: object,
    ) -> None:
        """In arguments of the module it stands for the input's path.

        Args:
            name: its name: letters, digits and underscores.
            data_types: kept as it is and not used.
            default_datastore_mode: `mount` or `download`, where the step says nothing; None for `mount`.
            default_path_on_compute: kept as it is: the step says it.
            is_optional: whether a step may leave it out, whose arguments must then not name it.
            default_overwrite: kept as it is and not used.
            default_data_reference_name: kept as it is and not used.
            is_resource: kept as it is and not used.
            label: what it is, for people; the name where there is none.
            additional_transformations: kept as it is and not used.
            kwargs: taken and not used.

        Raises:
            SpecError: the name cannot be one.
        """
        self.name = check_name("port", name)
        self.data_types = data_types
        self.default_datastore_mode = default_datastore_mode
        self.default_path_on_compute = default_path_on_compute
        self.is_optional = bool(is_optional)
        self.default_overwrite = default_overwrite
        self.default_data_reference_name = default_data_reference_name
        self.is_resource = is_resource
        self.label = label or name
        self.additional_transformations = additional_transformations

    def _document(self) -> Dict[str, Any]:
        return {"name": self.name, "mode": self.default_datastore_mode or "mount", "is_optional": self.is_optional}


class OutputPortDef:
    """An output of a module. A `ModuleStep` says by `outputs_map` where it is kept."""

    def __init__(
        self,
        name: str,
        default_datastore_name: Optional[str] = None,
        default_datastore_mode: Optional[str] = None,
        default_path_on_compute: Optional[str] = None,
        is_directory: Optional[bool] = None,
        data_type: object = None,
        default_overwrite: Optional[bool] = None,
        training_output: object = None,
        label: Optional[str] = None,
    ) -> None:
        """In arguments of the module it stands for the output's path.

        Args:
            name: its name: letters, digits and underscores.
            default_datastore_name: kept as it is: the data of the step say it.
            default_datastore_mode: kept as it is: the data of the step say it.
            default_path_on_compute: kept as it is: the data of the step say it.
            is_directory: kept as it is: the data of the step say it.
            data_type: kept as it is and not used.
            default_overwrite: kept as it is and not used.
            training_output: kept as it is and not used.
            label: what it is, for people; the name where there is none.

        Raises:
            SpecError: the name cannot be one.
        """
        self.name = check_name("port", name)
        self.default_datastore_name = default_datastore_name
        self.default_datastore_mode = default_datastore_mode
        self.default_path_on_compute = default_path_on_compute
        self.is_directory = is_directory
        self.data_type = data_type
        self.default_overwrite = default_overwrite
        self.training_output = training_output
        self.label = label or name

    def _document(self) -> Dict[str, Any]:
        return {"name": self.name, "mode": self.default_datastore_mode or "mount", "is_directory": self.is_directory}


class ParamDef:
    """A value of a module, as `Module.publish` takes it. A step may give another by `params`."""

    def __init__(
        self,
        name: str,
        default_value: object = None,
        is_metadata_param: bool = False,
        is_optional: bool = False,
        set_env_var: bool = True,
        calculate_hash: bool = False,
        env_var_override: Optional[str] = None,
    ) -> None:
        """What a script gets as the variable `AML_PARAMETER_<name>`, or (with `is_metadata_param`) what runs it.

        Args:
            name: its name; of what runs it `Script`, or of a program `Executable`.
            default_value: what it is where a step says nothing.
            is_metadata_param: whether it says what runs, and is no value for the script.
            is_optional: whether it may be without a value.
            set_env_var: taken and not used: each is a variable.
            calculate_hash: taken and not used: each is part of a step's identity.
            env_var_override: refused: the variable is called `AML_PARAMETER_<name>`.

        Raises:
            UserErrorException: the variable is to have another name.
        """
        if env_var_override not in (None, f"AML_PARAMETER_{name}"):
            raise UserErrorException(
                f"ParamDef(env_var_override={env_var_override!r}) is not part of Duto: the script reads "
                f"AML_PARAMETER_{name}."
            )
        self.name, self.default_value = str(name), default_value
        self.is_metadata_param, self.is_optional = bool(is_metadata_param), bool(is_optional)
        self.set_env_var, self.calculate_hash = set_env_var, calculate_hash
        self.env_var_override = env_var_override
