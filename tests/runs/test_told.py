"""What is kept about a failure is English with a code and facts, and each reader is told it in their language."""

from __future__ import annotations

import pytest
from django.utils import translation

from runs import told
from runs.models import Attempt, Run
from runs.services import failures

PROOF = {"signals": ["TERM"], "left_over": 0, "seconds": 0.1}


@pytest.mark.parametrize(
    ("error", "english", "portuguese"),
    [
        (failures.skipped(["check", "train"]), "Skipped: it needs check, train.", "Ignorado: precisa de check, train."),
        (failures.skipped([]), "Skipped: another step failed", "Ignorado: outro passo falhou"),
        (failures.compute_gone("cpu"), "The compute target 'cpu' was deleted", "O destino de computação 'cpu' foi eliminado"),
        (failures.canceled_by("ana"), "Canceled by ana.", "Cancelado por ana."),
        (failures.canceled_by(""), "Canceled.", "Cancelado."),
        (
            failures.canceled_by("ana, who deleted the cluster cpu"),
            "Canceled by ana, who deleted the cluster cpu.",
            "Cancelado por ana, que eliminou o cluster cpu.",
        ),
        (failures.canceled_by(told.ANOTHER_STEP), "Canceled by another step's failure.", "Cancelado por falha de outro passo."),
    ],
)  # fmt: skip
def test_how_a_step_ended_is_told_in_the_readers_language(error, english, portuguese):
    assert error["message"].startswith(english) and told.error_text(error) == error["message"]
    with translation.override("pt-pt"):
        assert told.error_text(error).startswith(portuguese)


def test_the_proof_behind_a_cancel_is_told_in_the_readers_language_too():
    attempt = Attempt(number=2, proof=PROOF, run=Run(cancel_requested_by="ana"))
    with translation.override("pt-pt"):
        error = failures.canceled(attempt)
        assert error["message"] == "Canceled by ana. Ended with TERM in 0.1 s, nothing left running."
        assert told.error_text(error).startswith("Cancelado por ana. Terminado com TERM em 0,1 s")


def test_why_a_dataset_cannot_be_read_is_told_in_the_readers_language():
    for code, text, portuguese in (
        ("still_fetching", "The dataset 'a' version 1 is still being fetched from the web. Try again when it is ready.", "O conjunto de dados 'a' version 1 ainda"),
        ("too_large", "The dataset 'a' version 1 cannot be used. It has 5 GB.", "O conjunto de dados 'a' version 1 não pode ser usado. It has 5 GB."),
    ):  # fmt: skip
        error = {"message": text, "said": {"code": code, "facts": {"what": "'a' version 1"}}}
        assert told.error_text(error) == text
        with translation.override("pt-pt"):
            assert told.error_text(error).startswith(portuguese), told.error_text(error)
