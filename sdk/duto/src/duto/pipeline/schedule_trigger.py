"""What starts the runs of a schedule besides times and files."""

from __future__ import annotations

from typing import Dict, Mapping


class ScheduleTrigger:
    """The end of a run of another pipeline, or a new version of a dataset or a model, which starts a run of a schedule.

    `Schedule.create(..., trigger=ScheduleTrigger.after_pipeline(published))`
    """

    def __init__(self, document: Mapping[str, str]) -> None:
        """
        Args:
            document: as REST has it; programs call one of the functions below instead.
        """
        self._document: Dict[str, str] = dict(document)

    @staticmethod
    def after_pipeline(pipeline: object, on: str = "success") -> ScheduleTrigger:
        """Each run of a published pipeline, whatever has started it.

        Args:
            pipeline: the published pipeline, or its id.
            on: `success`, `failure` or `completion`: how the run has to end.

        Returns:
            The trigger.
        """
        return ScheduleTrigger({"pipeline": str(getattr(pipeline, "id", pipeline)), "on": on})

    @staticmethod
    def after_endpoint(endpoint: object, on: str = "success") -> ScheduleTrigger:
        """Each run of an endpoint, of any of its versions.

        Args:
            endpoint: the pipeline endpoint, or its id.
            on: `success`, `failure` or `completion`: how the run has to end.

        Returns:
            The trigger.
        """
        return ScheduleTrigger({"endpoint": str(getattr(endpoint, "id", endpoint)), "on": on})

    @staticmethod
    def on_dataset(dataset: object) -> ScheduleTrigger:
        """Each new version of a dataset, once it can be used.

        Args:
            dataset: the registered dataset, or its name.

        Returns:
            The trigger.
        """
        return ScheduleTrigger({"dataset": str(getattr(dataset, "name", dataset))})

    @staticmethod
    def on_model(model: object) -> ScheduleTrigger:
        """Each new version of a model.

        Args:
            model: the registered model, or its name.

        Returns:
            The trigger.
        """
        return ScheduleTrigger({"model": str(getattr(model, "name", model))})

    def __repr__(self) -> str:
        words = ", ".join(f"{name}={value!r}" for name, value in self._document.items())
        return f"ScheduleTrigger({words})"
