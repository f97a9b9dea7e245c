"""Says hello, and how many letters that took."""

from azureml.core import Run

GREETING = "Hello from the first step."

print(GREETING)
Run.get_context().log("letters", len(GREETING))
