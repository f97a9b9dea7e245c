"""Has packages of its own, and leaves a report."""

from pathlib import Path

import pandas as pd
from azureml.core import Run

table = pd.DataFrame({"step": ["hello", "count", "report"], "order": [1, 2, 3]})
Path("outputs").mkdir(exist_ok=True)
table.to_csv("outputs/report.csv", index=False)
print(table.to_string(index=False))
Run.get_context().log_table("report", table.to_dict(orient="list"))
