"""Learn from files that lie on the datastore: clean, train, evaluate, register; then publish. See --help."""

import argparse

from azureml.core import Datastore, Environment, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.runconfig import RunConfiguration
from azureml.data.data_reference import DataReference
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter
from azureml.pipeline.steps import PythonScriptStep


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datastore", default="workspaceblobstore", help="where the data lie")
    parser.add_argument("--path", default="data-references/flights", help="their folder there")
    parser.add_argument("--upload", metavar="FOLDER", help="put the files of this folder there first")
    parser.add_argument("--cluster", default="cpu-cluster")
    parser.add_argument("--experiment", default="Data references")
    parser.add_argument("--publish", metavar="FILE", help="publish the pipeline and write its id to this file")
    return parser.parse_args()


def cluster(ws, name):
    """The cluster of this name, made when it is missing."""
    try:
        return ComputeTarget(ws, name)
    except ComputeTargetException:
        config = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
        target = ComputeTarget.create(ws, name, config)
        target.wait_for_completion(show_output=True)
        return target


def build(ws, args):
    """The pipeline of four steps."""
    store = Datastore.get(ws, args.datastore)
    config = RunConfiguration()
    config.environment = Environment.get(ws, "AzureML-Tutorial")
    common = {"compute_target": cluster(ws, args.cluster), "runconfig": config, "source_directory": "scripts"}

    flights = DataReference(datastore=store, data_reference_name="flights", path_on_datastore=args.path)
    cleaned = PipelineData("cleaned", datastore=store, pipeline_output_name="cleaned")
    model = PipelineData("model", datastore=store, pipeline_output_name="model")
    report = PipelineData("report", datastore=store, pipeline_output_name="report")
    limit = PipelineParameter("largest_error", default_value=15.0)

    clean = PythonScriptStep(
        "clean.py", name="clean", arguments=["--flights", flights, "--out", cleaned], inputs=[flights],
        outputs=[cleaned], **common,
    )  # fmt: skip
    train = PythonScriptStep(
        "train.py", name="train", arguments=["--cleaned", cleaned, "--out", model], inputs=[cleaned],
        outputs=[model], **common,
    )  # fmt: skip
    evaluate = PythonScriptStep(
        "evaluate.py", name="evaluate", inputs=[cleaned, model], outputs=[report], **common,
        arguments=["--cleaned", cleaned, "--model", model, "--out", report, "--largest-error", limit],
    )  # fmt: skip
    register = PythonScriptStep(
        "register.py", name="register", arguments=["--model", model], inputs=[model], allow_reuse=False, **common
    )
    register.run_after(evaluate)  # no data pass between them: one that is too bad fails, and nothing is registered
    return Pipeline(workspace=ws, steps=[clean, train, evaluate, register])


def main():
    """Build, run, show what came of it, publish."""
    args = arguments()
    ws = Workspace.from_config()
    if args.upload:
        Datastore.get(ws, args.datastore).upload(args.upload, args.path, overwrite=True, show_progress=False)
    pipeline = build(ws, args)
    run = Experiment(ws, args.experiment).submit(pipeline)
    run.wait_for_completion(show_output=True)
    run.get_pipeline_output("report").download("downloaded", overwrite=True)
    for step in run.get_steps():
        print(step.name, step.get_status(), step.get_metrics())
    if args.publish:
        published = pipeline.publish(
            name="Arrival delays", description="Of flights from LaGuardia", continue_on_step_failure=False
        )
        with open(args.publish, "w", encoding="utf-8") as file:
            file.write(published.id)
        print("Published", published.name, published.continue_on_step_failure)


if __name__ == "__main__":
    main()
