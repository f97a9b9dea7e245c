"""What the apps above may ask of registered models."""

from registry.services.models import annotate, find_model, register, register_from_run, remove, take_runs_from

__all__ = ["annotate", "find_model", "register", "register_from_run", "remove", "take_runs_from"]
