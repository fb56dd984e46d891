"""``python -m tests.check_sizes``: refuses functions and files that have grown too long. Part of ``make check``."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FUNCTION_LINES = 60
FILE_LINES = 400
TABLES = ("local/cloud/rbac/builtin_roles.py",)
"""Files that hold data, not decisions."""


def complaints(path: str, text: str) -> Iterator[str]:
    """What is too long in one file."""
    lines = text.count("\n")
    if lines > FILE_LINES and path not in TABLES:
        yield f"{path}: {lines} lines, more than {FILE_LINES}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines, more than {FUNCTION_LINES}"


def main() -> int:
    """Looks at every Python file under version control, or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.py"], check=True, capture_output=True
    )
    paths = [path for path in listed.stdout.decode().split("\0") if path and Path(path).exists()]
    found = [line for path in paths for line in complaints(path, Path(path).read_text(encoding="utf-8"))]
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
