"""What is kept about a failure is English with a code and facts, and each reader is told it in their language."""

from __future__ import annotations

import pytest
from django.utils import translation

from duto.spec import fingerprint
from runs import differences, stored_messages
from runs.models import Attempt, Run
from runs.services.orchestration import failures

PROOF = {"signals": ["TERM"], "left_over": 0, "seconds": 0.1}


@pytest.mark.parametrize(
    ("error", "english", "portuguese"),
    [
        (failures.skipped(["check", "train"]), "Skipped: it needs check, train.", "Ignorado: precisa de check, train."),
        (failures.skipped([]), "Skipped: another step failed", "Ignorado: outro passo falhou"),
        (failures.compute_gone("cpu"), "The compute target 'cpu' was deleted", "O destino de computação 'cpu' foi eliminado"),
        (failures.canceled_by("ana"), "Canceled by ana.", "Cancelado por ana."),
        (failures.canceled_by(""), "Canceled.", "Cancelado."),
        (failures.kept("user_error", "failed_above", {}), "The run above it failed", "A execução acima falhou"),
        (failures.kept("canceled", "canceled_above", {}), "Canceled with the run above", "Cancelado com a execução acima"),
        (
            failures.kept("host_lost", "attempt_above", {"attempt": 2}),
            "Attempt 2 of the step above it ended",
            "A tentativa 2 do passo acima terminou",
        ),
        (
            failures.canceled_by("ana, who deleted the cluster cpu"),
            "Canceled by ana, who deleted the cluster cpu.",
            "Cancelado por ana, que eliminou o cluster cpu.",
        ),
        (failures.canceled_by(stored_messages.ANOTHER_STEP), "Canceled by another step's failure.", "Cancelado por falha de outro passo."),
    ],
)  # fmt: skip
def test_how_a_step_ended_is_told_in_the_readers_language(error, english, portuguese):
    assert error["message"].startswith(english) and stored_messages.error_text(error) == error["message"]
    with translation.override("pt-pt"):
        assert stored_messages.error_text(error).startswith(portuguese)


def test_the_proof_behind_a_cancel_is_told_in_the_readers_language_too():
    attempt = Attempt(number=2, proof=PROOF, run=Run(cancel_requested_by="ana"))
    with translation.override("pt-pt"):
        error = failures.canceled(attempt)
        assert error["message"] == "Canceled by ana. Ended with TERM in 0.1 s, nothing left running."
        assert stored_messages.error_text(error).startswith("Cancelado por ana. Terminado com TERM em 0,1 s")


def test_why_a_dataset_cannot_be_read_is_told_in_the_readers_language():
    for code, text, portuguese in (
        ("still_fetching", "The dataset 'a' version 1 is still being fetched from the web. Try again when it is ready.", "O conjunto de dados 'a' version 1 ainda"),
        ("too_large", "The dataset 'a' version 1 cannot be used. It has 5 GB.", "O conjunto de dados 'a' version 1 não pode ser usado. It has 5 GB."),
    ):  # fmt: skip
        error = {"message": text, "said": {"code": code, "facts": {"what": "'a' version 1"}}}
        assert stored_messages.error_text(error) == text
        with translation.override("pt-pt"):
            assert stored_messages.error_text(error).startswith(portuguese), stored_messages.error_text(error)


def test_what_differs_is_told_part_by_part_in_the_readers_language():
    before = {"parts": {
        "snapshot": "a", "script": "a.py", "arguments": ["--lr", "0.1", "--data", {"input": "raw"}, "--old", "1"],
        "inputs": {"raw": ["a", "mount"]}, "parameters": {"seed": 1}, "environment": "a", "outputs": [["model", "file"]],
        "variables": {"A": "x"}, "params": {}, "version": None,
    }}  # fmt: skip
    after = {"parts": {
        "snapshot": "b", "script": "b.py", "arguments": ["--lr", "0.2", "--data", {"input": "clean"}, "--new", "1"],
        "inputs": {"clean": ["a", "mount"]}, "parameters": {"seed": 2}, "environment": "b", "outputs": [["model", "dir"]],
        "variables": {}, "params": {"p": 1}, "version": "2",
    }}  # fmt: skip
    found = [each.to_document() for each in fingerprint.compare(before, after)]
    found += [
        each.to_document() for each in fingerprint.compare_files({"a.py": "1", "b": "1"}, {"a.py": "2", "c": "1"})
    ]
    assert [differences.localized(each) for each in found] == [each["text"] for each in found]
    with translation.override("pt-pt"):
        said = [differences.localized(each) for each in found]
        assert not {each["text"] for each in found} & {*said} - {"`--lr` 0.1 → 0.2", "script a.py → b.py"}
    for expected in (
        "os ficheiros da pasta de origem mudaram", "script a.py → b.py", "`--lr` 0.1 → 0.2", "`--old` já não existe",
        "`--data` a entrada raw → a entrada clean", "entrada `clean`: é nova", "parâmetro `seed`: 1 → 2",
        "os pacotes do ambiente mudaram", "saída `model`: mudou", "variável `A`: já não existe", "versão nenhum → 2",
        "`a.py` mudou", "`c` é novo",
    ):  # fmt: skip
        assert expected in said, said


def test_a_difference_that_another_studio_says_otherwise_is_told_as_it_is():
    with translation.override("pt-pt"):
        assert differences.localized({"part": "x", "name": "y", "text": "y is odd"}) == "y is odd"
        assert differences.part_word("x") == "x" and differences.part_word("outputs") == "saídas"


def test_why_a_step_is_not_taken_over_is_told_in_the_readers_language():
    found = [
        {"part": "snapshot", "name": f"{n}.py", "old": "a", "new": "b", "text": f"`{n}.py` changed"} for n in range(7)
    ]
    text = f"{stored_messages.say('failed_there', number=3)} {stored_messages.since(found)}"
    kept = {"code": "unfinished", "text": text, "differences": found, "compared_with": {"number": 3}}
    assert text.endswith(
        "Since then: `0.py` changed, `1.py` changed, `2.py` changed, `3.py` changed, `4.py` changed, and 2 more."
    )
    unread = {"code": "unhashable", "text": stored_messages.say("unhashable", name="a`b")}
    adopted = {
        "code": "adopted",
        "text": f"{stored_messages.say('adopted', number=3)} {stored_messages.not_compared('x')}",
        "compared_with": {"number": 3},
    }
    for each in (kept, unread, adopted):
        assert stored_messages.localized(each) == each["text"]
    with translation.override("pt-pt"):
        assert stored_messages.localized(kept).startswith("Falhou em #3. Desde então: `0.py` mudou, ")
        assert stored_messages.localized(kept).endswith(", e mais 2.")
        assert stored_messages.localized(unread).startswith(
            "Não reutilizado: não é possível saber o que a entrada `a`b` contém sem a ler por completo."
        )
        assert "a entrada `x` contém não foi comparado" in stored_messages.localized(adopted)
