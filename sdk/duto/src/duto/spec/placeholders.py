"""Names of a step's data inside of texts, which stand for paths on the node. Pure."""

from __future__ import annotations

import re
from typing import Iterable, Tuple

from duto.spec.values import Step

PLACEHOLDER = re.compile(r"(\$\{?AZUREML_DATAREFERENCE_|DatasetOutputConfig:|DatasetConsumptionConfig:)(\w+)")


def unknown_data(step: Step, where: str) -> Iterable[Tuple[str, str]]:
    """A placeholder that names nothing would reach a script, or a shell, as a word like any other.

    Args:
        step: the step.
        where: what names the data, for the problem's text.

    Returns:
        Problems: a code, and what follows "Step 'x': ".
    """
    texts = [each for each in (*step.arguments, *step.params.values()) if isinstance(each, str)]
    inputs, outputs = [each.name for each in step.inputs], [each.name for each in step.outputs]
    for found in PLACEHOLDER.finditer("\n".join(texts)):
        kinds = {"DatasetOutputConfig:": outputs, "DatasetConsumptionConfig:": inputs}
        if not any(found[2].startswith(name) for name in kinds.get(found[1], [*inputs, *outputs])):
            what = "unknown_output" if found[1] == "DatasetOutputConfig:" else "unknown_input"
            yield (
                what,
                f"{where} the data '{found[2]}' ({found[0]}), which it does not have: put them into its `inputs` or `outputs`.",
            )
