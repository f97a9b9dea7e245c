"""What goes wrong in the hands of people: each has a clear refusal or a clear end, and nothing is lost."""

from __future__ import annotations

import http.client
import io
import zipfile
from typing import Any

import httpx
import pytest

from tests.live.studio import BARE, CLUSTER, LiveRun, Studio

pytestmark = pytest.mark.slow

STORE = "workspaceblobstore"
FLOOD = 100_000


def failed(studio: Studio, code: str, **step: Any) -> tuple[LiveRun, dict[str, Any]]:
    """Run one script that must fail; the run, and the error of its step."""
    run = studio.submit({"step": code}, **step).wait("Failed")
    error = run.step("step")["error"]
    assert run.facts["error"]["step"] == "step"
    assert run.facts["error"]["cause"] == error["cause"]
    return run, error


# --- scripts ---


def test_a_script_that_exits_3_fails_with_its_code(live_studio: Studio) -> None:
    run, error = failed(live_studio, "print('bye')\nraise SystemExit(3)")
    assert (error["cause"], error["exit_code"]) == ("user_error", 3)
    assert "exit code 3" in error["message"]
    assert run.log("step") == b"bye\n"


def test_a_script_that_raises_is_told_with_file_and_line(live_studio: Studio) -> None:
    run, error = failed(live_studio, "print('before')\n\nraise ValueError('Input contains NaN.')")
    assert error["cause"] == "user_error"
    assert error["message"].startswith("ValueError: Input contains NaN.")
    trace = error["traceback"]
    assert (trace["file"], trace["line"], trace["text"]) == ("step.py", 3, "ValueError: Input contains NaN.")
    assert b"before\n" in run.log("step") and b"Traceback" in run.log("step")


def test_a_script_that_is_killed_is_told_so_and_keeps_its_output(live_studio: Studio) -> None:
    run, error = failed(live_studio, "import os\nprint('here', flush=True)\nos.kill(os.getpid(), 9)")
    assert (error["cause"], error["signal"]) == ("user_error", 9)
    assert "SIGKILL" in error["message"]
    assert run.log("step") == b"here\n"


def test_a_hundred_thousand_lines_in_a_second_arrive_byte_by_byte(live_studio: Studio) -> None:
    code = f"import sys\nsys.stdout.write(''.join(f'line {{n:06d}}\\n' for n in range({FLOOD})))"
    run = live_studio.submit({"step": code}).wait()
    assert run.log("step") == b"".join(b"line %06d\n" % n for n in range(FLOOD))


def test_bytes_that_are_no_text_are_kept_as_they_came(live_studio: Studio) -> None:
    odd = b"\xff\xfe caf\xe9\n\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J\n<script>alert(1)</script>\n\0end\r\n"
    run = live_studio.submit({"step": f"import sys\nsys.stdout.buffer.write({odd!r})"}).wait()
    assert run.log("step") == odd
    window = live_studio.rest("GET", f"runs/{run.step('step')['id']}/log/")
    assert window.headers["content-type"].startswith("text/plain")
    assert window.headers["x-content-type-options"] == "nosniff"


def test_an_output_that_was_not_written_is_named_in_plain_words(live_studio: Studio) -> None:
    outputs = [{"name": "model", "kind": "pipeline_data", "datastore": STORE}]
    _, error = failed(live_studio, "print('I forgot')", outputs=outputs, arguments=["--out", {"output": "model"}])
    assert error["cause"] == "user_error"
    assert "'model'" in error["message"] and "without writing" in error["message"]


def test_a_folder_that_the_script_has_to_make_is_explained(live_studio: Studio) -> None:
    code = "import sys, pathlib\npathlib.Path(sys.argv[1], 'a', 'm.json').write_text('{}')"
    outputs = [{"name": "model", "kind": "pipeline_data", "datastore": STORE}]
    _, error = failed(live_studio, code, outputs=outputs, arguments=[{"output": "model"}])
    assert "makedirs" in error["message"]


def test_a_package_that_does_not_exist_fails_the_step_and_the_build_log_can_be_read(live_studio: Studio) -> None:
    environment = {"name": "odd", "python": {"version": "3.11", "packages": ["duto-no-such-package-anywhere==9.9"]}}
    run, error = failed(live_studio, "print('never')", environment=environment)
    assert error["cause"] == "environment"
    assert "duto-no-such-package-anywhere" in error["message"]
    version = live_studio.get("environments/odd/versions/latest/")
    assert version["build"]["status"] == "failed"
    log = live_studio.rest("GET", f"environment-builds/{version['build']['id']}/log/")
    assert log.status_code == 200 and "duto-no-such-package-anywhere" in log.text
    assert run.step("step")["status"] == "Failed"


