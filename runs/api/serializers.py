"""Bodies that the REST of runs reads, and what its answers look like (for the OpenAPI document)."""

from __future__ import annotations

from rest_framework import serializers as s

from runs.models import Attempt, Experiment, Run

AT_MOST = 256


class ExperimentIn(s.Serializer):  # type: ignore[type-arg]
    name = s.CharField(trim_whitespace=False)
    description = s.CharField(required=False, allow_blank=True, default="")


class ExperimentChange(s.Serializer):  # type: ignore[type-arg]
    name = s.CharField(required=False, trim_whitespace=False)
    description = s.CharField(required=False, allow_blank=True)
    tags = s.DictField(required=False)
    archived = s.BooleanField(required=False)


class ExperimentOut(s.ModelSerializer):  # type: ignore[type-arg]
    # Said here, for the databases differ in how far their integers go.
    run_count = s.IntegerField(read_only=True)

    class Meta:
        model = Experiment
        fields = ("id", "name", "description", "tags", "run_count", "last_run_at", "created_at", "archived_at")


class ExperimentPage(s.Serializer):  # type: ignore[type-arg]
    items = ExperimentOut(many=True)
    next = s.CharField(allow_null=True)


class MissingIn(s.Serializer):  # type: ignore[type-arg]
    digests = s.ListField(child=s.RegexField(r"^[0-9a-f]{64}$"))


class MissingOut(s.Serializer):  # type: ignore[type-arg]
    missing = s.ListField(child=s.CharField())


class SizeOut(s.Serializer):  # type: ignore[type-arg]
    size = s.IntegerField()


class SnapshotFile(s.Serializer):  # type: ignore[type-arg]
    path = s.CharField()
    digest = s.CharField()
    size = s.IntegerField(min_value=0)
    executable = s.BooleanField(required=False, default=False)


class Manifest(s.Serializer):  # type: ignore[type-arg]
    schema = s.IntegerField(required=False, default=1)
    files = SnapshotFile(many=True)


class SnapshotOut(s.Serializer):  # type: ignore[type-arg]
    digest = s.CharField()
    file_count = s.IntegerField()
    size = s.IntegerField()
    files = SnapshotFile(many=True)


class RunIn(s.Serializer):  # type: ignore[type-arg]
    """The graph is checked by the rules of docs/wire.md, not here."""

    experiment = s.CharField(trim_whitespace=False)
    kind = s.ChoiceField(["pipeline", "script", "sweep", "automl", "interactive"], default="pipeline")
    graph = s.DictField(required=False)
    parameters = s.DictField(required=False, default=dict)
    tags = s.DictField(required=False, default=dict)
    properties = s.DictField(required=False, default=dict)
    regenerate_outputs = s.BooleanField(required=False, default=False)
    continue_on_step_failure = s.BooleanField(required=False, allow_null=True, default=None)
    display_name = s.CharField(required=False, allow_blank=True, allow_null=True, max_length=AT_MOST, default="")
    description = s.CharField(required=False, allow_blank=True, allow_null=True, default="")
    priority = s.IntegerField(
        required=False,
        default=0,
        min_value=-100,
        max_value=100,
        help_text="Of several that wait, the higher goes first.",
    )
    parent = s.UUIDField(  # type: ignore[assignment]
        required=False, allow_null=True, default=None, help_text="For an interactive run: the run that it belongs to."
    )
    resume_from = s.UUIDField(
        required=False,
        allow_null=True,
        default=None,
        help_text="For a pipeline: a failed or canceled run whose finished steps are adopted where they are the same.",
    )


class ChildIn(s.Serializer):  # type: ignore[type-arg]
    """One interactive run below another."""

    display_name = s.CharField(required=False, allow_blank=True, allow_null=True, max_length=AT_MOST, default="")
    tags = s.DictField(required=False, default=dict)


class ChildrenIn(s.Serializer):  # type: ignore[type-arg]
    """Interactive runs that are opened at once."""

    children = s.ListField(child=ChildIn(), min_length=1, max_length=500)


