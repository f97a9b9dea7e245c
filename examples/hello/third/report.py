"""The third step: has packages of its own, and leaves a report."""

from pathlib import Path

import pandas as pd
from azureml.core import Run

table = pd.DataFrame({"step": ["first", "second", "third"], "order": [1, 2, 3]})
Path("outputs").mkdir(exist_ok=True)
table.to_csv("outputs/report.csv", index=False)
print(table.to_string(index=False))
Run.get_context().log_table("report", {"step": list(table["step"]), "order": [int(n) for n in table["order"]]})
