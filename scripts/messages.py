"""Collect the messages of the package, say which translations are missing, compile the others.

python -m scripts.messages                  # all languages that are there
python -m scripts.messages --language fr    # begin another one
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import django
from django.utils.translation.template import templatize

from scripts.catalogs import Catalog, Message, mo, po, read_po

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "django_jobqueue"
# Django looks for translations in each installed app; what is under an app's folder is the app's.
APPS = (PACKAGE / "requests", PACKAGE)
DJANGO = Path(django.__file__).parent / "conf/locale"
HEAD = """\
Project-Id-Version: django_jobqueue
Language: {language}
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit
Plural-Forms: {plurals}
"""
_FUNCTIONS = re.compile(r"^(n?)(p?)gettext(?:_lazy|_noop)?$")
_IN_TEMPLATE = re.compile(r"(?<!\w)(_|n?p?gettext)\(")


class Wrong(Exception):
    """A message that can't be collected."""


def collect(app: Path) -> dict[Message, list[str]]:
    """Return the messages of an app, each with the files that have it, in the order of these."""
    found: dict[Message, list[str]] = {}
    for path in _files(app):
        place = path.relative_to(app).as_posix()
        source = path.read_text("utf-8")
        read = in_python if path.suffix == ".py" else in_template
        for message in read(source, place):
            places = found.setdefault(message, [])
            if place not in places:
                places.append(place)
    return _joined(found)


def _files(app: Path) -> Iterator[Path]:
    others = [other for other in APPS if other != app and other.is_relative_to(app)]
    for path in sorted(app.rglob("*")):
        is_template = "templates" in path.parts and path.suffix in {".html", ".txt"}
        is_own = not any(path.is_relative_to(other) for other in others)
        if is_own and (path.suffix == ".py" or is_template):
            yield path


def _joined(found: dict[Message, list[str]]) -> dict[Message, list[str]]:
    """Drop a message that another one has as the form for one."""
    plurals = {(one.context, one.text) for one in found if one.plural}
    return {
        message: places
        for message, places in found.items()
        if message.plural or (message.context, message.text) not in plurals
    }


def in_python(source: str, place: str) -> Iterator[Message]:
    """Yield the messages of a module, in order.

    Raises: Wrong.
    """
    tree = ast.parse(source)
    names = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
        for alias in node.names
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        if isinstance(call.func, ast.Name) and _FUNCTIONS.match(names.get(call.func.id, "")):
            yield _message(names[call.func.id], call.args, f"{place}:{call.lineno}")


def in_template(source: str, place: str) -> Iterator[Message]:
    """Yield the messages of a template, in order."""
    code = templatize(source)
    for found in _IN_TEMPLATE.finditer(code):
        function = "gettext" if found[1] == "_" else found[1]
        call = ast.parse(_call(code, found.start()), mode="eval").body
        if isinstance(call, ast.Call):
            yield _message(function, call.args, place)


def _call(code: str, start: int) -> str:
    """Return the call that begins at a place: the shortest text that is Python."""
    end = start
    while (end := code.find(")", end) + 1) > 0:
        try:
            ast.parse(code[start:end], mode="eval")
        except SyntaxError:
            continue
        return code[start:end]
    raise Wrong(f"No end of {code[start : start + 40]!r}.")


def _message(function: str, arguments: list[ast.expr], place: str) -> Message:
    found = _FUNCTIONS.match(function)
    is_many, has_context = (found[1], found[2]) if found else ("", "")
    texts = [_text(one, place) for one in arguments[: 1 + bool(is_many) + bool(has_context)]]
    context = texts.pop(0) if has_context else ""
    return Message(texts[0], texts[1] if is_many else "", context)


def _text(argument: ast.expr, place: str) -> str:
    if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
        raise Wrong(f"{place}: {ast.unparse(argument)} is no literal, so nobody can translate it.")
    return argument.value


def po_file(app: Path, language: str) -> Path:
    return app / "locale" / language / "LC_MESSAGES" / "django.po"


def languages() -> list[str]:
    """Return the languages that are there."""
    return sorted({path.name for app in APPS for path in app.glob("locale/*") if path.is_dir()})


def load(app: Path, language: str) -> Catalog:
    """Return what stands in a language's file, or an empty catalog."""
    path = po_file(app, language)
    if path.exists():
        return read_po(path)
    known = read_po(DJANGO / language / "LC_MESSAGES" / "django.po")
    plurals = re.search(r"Plural-Forms: (.*)", known.head)
    return Catalog(HEAD.format(language=language, plurals=plurals[1] if plurals else ""))


def update(app: Path, language: str) -> Catalog:
    """Return the catalog of an app with the messages of its code, and no others."""
    old = load(app, language)
    new = Catalog(old.head, places=collect(app))
    for message in new.places:
        empty = [""] * (old.forms if message.plural else 1)
        new.translations[message] = old.translations.get(message, empty)
    new.fuzzy = old.fuzzy & set(new.translations)
    return new


def write(app: Path, language: str) -> Catalog:
    """Bring an app's .po and .mo up to date."""
    catalog = update(app, language)
    path = po_file(app, language)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(po(catalog), "utf-8")
    path.with_suffix(".mo").write_bytes(mo(catalog))
    return catalog


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--language", action="append", help="one that is new, too")
    missing = 0
    for language in parser.parse_args().language or languages():
        for app in APPS:
            catalog = write(app, language)
            lacks = catalog.missing()
            missing += len(lacks)
            name = po_file(app, language).relative_to(ROOT)
            print(f"{name}: {len(catalog.translations)} messages, {len(lacks)} not translated")
            for message in lacks:
                print(f"    {message.text!r}  ({', '.join(catalog.places[message])})")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