def test_what_depended_on_a_failed_step_is_skipped_and_says_why(live_studio: Studio) -> None:
    run = live_studio.submit({"one": "raise SystemExit(1)", "two": "print(2)"}, {"two": ["one"]}).wait("Failed")
    second = run.step("two")
    assert second["status"] == "Skipped"
    assert "one" in second["error"]["message"]


# --- graphs ---


def refused(
    studio: Studio, change: dict[str, Any], code: str, scripts: tuple[str, ...] = ("step",), **body: Any
) -> str:
    """The message of a submit that must be refused; no run comes of it."""
    graph = studio.graph(dict.fromkeys(scripts, "print(1)"))
    graph.update({key: value for key, value in change.items() if key != "step"})
    for step in graph["steps"]:
        step.update(change.get("step", {}))
    experiment = f"Refused {code} {len(body)} {len(change)}"
    asked = {"experiment": experiment, "kind": "pipeline", "graph": graph, **body}
    error = studio.refusal("POST", "runs/", 422, json=asked)
    assert error["code"] == code, error
    assert studio.get("runs/", experiment=experiment)["items"] == []
    return str(error["message"])


def test_an_unknown_script_is_refused_at_submit(live_studio: Studio) -> None:
    assert "nowhere.py" in refused(live_studio, {"step": {"script": "nowhere.py"}}, "missing_script")


@pytest.mark.parametrize("script", ["../step.py", "/etc/passwd", "a/../../step.py"])
def test_a_script_outside_of_its_folder_is_refused(live_studio: Studio, script: str) -> None:
    assert "outside" in refused(live_studio, {"step": {"script": script}}, "missing_script")


def test_a_cycle_is_refused_with_its_path(live_studio: Studio) -> None:
    graph = live_studio.graph({"a": "1", "b": "2", "c": "3"}, {"a": ["c"], "b": ["a"], "c": ["b"]})
    message = refused(live_studio, graph, "cycle", ("a", "b", "c"))
    assert "→" in message and all(name in message for name in "abc")


def test_an_undeclared_parameter_is_refused(live_studio: Studio) -> None:
    message = refused(live_studio, {"step": {"arguments": ["--lr", {"parameter": "lr"}]}}, "undeclared_parameter")
    assert "lr" in message
    message = refused(live_studio, {}, "undeclared_parameter", parameters={"rate": 1})
    assert "rate" in message


@pytest.mark.parametrize("value", ["many", 1.5, True, None, [1]])
def test_a_parameter_of_the_wrong_type_is_refused(live_studio: Studio, value: Any) -> None:
    declared = {"parameters": [{"name": "rounds", "type": "int", "default": 1}]}
    message = refused(live_studio, declared, "wrong_type", parameters={"rounds": value})
    assert "'rounds' is a whole number" in message


def test_an_unknown_compute_is_refused_with_the_known_ones(live_studio: Studio) -> None:
    message = refused(live_studio, {"step": {"compute": "gpu"}}, "unknown_compute")
    assert "'gpu'" in message and CLUSTER in message


def test_an_unknown_environment_is_refused(live_studio: Studio) -> None:
    graph = live_studio.graph({"step": "1"}, environment={"name": "nothing-of-the-kind"})
    answer = live_studio.rest("POST", "runs/", json={"experiment": "Refused", "graph": graph, "kind": "pipeline"})
    assert answer.status_code in (404, 422), answer.text
    assert "nothing-of-the-kind" in answer.json()["error"]["message"]


def test_all_problems_are_told_at_once(live_studio: Studio) -> None:
    graph = live_studio.graph({"a": "1", "b": "2"}, {"a": ["b"], "b": ["a"]}, arguments=[{"parameter": "x"}])
    error = live_studio.refusal(
        "POST", "runs/", 422, json={"experiment": "Refused", "graph": graph, "kind": "pipeline"}
    )
    assert {"cycle", "undeclared_parameter"} <= {problem["code"] for problem in error["facts"]["problems"]}


@pytest.mark.parametrize(
    "graph", [None, [], "graph", {}, {"schema": 9}, {"schema": 1, "steps": "x"}, {"schema": 1, "steps": [None, 3, []]},
              {"schema": 1, "steps": [{"id": 1, "inputs": 4, "outputs": {}, "arguments": 7}]},
              {"schema": 1, "steps": [], "parameters": [{"name": "\0", "type": "int", "default": "x"}]}]
)  # fmt: skip
def test_a_graph_that_is_none_is_refused(live_studio: Studio, graph: Any) -> None:
    answer = live_studio.rest("POST", "runs/", json={"experiment": "Refused", "kind": "pipeline", "graph": graph})
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["", " ", "x" * 500, "a\0b", "../../x", "🐧"])
def test_an_odd_experiment_is_taken_or_refused(live_studio: Studio, name: str) -> None:
    graph = live_studio.graph({"step": "print(1)"})
    answer = live_studio.rest("POST", "runs/", json={"experiment": name, "kind": "pipeline", "graph": graph})
    assert answer.status_code in (201, 400, 422), answer.text


