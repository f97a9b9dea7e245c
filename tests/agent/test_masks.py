"""A secret that a script was given is `***` in its log, wherever its output was cut."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import textwrap
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duto_agent.shim.masks import LARGEST_VALUE, MASK, MOST_TEXTS, SHORTEST, Masks
from tests.agent.steps import Steps, until

SDK = Path(__file__).resolve().parents[2] / "sdk/duto/src"


def masked(values: list[bytes], pieces: list[bytes]) -> bytes:
    masks = Masks()
    for value in values:
        assert masks.add(value)
    return b"".join([*map(masks.hide, pieces), masks.hide(b"", is_last=True)])


@pytest.mark.parametrize(
    ("values", "said", "shown"),
    [
        ([b"hunter2"], b"it is hunter2, hunter2hunter2.", b"it is ***, ******."),
        ([b"abcd", b"abcdef"], b"abcd abcdef abcde", b"*** *** ***e"),
        # What overlaps is one: nothing of the second is left.
        ([b"secretab", b"abXYZW"], b"-secretabXYZW-", b"-***-"),
        ([b"aaaa"], b"aaaaaaa b aaa", b"*** b aaa"),
        ([b"abc"], b"abc", b"abc"),
        (["äöü".encode()], "äöü".encode(), "äöü".encode()),
        (["äöüß".encode()], "äöüß!".encode(), b"***!"),
        ([b"  token\n"], b"<token>", b"<***>"),
        ([b"-- BEGIN\nline one\nline two\n--\n"], b"[1] line one\n[2] line two\n", b"[1] ***\n[2] ***\n"),
        ([b"-- BEGIN\nline one\n"], b"-- BEGIN\nline one\nrest", b"***rest"),
        ([b"\xff\xfe\xff\xfe"], b"\x00\xff\xfe\xff\xfe", b"\x00***"),
    ],
)
def test_what_is_hidden_is_hidden_however_it_is_cut(values: list[bytes], said: bytes, shown: bytes) -> None:
    for size in range(1, len(said) + 1):
        assert masked(values, [said[at : at + size] for at in range(0, len(said), size)]) == shown


@given(
    st.lists(st.text("ab", min_size=SHORTEST, max_size=SHORTEST + 2).map(str.encode), min_size=1, max_size=3),
    st.lists(st.text("ab", max_size=5).map(str.encode), max_size=12),
)
def test_the_cuts_change_nothing_and_no_value_is_left(values: list[bytes], pieces: list[bytes]) -> None:
    shown, whole = masked(values, pieces), b"".join(pieces)
    assert shown == masked(values, [whole])
    assert not any(value in part for value in values for part in shown.split(MASK))
    # What is not hidden stands there as it was, in its order.
    rest, at = shown.split(MASK), 0
    for part in rest:
        at = whole.index(part, at) + len(part)


def test_what_may_begin_a_value_waits_and_nothing_else() -> None:
    masks = Masks()
    masks.add(b"hunter2")
    assert masks.hide(b"a line\nhun") == b"a line\n"
    assert masks.hide(b"dred") == b"hundred"
    assert masks.hide(b"hunter") == b"" and masks.hide(b"", is_last=True) == b"hunter"


SECRET = 'it\'s "5 % of ä/b\\c" & more + x'


@pytest.mark.parametrize(
    "spelling",
    [
        json.dumps(SECRET), json.dumps({"password": SECRET}, ensure_ascii=False), repr(SECRET), str([SECRET]), quote(SECRET),
        quote(SECRET, safe=""), urlencode({"p": SECRET}), shlex.quote(SECRET), "'" + SECRET.replace("'", r"'\''") + "'",
        base64.b64encode(SECRET.encode()).decode(), base64.urlsafe_b64encode(SECRET.encode()).decode(),
        base64.b64encode(SECRET.encode() + b"\n").decode(), SECRET.replace("/", "\\/"),
    ],
)  # fmt: skip
def test_it_is_hidden_as_other_programs_spell_it(spelling: str) -> None:
    masks = Masks()
    masks.add(SECRET.encode())
    shown = masks.hide(f"<{spelling}>".encode(), is_last=True)
    assert b"***" in shown and not any(part in shown.decode() for part in ("5 %", "5%", "more", "b\\c", "c%22"))
    assert len(shown) < 30, shown


def test_a_shell_spells_it_otherwise_and_it_is_hidden() -> None:
    masks = Masks()
    masks.add(SECRET.encode())
    lines = subprocess.run(
        ["bash", "-c", 'set -x; : "$0"; printf "%q\\n" "$0"; base64 <<< "$0"; echo -n "$0" | base64', SECRET * 1],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ).stdout  # fmt: skip
    shown = masks.hide(lines, is_last=True)
    assert shown.count(b"***") >= 4 and b"more" not in shown
    assert not any(base64.b64encode(SECRET.encode())[at : at + 8] in shown for at in range(0, 24, 4))


def test_base64_in_lines_is_hidden() -> None:
    masks = Masks()
    value = b"-----BEGIN KEY-----\n" + b"0123456789abcdef" * 20
    masks.add(value)
    assert set(masks.hide(base64.encodebytes(value), is_last=True).replace(b"=", b"").split()) == {b"***"}


def test_there_is_an_end_to_what_is_kept() -> None:
    masks = Masks()
    taken = [masks.add(b"%05d" % number * 5_000) for number in range(400)]
    assert taken[0] and not taken[-1]
    masks = Masks()
    taken = [masks.add(b"%05d" % number) for number in range(MOST_TEXTS)]
    first = taken.index(False)
    assert first > MOST_TEXTS / 4 and not any(taken[first:])


def test_what_the_script_has_in_any_case_is_hidden_however_much_it_is() -> None:
    masks = Masks()
    values = [b"\n".join(b"%s%04d" % (key, number) for number in range(3_600)) for key in (b"a", b"b", b"c")]
    assert all(masks.add(value, is_given=True) for value in values)
    assert masks.hide(b"c3599 of the last", is_last=True) == b"*** of the last"
    assert not masks.add(b"asked for later")


def say(steps: Steps, code: str, folder: str = "tmp") -> tuple[bytes, int | None, Path]:
    """What a script's log holds that asks the shim as the SDK does."""
    head = f"import sys\nsys.path.insert(0, {str(SDK)!r})\nfrom duto.client.masking import hide\n"
    launch = steps.launch(head + textwrap.dedent(code))
    directory = steps.launcher.directory(launch.key)
    (directory / folder).mkdir(parents=True)
    launch = replace(launch, env={**launch.env, "DUTO_MASKS": str(directory / folder / "masks")})
    steps.launcher.ensure(launch)
    probe = steps.wait(launch.key)
    assert probe.verdict is not None
    return (directory / "log.data").read_bytes(), probe.verdict["exit_code"], directory