class RunChange(s.Serializer):  # type: ignore[type-arg]
    display_name = s.CharField(required=False, allow_blank=True, max_length=AT_MOST)
    description = s.CharField(required=False, allow_blank=True)
    tags = s.DictField(required=False)
    properties = s.DictField(required=False)
    archived = s.BooleanField(required=False)


class ResubmitIn(s.Serializer):  # type: ignore[type-arg]
    parameters = s.DictField(required=False, allow_null=True, default=None)
    regenerate_outputs = s.BooleanField(required=False, default=False)


class DraftCheckIn(s.Serializer):  # type: ignore[type-arg]
    parameters = s.DictField(required=False, allow_null=True, default=None)


class DraftSubmitIn(DraftCheckIn):
    experiment = s.CharField(
        required=False, default="", allow_blank=True, trim_whitespace=False, help_text="Empty: that of the draft."
    )
    regenerate_outputs = s.BooleanField(required=False, default=False)


class ProblemOut(s.Serializer):  # type: ignore[type-arg]
    code = s.CharField()
    message = s.CharField()
    step = s.CharField(allow_null=True)


class ProblemsOut(s.Serializer):  # type: ignore[type-arg]
    problems = ProblemOut(many=True)


class ResumeIn(s.Serializer):  # type: ignore[type-arg]
    parameters = s.DictField(required=False, allow_null=True, default=None)


class ResumeLine(s.Serializer):  # type: ignore[type-arg]
    node = s.CharField()
    name = s.CharField()
    outcome = s.ChoiceField(["adopted", "runs", "later"])
    code = s.CharField()
    text = s.CharField()
    differences = s.ListField(child=s.DictField())


class ResumeReason(s.Serializer):  # type: ignore[type-arg]
    outcome = s.ChoiceField(["adopted", "runs", "later"])
    code = s.CharField()
    count = s.IntegerField()


class ResumePreview(s.Serializer):  # type: ignore[type-arg]
    run = s.UUIDField()
    number = s.IntegerField()
    adopted = s.IntegerField()
    runs = s.IntegerField()
    later = s.IntegerField()
    reasons = ResumeReason(many=True)
    steps = ResumeLine(many=True)
    next = s.CharField(allow_null=True)


class UsageSeries(s.Serializer):  # type: ignore[type-arg]
    name = s.ChoiceField(["cpu", "memory", "read", "written", "gpu", "gpu_memory"])
    unit = s.ChoiceField(["cores", "bytes", "bytes_per_second", "share"])
    device = s.CharField(required=False, help_text="UUID of the device, for `gpu` and `gpu_memory`.")
    peak = s.FloatField(allow_null=True)
    points = s.ListField(
        child=s.ListField(child=s.FloatField()), help_text="[seconds since the first sample, value], at most 600."
    )


class Usage(s.Serializer):  # type: ignore[type-arg]
    attempt = s.IntegerField()
    final = s.BooleanField()
    removed_at = s.DateTimeField(allow_null=True)
    cores = s.FloatField(allow_null=True, help_text="Of a node of the size that the step ran on.")
    memory = s.IntegerField(allow_null=True)
    peak_memory = s.IntegerField(allow_null=True)
    cpu_seconds = s.FloatField(allow_null=True)
    series = UsageSeries(many=True)


class LaunchFile(s.Serializer):  # type: ignore[type-arg]
    path = s.CharField()
    size = s.IntegerField()
    digest = s.CharField(allow_null=True, help_text="sha256, where it is known.")
    executable = s.BooleanField(required=False, help_text="Of a file of the snapshot.")
    address = s.CharField(help_text="Where its bytes are read, below the workspace's address.")


class LaunchSnapshot(s.Serializer):  # type: ignore[type-arg]
    digest = s.CharField(allow_blank=True)
    files = LaunchFile(many=True)