# --- data ---


def put(studio: Studio, path: str, data: bytes) -> str:
    answer = studio.rest("PUT", f"datastores/{STORE}/files/{path}", params={"overwrite": 1}, content=data)
    assert answer.status_code == 201, answer.text
    return path


def dataset(kind: str, path: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "definition": {"sources": [{"datastore": STORE, "path": path}]}, **more}


def test_a_dataset_that_is_missing_is_refused(live_studio: Studio) -> None:
    step = {"inputs": [{"name": "raw", "from": {"dataset": "01a2039c-0435-7430-9aec-fcf2576d24bc"}, "mode": "mount"}]}
    assert "raw" in refused(live_studio, {"step": step}, "missing_data")
    assert live_studio.refusal("GET", "datasets/nothing/versions/latest/", 404)["code"] == "unknown_dataset"


def test_a_path_without_a_match_is_refused_at_registration(live_studio: Studio) -> None:
    error = live_studio.refusal("POST", "datasets/", 422, json=dataset("file", "nowhere/*.csv", name="none"))
    assert "nowhere/*.csv" in error["message"]
    assert live_studio.refusal("GET", "datasets/none/", 404)


def test_a_path_without_a_match_fails_the_step_that_reads_it(live_studio: Studio) -> None:
    put(live_studio, "gone/a.txt", b"a")
    version = live_studio.post("datasets/", dataset("file", "gone/*.txt"))
    assert live_studio.rest("DELETE", f"datastores/{STORE}/files/gone/a.txt").status_code == 204
    inputs = [{"name": "raw", "from": {"dataset": version["id"]}, "mode": "download"}]
    run = live_studio.submit({"step": "print(1)"}, inputs=inputs, arguments=[{"input": "raw"}]).wait("Failed")
    error = run.step("step")["error"]
    assert error["cause"] == "data_missing"
    assert "gone/*.txt" in error["message"]


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"<!doctype html><title>Sign in</title>", b"a,b\n1,2,3,4\n", b"a,b\n\xff\xfe"]
)  # fmt: skip
def test_a_csv_that_is_none_is_refused(live_studio: Studio, data: bytes) -> None:
    put(live_studio, "bad/data.csv", data)
    error = live_studio.refusal("POST", "datasets/", 422, json=dataset("tabular", "bad/data.csv", name="bad-table"))
    assert error["code"] == "not_a_table"
    assert "/tmp" not in error["message"] and str(live_studio.data_dir) not in error["message"]


@pytest.mark.parametrize(
    "path", ["..", "../x", "a/../../x", "%2e%2e/%2e%2e/secret", "..%2f..%2fsecret", "a/%00", "C:/x", "\\\\host\\x"]
)
def test_names_with_dots_stay_inside_their_datastore(live_studio: Studio, path: str) -> None:
    # Not by httpx, which would tidy the path up before it leaves.
    place = f"/api/v1/workspaces/main/datastores/{STORE}/files/{path}"
    for method in ("GET", "PUT", "DELETE"):
        connection = http.client.HTTPConnection("127.0.0.1", int(live_studio.port), timeout=60)
        connection.request(method, place, body=b"x", headers={"Authorization": f"Bearer {live_studio.token()}"})
        answer = connection.getresponse()
        assert answer.status in (400, 404), (method, path, answer.status, answer.read())
        connection.close()
    assert not (live_studio.data_dir / "x").exists()


@pytest.mark.parametrize("path", ["../evil.py", "/etc/evil.py", "a/../../evil.py", "", ".", "a\\..\\..\\evil.py"])
def test_a_snapshot_with_names_that_leave_their_folder_is_refused(live_studio: Studio, path: str) -> None:
    known = live_studio.snapshot({"step.py": "print(1)"})
    file = live_studio.get(f"snapshots/{known}/")["files"][0]
    error = live_studio.refusal("POST", "snapshots/", 422, json={"schema": 1, "files": [{**file, "path": path}]})
    assert error["code"] == "bad_manifest"


