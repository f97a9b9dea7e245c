"""A workspace with something on every page, and people who look at it."""

from __future__ import annotations

import copy
import hashlib
import io
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from playwright.sync_api import sync_playwright

from compute.models import Host, Node
from core.clock import now
from core.storage import artifact_store
from datasets.models import DatasetVersion, ProfileRun
from datasets.services import profiling, registration
from datasets.services.datastores import put_file
from datasets.services.versions import save
from environments.services.versions import register
from notifications.models import Delivery, DeliveryAttempt, Occurrence
from notifications.services import channels, matching, rules
from pipelines.models import PublishedPipeline
from pipelines.services import drafts, endpoint_access, endpoints, modules
from registry.models import ModelVersion, RegisteredModel
from runs.models import Artifact, Experiment, MetricPoint, Output, Run
from runs.services.submission.drafts import submit as submit_draft
from runs.services.submission.publish import publish_run, trigger_endpoint
from schedules import stored_messages
from schedules.models import Schedule, Tick
from schedules.services import backfills, schedules
from studio.testing.plugin import find_chromium
from tests.conftest import FLAGS, STEP_MS, begin_anew
from tests.monitor_scenario import a_monitor
from tests.web.kept import Kept
from tests.web.step_kinds import StepKinds
from workspaces.models import Member, Role, User

PARAMETERS = [
    {"name": "trees", "type": "int", "default": 200},
    {"name": "rate", "type": "float", "default": 0.1},
    {"name": "scale", "type": "bool", "default": True},
    {"name": "note", "type": "string", "default": "nightly"},
]
TRACE = {"file": "step.py", "line": 1, "text": "ValueError: Input contains NaN."}
ERROR = {
    "cause": "user_error",
    "message": "ValueError: Input contains NaN.",
    "exit_code": 1,
    "signal": None,
    "traceback": TRACE,
}


# Pages of `Site.everything` that readers have no use for, and do not get.
FOR_CONTRIBUTORS = {
    "new rule", "rule", "new schedule", "schedule of an endpoint", "edit schedule", "backfill", "new store",
    "credentials of a store", "new monitor", "edit monitor",
}  # fmt: skip
# Those that contributors do not get either.
FOR_OWNERS = {"new channel", "channel"}


class Visitor(Client):
    """Sees a page as one line: without the breaks of its template, blanks of a text as one, and none beside a tag."""

    def request(self, **request: Any) -> Any:
        answer = super().request(**request)
        if answer.get("Content-Type", "").startswith("text/html") and not answer.streaming:
            parts = re.split(r"(<pre\b.*?</pre>)", answer.content.decode(), flags=re.DOTALL)
            parts[::2] = map(_in_one_line, parts[::2])
            answer.content = "".join(parts).encode()
        return answer


def _in_one_line(text: str) -> str:
    """Plain replacements: patterns took a seventh of the time of a page."""
    line = " ".join(f"<{text}>".split())[1:-1]
    for wide, narrow in ((" <", "<"), (" />", "/>"), (" >", ">"), ("> ", ">")):
        line = line.replace(wide, narrow)
    return line


class People(dict[str, Client]):
    """Who looks at pages; each signs in when first asked for."""

    def __init__(self, users: dict[str, User]) -> None:
        super().__init__()
        self.users = users

    def __missing__(self, who: str) -> Client:
        self[who] = visitor(self.users[who])
        return self[who]


def visitor(user: User) -> Client:
    client = Visitor()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