class LaunchEnvironment(s.Serializer):  # type: ignore[type-arg]
    name = s.CharField(allow_blank=True)
    version = s.IntegerField(allow_null=True)
    user_managed = s.BooleanField()
    interpreter = s.CharField(allow_null=True)
    python = s.CharField(allow_null=True, help_text="The version of its Python.")
    lock = s.CharField(allow_null=True, help_text="Its exact packages.")
    definition = s.DictField(help_text="As it was written, without its variables.")
    image = s.CharField(allow_null=True)
    variables = s.DictField(child=s.CharField(), help_text="Of the environment and the step, without secrets.")
    withheld = s.ListField(child=s.CharField(), help_text="Names of variables that look like secrets.")
    r = s.DictField(allow_null=True)


class LaunchInput(s.Serializer):  # type: ignore[type-arg]
    name = s.CharField()
    mode = s.CharField()
    path_on_compute = s.CharField(allow_null=True)
    is_file = s.BooleanField()
    file_name = s.CharField(allow_null=True)
    dataset = s.CharField(allow_null=True, help_text="Id of the dataset version that it reads.")
    partition_format = s.CharField(allow_null=True)
    origin = s.CharField(help_text="Where it comes from: step/output, dataset:version or datastore/path.")
    files = LaunchFile(many=True, help_text="None for a dataset that the script opens itself (`direct`).")


class LaunchOutput(s.Serializer):  # type: ignore[type-arg]
    name = s.CharField()
    kind = s.CharField()
    is_directory = s.BooleanField(allow_null=True)
    path_on_compute = s.CharField(allow_null=True)


class Launch(s.Serializer):  # type: ignore[type-arg]
    run = s.UUIDField()
    root = s.UUIDField()  # type: ignore[assignment]
    reused_by = s.UUIDField(allow_null=True, help_text="The run that was asked for, where it reused this one.")
    step = s.CharField()
    experiment = s.CharField()
    status = s.CharField()
    kind = s.CharField()
    step_type = s.CharField()
    script = s.CharField(allow_blank=True)
    arguments = s.ListField(help_text='Texts, numbers, and bindings: `{"input": name}`, `{"output": name}`.')
    params = s.DictField(child=s.CharField())
    settings = s.DictField()
    snapshot = LaunchSnapshot()
    environment = LaunchEnvironment()
    inputs = LaunchInput(many=True)
    outputs = LaunchOutput(many=True)
    variables = s.DictField(child=s.CharField(), help_text="Of the run; no token.")
    distribution = s.DictField(allow_null=True)
    secrets = s.ListField(
        child=s.CharField(), help_text="Secret parameters: `${DUTO_SECRET_NAME}` stands in the place of each value."
    )


class FailIn(s.Serializer):  # type: ignore[type-arg]
    message = s.CharField(required=False, allow_blank=True, allow_null=True, default="")
    code = s.CharField(required=False, allow_blank=True, allow_null=True, default="", max_length=255)


class RankOut(s.Serializer):  # type: ignore[type-arg]
    rank = s.IntegerField()
    role = s.CharField(help_text="`worker`, or `ps`: a server of parameters.")
    log_size = s.IntegerField()
    exit_code = s.IntegerField(allow_null=True)
    signal = s.IntegerField(allow_null=True)
    was_ended = s.BooleanField(help_text="Since another one had failed, or was needed no more.")


class TransferOut(s.Serializer):  # type: ignore[type-arg]
    done = s.IntegerField(help_text="Bytes that are there.")
    total = s.IntegerField(help_text="Bytes of all files.")
    files = s.IntegerField(help_text="Files that are there.")
    files_total = s.IntegerField()
    cached = s.IntegerField(help_text="Bytes, of those that are done, that the host had already.")
    files_cached = s.IntegerField()
    seconds = s.FloatField(help_text="From the first byte to the last so far.")
    rate = s.IntegerField(help_text="Bytes a second in the last five seconds.")
    at = s.DateTimeField(help_text="When this was told.")


