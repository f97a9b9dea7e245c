"""The import names of azureml, answered by Duto."""

__version__ = "0.1.0"