class Site(StepKinds):
    """The pages, as each kind of person sees them."""

    def __init__(self) -> None:
        super().__init__()
        users = {"owner": self.owner, "stranger": User.objects.create_user("mallory")}
        for role in (Role.CONTRIBUTOR, Role.READER):
            users[role.value] = User.objects.create_user(f"a-{role.value}")
            Member.objects.create(workspace=self.workspace, user=users[role.value], role=role)
        self.people = People(users)

        self.pages: dict[str, str] = {}

    def again(self) -> Site:
        """The same rows in other hands: what one test has changed in memory is not for the next."""
        made = Site.__new__(Site)
        vars(made).update(
            {name: copy.deepcopy(value) for name, value in vars(self).items() if not isinstance(value, Client | People)}
        )
        for name in ("client", "agent"):
            setattr(made, name, Client(headers={"Authorization": getattr(self, name).defaults["HTTP_AUTHORIZATION"]}))
        made.people = People({name: copy.deepcopy(user) for name, user in self.people.users.items()})
        return made

    @property
    def page(self) -> Client:
        return self.people["owner"]

    def visitor(self, user: User) -> Client:
        return visitor(user)

    def see(self, at: str, /, who: str = "owner", **query: Any) -> Any:
        return self.people[who].get(f"/w/lab/{at}", query)

    def send(self, at: str, /, who: str = "owner", **values: Any) -> Any:
        return self.people[who].post(f"/w/lab/{at}", values)

    def put_store(self, path: str, source: Path) -> None:
        """A file of this machine on the default datastore."""
        with source.open("rb") as body:
            put_file(self.context, "workspaceblobstore", path, body, overwrite=True)

    def person(self, name: str) -> User:
        return User.objects.get(username=name)

    def queries(self, at: str, /, **query: Any) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert self.see(at, **query).status_code == 200
        return len(seen)

    # --- something on every page ---

    def pipeline(self, *chart: Any, **fields: Any) -> Run:
        """As in the lab, counted by its experiment as submit does."""
        root = super().pipeline(*chart, **fields)
        Experiment.objects.filter(pk=self.experiment.pk).update(run_count=root.number)
        return root

    def profiled(self, version: DatasetVersion) -> ProfileRun:
        """The profile of a table, as a worker makes it."""
        run = profiling.submit(self.context, version)
        profiling.carry(run.pk)
        return profiling.get_run(self.workspace, run.pk)

    def dataset(self, name: str = "penguins") -> DatasetVersion:
        put_file(
            self.context,
            "workspaceblobstore",
            "raw/p.csv",
            io.BytesIO(b"species,mass\nAdelie,3700\nGentoo,\n"),
            overwrite=True,
        )
        definition = {
            "sources": [{"datastore": "workspaceblobstore", "path": "raw/p.csv"}],
            "format": {"separator": ","},
        }
        return save(self.context, name, "tabular", definition)

    def failed(self) -> Run:
        """A pipeline whose second step failed at its second attempt."""
        root = self.pipeline(
            "prepare -> train",
            status="Completed",
            display_name="nightly",
            graph=self.graph(parameters=PARAMETERS),
            parameters={"trees": 300},
        )
        train = self.step(root, "train")
        moment = now()
        error = {**ERROR, "step": "train", "run": str(train.pk), "failed_steps": ["train"], "attempt": 2}
        Run.objects.filter(pk__in=[root.pk, train.pk]).update(
            status="Failed", error=error, started_at=moment - timedelta(seconds=50), finished_at=moment
        )
        self.attempt(train, 1, "lost")
        self.attempt(train, 2, "failed", log_size=0, log_sealed_at=moment)
        return Run.objects.get(pk=root.pk)

    def filled(self) -> Run:
        """A completed run of one step with metrics, a table, pictures, a page and an output."""
        root = self.pipeline("prepare -> train", status="Completed", graph=self.graph(parameters=PARAMETERS))
        train = self.step(root, "train")
        self.attempt(train, 1, "completed", log_sealed_at=now())
        at = now()
        for place in range(3):
            MetricPoint.objects.create(run=train, name="loss", kind="scalar", index=place, value=1 / (1 + place), at=at)
        MetricPoint.objects.create(
            run=train, name="scores", kind="table", index=0, data={"species": ["Adelie", "<b>"], "f1": [0.9]}, at=at
        )
        for path, text in (
            ("images/curve.svg", "<svg onload='x'/>"),
            ("outputs/report.html", "<script>alert(1)</script>"),
            ("outputs/m.json", "{}"),
        ):
            artifact_store(self.workspace.pk).write(f"artifacts/{train.pk}/{path}", io.BytesIO(text.encode()))
            Artifact.objects.create(run=train, path=path, size=len(text))
        put_file(self.context, "workspaceblobstore", "azureml/x/model/deep/a.json", io.BytesIO(b"{}"), overwrite=True)
        files = [{"path": "deep/a.json", "size": 2, "digest": hashlib.sha256(b"{}").hexdigest()}]
        Output.objects.create(
            run=train,
            name="model",
            datastore="workspaceblobstore",
            path="azureml/x/model",
            digest="0",
            files=files,
            file_count=1,
            size=2,
        )
        return root

    def interactive(self) -> tuple[Run, Run]:
        """A run that a program has opened with a number, a text, a table, files and a child run, and that child run."""
        run = self.post("runs/", {"experiment": "Notebook", "kind": "interactive", "display_name": "by hand"}).json()[
            "id"
        ]
        records = [
            {"op": "metric", "name": "loss", "kind": "scalar", "value": 0.5},
            {"op": "metric", "name": "verdict", "kind": "scalar", "value": "a text of some length " * 9},
            {"op": "metric", "name": "grid", "kind": "row", "value": {"depth": 3, "score": 0.9}},
        ]
        assert self.post(f"runs/{run}/metrics/", {"records": records}).status_code == 200
        for path in ("outputs/report.txt", "images/curve.svg"):
            assert self.put(f"runs/{run}/artifacts/{path}", b"<svg/>").status_code == 201
        below = {"experiment": "Notebook", "kind": "interactive", "parent": run, "display_name": "fold 1"}
        child = self.post("runs/", below).json()["id"]
        self.post(f"runs/{child}/metrics/", {"records": records[:1]})
        return Run.objects.get(pk=run), Run.objects.get(pk=child)

    def notified(self, failed: Run, pipeline: PublishedPipeline) -> None:
        """Rules, channels, a mute, and messages: one that waits, one that was given up, one of the owner's own."""
        hook = {"name": "ops", "kind": "webhook", "url": "https://hooks.example.org/x"}
        channel, _key = channels.create(self.context, hook)
        asked = {"name": "failures", "events": ["failed", "late"], "channels": [channel.pk]}
        rule = rules.create(self.context, asked)
        rules.create(
            self.context, {"name": "mine", "is_own": True, "scope": "mine", "events": ["failed"], "by_browser": True}
        )
        rules.mute_pipeline(self.context, pipeline.pk, now() + timedelta(hours=5))
        Occurrence.objects.create(workspace=self.workspace, kind="run", subject=failed.pk)
        matching.match_all()
        delivery = Delivery.objects.get(rule=rule)
        Delivery.objects.filter(pk=delivery.pk).update(status="dead", why="It answers 503.", tries=8)
        DeliveryAttempt.objects.create(
            delivery=delivery, number=1, started_at=now(), seconds=0.3, code=503, error="It answers 503.", answer="busy"
        )

    def far_store(self) -> str:
        """A datastore that nobody answers for."""
        options = {"host": "store.example", "database": "shop", "username": "ana"}
        registration.register(self.context, "far", "postgresql", options, {"password": "p"}, validate=False)
        return "far"

    def everything(self) -> dict[str, str]:
        """Every page's path by name, each with real content; also as `pages` from then on."""
        version, failed, filled = self.dataset(), self.failed(), self.filled()
        self.profiled(version)
        pipeline = publish_run(self.context, filled, name="nightly", version="1.0")
        register(self.context, {"name": "slim", "python": {"version": "3.11", "packages": ["pandas"]}})
        Node.objects.create(
            compute_target=self.cluster,
            host=self.host,
            name="cpu-0",
            cores=1,
            memory=1,
            warning="It has less than it asks for.",
        )
        model = RegisteredModel.objects.create(workspace=self.workspace, name="forest", latest_version=1)
        held = ModelVersion.objects.create(model=model, version=1, run_id=filled.pk, file_count=1, size=2)
        artifact_store(self.workspace.pk).write(f"{held.prefix}/m.json", io.BytesIO(b"{}"))
        module = modules.create(self.context, "add", "Adds numbers.")
        endpoint = endpoints.create(self.context, "scoring", pipeline, "Scores what came in.")
        other = publish_run(self.context, failed, name="nightly", version="2.0")
        endpoints.add(self.context, endpoint, other)
        trigger_endpoint(self.context, endpoint, experiment="Palmer experiment")
        endpoint_access.create_token(self.context, endpoint, "Client A", expires_in_days=90)
        draft = drafts.create(self.context, {"run_id": filled.pk, "tags": {"team": "penguins"}})
        submit_draft(self.context, draft)
        night = {"frequency": "Day", "interval": 1, "time_of_day": "02:30", "time_zone": "Europe/Lisbon"}
        asked = {"name": "every night", "endpoint": endpoint.pk, "timetable": night, "parameters": {"trees": 100}}
        schedule = schedules.create(self.context, asked)
        for number, status in enumerate(("fired", "skipped", "failed", "queued", "due")):
            at = now() - timedelta(days=number + 1)
            run = failed if status == "fired" else None
            reason = stored_messages.keep("overlaps", number=7) if status == "skipped" else {}
            Tick.objects.create(
                schedule=schedule, due_at=at, fires_at=at + timedelta(days=30), settled_at=at, status=status, run=run, reason=reason
            )  # fmt: skip
        week = (now() - timedelta(days=20), now() - timedelta(days=13))
        backfills.create(self.context, schedule, *week, parallel=2)
        Tick.objects.filter(status="held", due_at__lt=week[0] + timedelta(days=3)).update(
            status="fired", settled_at=now(), run=None
        )
        Schedule.objects.update(next_at=now() + timedelta(hours=5))
        paused = schedules.create(
            self.context, {"name": "old", "pipeline": pipeline.pk, "timetable": {"cron": "0 4 * * 1-5"}}
        )
        schedules.change(self.context, paused, {"status": "Disabled", "pause_reason": "Holidays"})
        self.notified(failed, pipeline)
        monitor = a_monitor(self.context, pipeline=pipeline.pk)
        drifted, calm, failed_one = (monitor.windows.order_by("start_at")[place].pk for place in (10, 0, 7))
        code = self.snapshot(add_py="print('sum')\n")
        modules.publish(self.context, module, {"kind": "module", "script": "add.py", "snapshot": code.digest})
        of_step = ("logs", "metrics", "usage", "images", "outputs", "inputs", "code", "environment", "why")
        tabs = {f"tab {tab}": f"runs/{filled.pk}/?step=train&tab={tab}" for tab in of_step}
        opened, child = self.interactive()
        of_run = ("metrics", "images", "outputs", "children", "details")
        tabs |= {f"interactive {tab}": f"runs/{opened.pk}/?tab={tab}" for tab in of_run}
        tuned, trial = self.sweep()
        found = Delivery.objects.get(status="dead")
        tabs |= {"trials": f"runs/{tuned.pk}/?step=tune&tab=trials", "trial": f"runs/{trial.pk}/"}
        tabs |= {"searched": f"runs/{self.searched().pk}/?step=search&tab=trials"}
        tabs |= {"mini-batches": f"runs/{self.parallel().pk}/?step=score&tab=batches"}
        tabs |= {"stages": f"runs/{self.spark().pk}/?step=count&tab=stages"}
        tabs |= {"ranks": f"runs/{self.ranked().pk}/?step=train&tab=logs"}
        tabs |= {"child run": f"runs/{child.pk}/", "run itself": f"runs/{filled.pk}/?of=run&tab=details"}
        tabs |= {"one file": f"runs/{filled.pk}/?step=train&tab=outputs&folder=outputs&file=outputs/m.json"}
        self.pages = {
            "home": "", "runs": "runs/", "failed run": f"runs/{failed.pk}/", "timeline": f"runs/{failed.pk}/?view=timeline",
            "table": f"runs/{failed.pk}/?view=table", **tabs, "experiments": "experiments/", "experiment": "experiments/Palmer experiment/",
            "pipelines": "pipelines/", "pipeline": f"pipelines/{pipeline.pk}/", "datasets": "data/", "dataset": "data/sets/penguins/",
            "preview": "data/sets/penguins/?part=preview", "profile": "data/profile/penguins/", "differences": "data/differences/penguins/", "stores": "data/stores/", "new store": "data/new-store/?kind=s3", "far store": f"data/stores/{self.far_store()}/", "credentials of a store": "data/stores/far/credentials/", "store": "data/stores/workspaceblobstore/?path=raw",
            "compute": "compute/", "cluster": "compute/clusters/cpu/", "host": "compute/hosts/alpha/", "host of a day": "compute/hosts/alpha/?window=day", "environments": "environments/", "environment": "environments/named/slim/",
            "endpoints": "endpoints/", "endpoint": f"endpoints/{endpoint.pk}/",
            "versions of an endpoint": f"endpoints/{endpoint.pk}/?version=1&compare=0",
            "monitors": "monitors/", "monitor": f"monitors/{monitor.pk}/", "new monitor": "monitors/new/", "edit monitor": f"monitors/{monitor.pk}/edit/",
            "window": f"monitors/{monitor.pk}/windows/{drifted}/", "calm window": f"monitors/{monitor.pk}/windows/{calm}/",
            "failed window": f"monitors/{monitor.pk}/windows/{failed_one}/", "monitors of it": "monitors/of/?dataset=sightings",
            "schedules": "schedules/", "schedule": f"schedules/{schedule.pk}/", "new schedule": "schedules/new/",
            "schedule of an endpoint": f"schedules/new/?of=endpoint:{endpoint.pk}", "edit schedule": f"schedules/{schedule.pk}/edit/",
            "calendar": "schedules/calendar/?zone=Europe/Lisbon", "month": "schedules/calendar/?view=month&zone=Europe/Lisbon",
            "backfill": f"schedules/{schedule.pk}/backfill/?start={week[0] - timedelta(days=3):%Y-%m-%dT%H:%M}&end={week[1]:%Y-%m-%dT%H:%M}&parallel=2",
            "notifications": "settings/notifications/", "new rule of one's own": "settings/notifications/rules/new/?own=1", "new rule": "settings/notifications/rules/new/",
            "rule": f"settings/notifications/rules/{found.rule_id}/", "new channel": "settings/notifications/channels/new/", "channel": f"settings/notifications/channels/{found.channel_id}/",
            "deliveries": "settings/notifications/deliveries/", "delivery": f"settings/notifications/deliveries/{found.pk}/",
            "drafts": "drafts/", "draft": f"drafts/{draft.pk}/",
            "modules": "modules/", "module": f"modules/{module.pk}/",
            "models": "models/", "model": "models/named/forest/", "settings": "settings/", "workspace": "settings/workspace/", "people": "settings/people/",
            "who uses it": f"runs/of/dataset/?of={version.pk}", "who used the cluster": "runs/of/cluster/steps/?of=cpu", "who holds it": "runs/of/cluster/?name=cpu", "who is on it": "runs/of/host/?name=alpha",
            "who used the host": "runs/of/host/steps/?of=alpha", "who used the model": f"runs/of/model/?of={held.pk}",
        }  # fmt: skip
        return self.pages