@pytest.mark.parametrize("folder", ["tmp", "deep/" + "d" * 150])
def test_a_script_asks_before_it_knows_the_value(steps: Steps, folder: str) -> None:
    log, code, directory = say(steps, """
        import os, subprocess
        print("hunter2 before")
        hide(["hunter2", "ab"])
        print("hunter2 and ab")
        os.write(1, b"hun"); os.write(2, b"ter2\\n")
        subprocess.run([sys.executable, "-c", "print('hunter2', 5)"], check=True)
        # Also what it starts may ask, which has none of its open files.
        ask = f"import sys; sys.path.insert(0, {sys.path[0]!r}); from duto.client.masking import hide; hide(['second'])"
        subprocess.run([sys.executable, "-c", ask], check=True)
        sys.stdout.write("second hunter")
    """, folder)  # fmt: skip
    assert (log, code) == (b"hunter2 before\n*** and ab\n***\n*** 5\n*** hunter", 0)
    kept = [path for path in directory.rglob("*") if path.is_file() and path.name not in ("script.py", "log.data")]
    assert kept and not any(b"hunter2" in path.read_bytes() for path in kept)


def test_what_the_studio_wants_hidden_is_so_from_the_first_byte(steps: Steps) -> None:
    probe, directory = steps.run("import sys; print('hunter2'); sys.exit('no hunter2')", masks=("hunter2",))
    assert (directory / "log.data").read_bytes() == b"***\nno ***\n"
    assert probe.verdict is not None and "hunter2" not in str(probe.verdict)


def test_a_traceback_hides_it_and_so_does_the_verdict(steps: Steps) -> None:
    log, code, directory = say(steps, """
        hide(["hunter2"])
        raise SystemError("refused for hunter2")
    """)  # fmt: skip
    assert code == 1 and b"SystemError: refused for ***" in log
    assert b"for hunter2" not in (directory / "status.json").read_bytes()


def test_a_flood_keeps_every_byte(steps: Steps) -> None:
    log, _, _ = say(steps, """
        hide(["line 77 of", "x" * 25_000])
        for number in range(50_000): sys.stdout.write(f"line {number} of many\\n")
    """)  # fmt: skip
    assert log == b"".join(b"*** many\n" if n == 77 else b"line %d of many\n" % n for n in range(50_000))


def test_a_step_whose_log_cannot_hide_it_is_given_no_secret(steps: Steps) -> None:
    log, code, _ = say(steps, """
        import os
        os.unlink(os.environ["DUTO_MASKS"])
        hide(["hunter2"])
        print("never")
    """)  # fmt: skip
    assert code == 1 and b"No secret is given to this step" in log and b"never" not in log


def test_a_script_that_only_holds_the_door_open_is_ended_on_time(steps: Steps) -> None:
    code = f"""
import os, socket, time
callers = []
for _ in range(80):
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    caller.connect(os.environ["DUTO_MASKS"])
    callers.append(caller)
callers[0].send(b"x" * {LARGEST_VALUE + 1})
print(callers[0].recv(1).decode(), flush=True)
time.sleep(60)
"""
    launch = steps.launch(code)
    directory = steps.launcher.directory(launch.key)
    (directory / "tmp").mkdir()
    steps.launcher.ensure(replace(launch, env={**launch.env, "DUTO_MASKS": str(directory / "tmp/masks")}))
    until(lambda: (directory / "log.data").exists() and (directory / "log.data").read_bytes() == b"-\n")
    steps.launcher.signal(launch.key, 0)
    probe = steps.wait(launch.key)
    assert probe.verdict is not None and probe.verdict["canceled"]
    assert (directory / "tmp/masks").stat().st_mode & 0o777 == 0o600