class TransfersOut(s.Serializer):  # type: ignore[type-arg]
    """The ways that bytes of the attempt went; a way that nothing went is absent."""

    inputs = TransferOut(required=False, help_text="Inputs to its host, over a network.")
    uploads = TransferOut(required=False, help_text="Outputs and files of the run from its host to the studio.")
    outputs = TransferOut(required=False, help_text="Outputs to a datastore that lies elsewhere.")


class _AttemptOut(s.Serializer):  # type: ignore[type-arg]
    id = s.UUIDField()
    number = s.IntegerField()
    status = s.CharField()
    queued_at = s.DateTimeField(allow_null=True)
    preparing_at = s.DateTimeField(allow_null=True)
    started_at = s.DateTimeField(allow_null=True)
    finished_at = s.DateTimeField(allow_null=True)
    exit_code = s.IntegerField(allow_null=True)
    signal = s.IntegerField(allow_null=True)
    cause = s.CharField(allow_null=True)
    message = s.CharField()
    traceback = s.DictField(allow_null=True)
    usage = s.DictField(allow_null=True)
    transfers = TransfersOut(allow_null=True, help_text="How far its bytes are, and how they came.")
    proof = s.DictField(allow_null=True, help_text="What was left after its processes were ended.")
    not_before = s.DateTimeField(allow_null=True, help_text="A retry with a delay is not placed before.")
    warnings = s.ListField()
    log_size = s.IntegerField()
    log_final = s.BooleanField()
    ranks = RankOut(many=True, help_text="The processes of a step that has several, each with a log.")
    host = s.CharField(allow_null=True)
    node = s.CharField(allow_null=True)


class AttemptMemberOut(_AttemptOut):
    node_rank = s.IntegerField()


class AttemptOut(_AttemptOut):
    members = AttemptMemberOut(many=True, required=False, help_text="Of a step on several nodes what there is on each.")


class StepOut(s.Serializer):  # type: ignore[type-arg]
    id = s.CharField()
    name = s.CharField()
    script = s.CharField(required=False)
    compute = s.CharField(allow_null=True)
    snapshot = s.CharField(allow_null=True)
    environment_version = s.UUIDField(allow_null=True)
    allow_reuse = s.BooleanField()
    fingerprint = s.CharField(allow_null=True)
    waiting = s.ListField(child=s.DictField())
    attempts = AttemptOut(many=True, required=False)


class RunOut(s.Serializer):  # type: ignore[type-arg]
    """`graph` and `step.attempts` come with one run, not with lists."""

    id = s.UUIDField()
    kind = s.ChoiceField(Run.Kind.choices)
    number = s.IntegerField()
    name = s.CharField()
    display_name = s.CharField()
    description = s.CharField()
    experiment = s.CharField()
    workspace = s.CharField()
    parent = s.UUIDField(allow_null=True)  # type: ignore[assignment]
    root = s.UUIDField()  # type: ignore[assignment]
    status = s.ChoiceField(Run.Status.choices)
    is_reused = s.BooleanField()
    reused_from = s.UUIDField(allow_null=True)
    version = s.IntegerField()
    priority = s.IntegerField()
    created_at = s.DateTimeField()
    queued_at = s.DateTimeField(allow_null=True)
    preparing_at = s.DateTimeField(allow_null=True)
    started_at = s.DateTimeField(allow_null=True)
    finalizing_at = s.DateTimeField(allow_null=True)
    finished_at = s.DateTimeField(allow_null=True)
    archived_at = s.DateTimeField(allow_null=True)
    submitted_by = s.CharField(allow_null=True)
    cancel_requested_by = s.CharField(allow_null=True)
    trigger = s.DictField()
    published_pipeline_id = s.UUIDField(allow_null=True)
    cloned_from = s.UUIDField(allow_null=True)
    resumed_from = s.UUIDField(allow_null=True)
    parameters = s.DictField()
    tags = s.DictField()
    properties = s.DictField()
    error = s.DictField(allow_null=True)
    warnings = s.ListField()
    steps_count = s.DictField(child=s.IntegerField())
    steps_reused = s.IntegerField()
    url = s.CharField()
    graph = s.DictField(required=False, allow_null=True)
    graph_url = s.CharField(
        required=False, help_text="Where the run is told with its graph, when that is too long to be sent back."
    )
    step = StepOut(required=False)