class _Inline(HTMLParser):
    """Finds what a strict policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given and given.get("type") != "application/json"):
            self.found.append(f"<{tag}>")
        self.found += [
            f"{tag} {name}"
            for name, value in attrs
            if name == "style"
            or re.match(r"on[a-z]", name)
            or name == "hx-on"
            or (value or "").startswith("javascript:")
        ]


def inline_parts(html: str) -> list[str]:
    parser = _Inline()
    parser.feed(html)
    return parser.found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser of this module's own: Playwright's loop must be gone when asynchronous tests begin."""
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS, *sandbox])
        yield browser
        browser.close()


def new_context(chromium: Any) -> Any:
    context = chromium.new_context(viewport={"width": 1440, "height": 810})
    context.set_default_timeout(STEP_MS)
    return context


@pytest.fixture(scope="module")
def window(chromium: Any) -> Iterator[Any]:
    """A context that one test after the other opens its page in; its first page stays, or the window would close."""
    context = new_context(chromium)
    context.new_page()
    yield context
    context.close()


@pytest.fixture
def page(window: Any) -> Iterator[Any]:
    made = window.new_page()
    yield made
    made.close()
    begin_anew(window)


@pytest.fixture
def own_page(chromium: Any) -> Iterator[Any]:
    """For a test that changes what all pages of a context have, as their clock."""
    context = new_context(chromium)
    yield context.new_page()
    context.close()


@pytest.fixture
def site(db: None) -> Site:
    return Site()


# A site with everything, and its rows.
_made: list[tuple[Site, Kept]] = []


def full_site() -> Site:
    """A site with everything, in an empty database: made once a process, for it takes two seconds."""
    if not _made:
        site = Site()
        site.everything()
        _made.append((site, Kept.of_now()))
    first, kept = _made[0]
    if Run.objects.exists():  # it has just been made
        return first.again()
    kept.put()
    # Time has gone on, and whoever was silent for a while would be taken for lost.
    Host.objects.update(last_seen_at=now())
    return first.again()


@pytest.fixture
def full(db: None) -> Site:
    return full_site()
