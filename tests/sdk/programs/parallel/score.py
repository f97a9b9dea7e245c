import argparse
import time
from pathlib import Path

from azureml.core import Run
from azureml.core.model import Model


def init():
    global factor, odd
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--odd")
    given, _ = parser.parse_known_args()
    factor, odd = int(Path(Model.get_model_path(given.model)).read_text()), given.odd


def run(mini_batch):
    found = []
    for path in mini_batch:
        name = Path(path).name
        print("scoring", name)
        if name == odd:
            time.sleep(0.5)  # when the others are done
            if Run.get_context().get_secret("mended") is None:
                raise ValueError(f"{name} cannot be scored")
        found.append(f"{name} {int(Path(path).read_text()) * factor}")
    return found
