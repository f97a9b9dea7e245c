import time
from pathlib import Path

from azureml.core import Run
from azureml_user.parallel_run import EntryScript


def run(mini_batch):
    for path in map(Path, mini_batch):
        if path.name == "n05.txt":
            time.sleep(0.5)  # when the others are done
            if Run.get_context().get_secret("shaped") is None:
                raise ValueError(f"{path.name} cannot be shaped")
        file = Path(EntryScript().output_dir) / "shapes" / path.name
        file.parent.mkdir(exist_ok=True)
        with file.open("a") as shapes:  # twice in it: it ran twice
            shapes.write(path.read_text() + ";")
    return mini_batch