class RunPage(s.Serializer):  # type: ignore[type-arg]
    items = RunOut(many=True)
    next = s.CharField(allow_null=True)


class Records(s.Serializer):  # type: ignore[type-arg]
    records = s.ListField(child=s.DictField())


class RecordsOut(s.Serializer):  # type: ignore[type-arg]
    accepted = s.IntegerField()
    problems = s.ListField(child=s.CharField(), required=False)


class SeriesOut(s.Serializer):  # type: ignore[type-arg]
    run = s.UUIDField()
    name = s.CharField()
    kind = s.CharField()
    count = s.IntegerField()
    thinned = s.BooleanField()
    points = s.ListField(child=s.ListField(), help_text="[index, value, time]")
    columns = s.ListField(child=s.CharField(), required=False)
    description = s.CharField(help_text="What the script says that it is; may be empty.")


class MetricsOut(s.Serializer):  # type: ignore[type-arg]
    metrics = SeriesOut(many=True)
    total = s.IntegerField(help_text="Series that there are: of more than 500 the first are told of here.")


class PointsOut(s.Serializer):  # type: ignore[type-arg]
    run = s.UUIDField()
    name = s.CharField()
    kind = s.CharField()
    first = s.IntegerField(help_text="Series are in the order of this number as they were logged.")
    points = s.ListField(child=s.ListField(), help_text="[index, value, time]")


class PointPage(s.Serializer):  # type: ignore[type-arg]
    items = PointsOut(many=True)
    next = s.CharField(allow_null=True)


class ArtifactOut(s.Serializer):  # type: ignore[type-arg]
    path = s.CharField()
    size = s.IntegerField()
    digest = s.CharField(allow_blank=True)
    attempt = s.IntegerField(allow_null=True)
    content_type = s.CharField()


class ArtifactPage(s.Serializer):  # type: ignore[type-arg]
    items = ArtifactOut(many=True)
    next = s.CharField(allow_null=True)


class OutputOut(s.Serializer):  # type: ignore[type-arg]
    name = s.CharField()
    run = s.UUIDField()
    datastore = s.CharField()
    path = s.CharField()
    is_directory = s.BooleanField()
    digest = s.CharField()
    size = s.IntegerField()
    file_count = s.IntegerField()
    dataset_version = s.UUIDField(allow_null=True)
    linked_version = s.UUIDField(
        allow_null=True, help_text="Of an output that links a dataset: the version that it links."
    )
    removed_at = s.DateTimeField(allow_null=True, help_text="When the workspace's retention took its files away.")


class OutputList(s.Serializer):  # type: ignore[type-arg]
    items = OutputOut(many=True)


class UseOut(s.Serializer):  # type: ignore[type-arg]
    run = s.UUIDField()
    root = s.UUIDField()  # type: ignore[assignment]
    number = s.IntegerField()
    experiment = s.CharField()
    display_name = s.CharField()
    step = s.CharField(allow_null=True)
    name = s.CharField()
    status = s.ChoiceField(Run.Status.choices)
    created_at = s.DateTimeField()


class UsePage(s.Serializer):  # type: ignore[type-arg]
    items = UseOut(many=True)
    next = s.CharField(allow_null=True)


class AttemptUse(UseOut):
    attempt = s.IntegerField()
    attempt_status = s.ChoiceField(Attempt.Status.choices)
    node = s.CharField()
    started_at = s.DateTimeField(allow_null=True)
    finished_at = s.DateTimeField(allow_null=True)


class AttemptUsePage(s.Serializer):  # type: ignore[type-arg]
    items = AttemptUse(many=True)
    next = s.CharField(allow_null=True)