def test_a_zip_with_names_that_leave_their_folder_is_only_bytes(live_studio: Studio) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../evil.txt", "evil")
    put(live_studio, "zips/evil.zip", packed.getvalue())
    version = live_studio.post("datasets/", dataset("file", "zips/*.zip"))
    code = "import pathlib, sys\nprint(sorted(path.name for path in pathlib.Path(sys.argv[1]).rglob('*.zip')))"
    inputs = [{"name": "raw", "from": {"dataset": version["id"]}, "mode": "download"}]
    run = live_studio.submit({"step": code}, inputs=inputs, arguments=[{"input": "raw"}]).wait()
    assert run.log("step") == b"['evil.zip']\n"
    assert not list(live_studio.data_dir.rglob("evil.txt"))


@pytest.mark.parametrize("name", ["../x", "a/../../b", "..", "\0"])
def test_an_artifact_cannot_be_put_outside_of_its_run(live_studio: Studio, name: str) -> None:
    run = live_studio.post("runs/", {"experiment": "Odd names", "kind": "interactive"})["id"]
    code = f"""
from azureml.core import Run
run = Run.get_context()
open('x.txt', 'w').write('x')
try:
    run.upload_file({name!r}, 'x.txt')
except Exception as error:
    print('refused:', error)
"""
    done = live_studio.submit({"step": code}).wait()
    assert b"refused:" in done.log("step"), done.log("step")
    live_studio.post(f"runs/{run}/complete/")


# --- limits and keys ---


def test_a_snapshot_over_the_limit_is_refused_with_its_biggest_files(live_studio: Studio) -> None:
    digest = "0" * 64
    files = [{"path": f"{n}.bin", "digest": digest, "size": 900_000 + n, "executable": False} for n in range(4)]
    error = live_studio.refusal("POST", "snapshots/", 422, json={"schema": 1, "files": files})
    assert error["code"] == "snapshot_too_large"
    assert "3.bin" in error["message"]
    many = [{"path": f"f{n:04d}", "digest": digest, "size": 1, "executable": False} for n in range(201)]
    assert (
        live_studio.refusal("POST", "snapshots/", 422, json={"schema": 1, "files": many})["code"]
        == "snapshot_too_large"
    )


def test_one_file_over_the_limit_is_refused(live_studio: Studio) -> None:
    data = b"x" * 2_000_001
    answer = live_studio.rest(
        "PUT", f"blobs/{'0' * 64}/", content=data, headers={"Content-Type": "application/octet-stream"}
    )
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] in ("snapshot_too_large", "too_large")


def test_a_body_that_is_too_large_is_refused(live_studio: Studio) -> None:
    error = live_studio.refusal("POST", "runs/", 413, json={"experiment": "x" * 2_100_000})
    assert error["code"] == "too_large"

    def endless() -> Any:
        for _ in range(40):
            yield b" " * 100_000

    headers = {"Authorization": f"Bearer {live_studio.token()}", "Content-Type": "application/json"}
    try:
        answer = httpx.post(
            f"{live_studio.url}/api/v1/workspaces/main/runs/", content=endless(), headers=headers, timeout=60
        )
    except httpx.TransportError:
        return  # the studio hung up on a body that never ended, which is an answer, too
    assert answer.status_code == 413


def test_a_body_that_is_no_json_is_refused(live_studio: Studio) -> None:
    deep = b'{"graph": ' + b"[" * 300 + b"]" * 300 + b"}"
    for data in (b"{", b"\xff\xfe", b"[" * 5000, b"null", b"3", deep):
        answer = live_studio.rest("POST", "runs/", content=data, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, (data, answer.text)
        assert answer.json()["error"]["code"] == "invalid"


def test_a_token_that_is_revoked_opens_nothing_any_more(live_studio: Studio) -> None:
    made = live_studio.rest("POST", "tokens/", role="owner", json={"name": "short", "role": "contributor"}).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    address = f"{live_studio.url}/api/v1/workspaces/main/runs/"
    assert httpx.get(address, headers=headers).status_code == 200
    assert live_studio.rest("DELETE", f"tokens/{made['id']}/", role="owner").status_code == 204
    answer = httpx.get(address, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "token_revoked"


def test_the_token_of_a_step_that_ended_opens_nothing_any_more(live_studio: Studio) -> None:
    code = "import os\nprint(os.environ['AZUREML_RUN_TOKEN'])"
    run = live_studio.submit({"step": code}, environment=BARE).wait()
    token = run.log("step").decode().strip()
    address = f"{live_studio.url}/api/v1/workspaces/main/runs/"
    assert httpx.get(address, headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize("token", ["duto_", "x" * 10_000, "duto_run_", "..", "%00"])
def test_a_token_that_is_none_is_refused(live_studio: Studio, token: str) -> None:
    answer = httpx.get(f"{live_studio.url}/api/v1/me/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
