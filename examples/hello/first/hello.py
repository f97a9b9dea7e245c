"""The first step: says hello, and how many letters that took."""

from azureml.core import Run

run = Run.get_context()
print("Hello from the first step.")
run.log("letters", len("Hello from the first step."))
