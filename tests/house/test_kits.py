"""What several tests need stands in one place: a kit without tests, or a fixture above them."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    path.relative_to(ROOT): ast.parse(path.read_text("utf-8"))
    for path in sorted((ROOT / "tests").rglob("*.py"))
}


def test_no_test_imports_a_test() -> None:
    """Whoever changes a test changes no other."""
    tests = {".".join(path.with_suffix("").parts) for path in FILES if is_test(path)}
    found = {(str(path), name) for path in FILES for name in imports(path) if name in tests}
    assert found == set()


def test_a_kit_outside_support_serves_its_own_folder() -> None:
    """The project of the tests and the storm are used from everywhere; they are no kits."""
    shared = ("tests.support", "tests.project", "tests.chaos")
    kits = {".".join(path.with_suffix("").parts): path.parent for path in FILES}
    found = {
        (str(path), name)
        for path in FILES
        for name in imports(path)
        if name in kits and not name.startswith(shared)
        if path.parent != kits[name] and kits[name].name != "tests"
    }
    assert found == set()


def test_no_fixture_is_a_copy() -> None:
    """One that is different below a folder may have the name of the one above it."""
    homes = defaultdict(list)
    for path, tree in FILES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and is_fixture(node):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                homes[node.name, *map(ast.unparse, body)].append(str(path))
    assert {name: paths for (name, *_), paths in homes.items() if len(paths) > 1} == {}


def is_test(path: Path) -> bool:
    return path.name.startswith("test_")


def is_fixture(node: ast.FunctionDef) -> bool:
    return any("pytest.fixture" in ast.unparse(decorator) for decorator in node.decorator_list)


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file may import, by their full names."""
    for node in ast.walk(FILES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = path.parts[: len(path.parts) - node.level] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