class InputOut(s.Serializer):  # type: ignore[type-arg]
    kind = s.ChoiceField(["dataset", "model"])
    id = s.CharField(help_text="Of a version of a dataset its id, of a model `name:version`.")
    name = s.CharField(allow_null=True)
    version = s.IntegerField(allow_null=True)
    input = s.CharField(allow_null=True, help_text="The name that the step or its script gave it.")
    run = s.UUIDField(allow_null=True, help_text="The step that reads it.")
    is_there = s.BooleanField(help_text="Whether the workspace still has it.")


class InputPage(s.Serializer):  # type: ignore[type-arg]
    items = InputOut(many=True)
    next = s.CharField(allow_null=True)


class FileOut(s.Serializer):  # type: ignore[type-arg]
    path = s.CharField()
    size = s.IntegerField()
    digest = s.CharField()


class FileList(s.Serializer):  # type: ignore[type-arg]
    items = FileOut(many=True)


class ChangedFile(s.Serializer):  # type: ignore[type-arg]
    path = s.CharField()
    change = s.ChoiceField(["added", "removed", "changed"])
    old_size = s.IntegerField(allow_null=True)
    new_size = s.IntegerField(allow_null=True)
    binary = s.BooleanField()
    diff = s.CharField(allow_null=True)


class StepDifference(s.Serializer):  # type: ignore[type-arg]
    step = s.CharField()
    old = s.CharField(allow_null=True)
    new = s.CharField(allow_null=True)
    files = ChangedFile(many=True)


class CodeDifference(s.Serializer):  # type: ignore[type-arg]
    run = s.UUIDField()
    other = s.UUIDField()
    items = StepDifference(many=True)


class DeletePreview(s.Serializer):  # type: ignore[type-arg]
    frees = s.DictField(child=s.IntegerField())
    breaks = s.DictField()


class PaletteItem(s.Serializer):  # type: ignore[type-arg]
    kind = s.CharField()
    name = s.CharField()
    detail = s.CharField()
    url = s.CharField()


class Palette(s.Serializer):  # type: ignore[type-arg]
    items = PaletteItem(many=True)


class TriggerIn(s.Serializer):  # type: ignore[type-arg]
    """Azure ML's own names; what this studio has no use for is ignored."""

    ExperimentName = s.CharField(required=False, allow_blank=True, allow_null=True, default="", trim_whitespace=False)
    ParameterAssignments = s.DictField(required=False, allow_null=True, default=dict)
    DataPathAssignments = s.DictField(required=False, allow_null=True, default=dict)
    DataSetDefinitionValueAssignments = s.DictField(required=False, allow_null=True, default=dict)
    Tags = s.DictField(required=False, allow_null=True, default=dict)
    Description = s.CharField(required=False, allow_blank=True, allow_null=True, default="")
    DisplayName = s.CharField(required=False, allow_blank=True, allow_null=True, default="")
    RunSource = s.CharField(required=False, allow_blank=True, allow_null=True, default="")
    ContinueRunOnStepFailure = s.BooleanField(required=False, allow_null=True, default=None)


class TriggerOut(s.Serializer):  # type: ignore[type-arg]
    Id = s.UUIDField()
    RunUrl = s.CharField()
    Status = s.CharField()


class TrialOut(s.Serializer):  # type: ignore[type-arg]
    run = s.UUIDField()
    number = s.IntegerField()
    status = s.ChoiceField(Run.Status.choices)
    hyperparameters = s.DictField(help_text="Values by name.")
    best_primary_metric = s.FloatField(allow_null=True, help_text="The best that it has logged; null for none.")
    logged = s.IntegerField(help_text="How often it has logged the primary metric.")
    stopped = s.CharField(allow_null=True, help_text="Why the sweep stopped it.")
    resumed_from = s.UUIDField(allow_null=True, help_text="The trial of an earlier sweep that it goes on from.")


class Trials(s.Serializer):  # type: ignore[type-arg]
    metric = s.CharField(help_text="The primary metric.")
    goal = s.ChoiceField(["maximize", "minimize"])
    items = TrialOut(many=True)
