"""The SDK runs under the Python of any step: 3.8, nothing installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from studio.testing.cases import in_one

SDK = Path(__file__).parents[2] / "sdk"
FILES = sorted(SDK.rglob("src/**/*.py"))


@in_one("path", FILES, ids=lambda path: str(path.relative_to(SDK)))
def test_the_syntax_is_that_of_3_8(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    # A reference is as long as it has to be, and so is a signature of Azure ML's: what is counted is code.
    found = sum(lines(docstring(node)) for node in ast.walk(tree))
    assert len(path.read_text().splitlines()) - found <= 600
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            code = (node.end_lineno or 0) - node.body[0].lineno + 1 - lines(docstring(node))
            assert code <= 60, node.name


def docstring(node: ast.AST) -> ast.stmt | None:
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    is_text = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return first if is_text else None


def lines(node: ast.stmt | None) -> int:
    return (node.end_lineno or 0) - node.lineno + 1 if node else 0


def test_every_name_loads_with_the_standard_library_alone() -> None:
    program = (
        "import sys, duto, azureml.core\n"
        "from duto._names import PUBLIC\n"
        "[getattr(duto, name) for name in PUBLIC]\n"
        "known = sys.stdlib_module_names | {'duto', 'azureml', 'msrest', 'sitecustomize'}\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} - known - {'__main__'}))\n"
    )
    paths = f"import sys; sys.path[:0] = {[str(SDK / 'duto/src'), str(SDK / 'azureml/src')]!r}\n"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", paths + program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_the_shared_part_knows_nothing_of_the_client() -> None:
    program = (
        "import sys, duto.spec.graph, duto.spec.snapshot, duto.spec.environment, duto.spec.fingerprint\n"
        "print([n for n in sys.modules if n.startswith('duto') and not n.startswith('duto.spec') and n != "
        "'duto'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
