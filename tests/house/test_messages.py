"""Every message of the package is translated into each language it ships, and compiled."""

import gettext
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.catalogs import Catalog, Message, mo, placeholders, po, read_po
from scripts.messages import (
    APPS,
    PACKAGE,
    Wrong,
    collect,
    in_python,
    in_template,
    languages,
    po_file,
    update,
)

CATALOGS = [(app, language) for app in APPS for language in languages()]
each_catalog = pytest.mark.parametrize(
    ("app", "language"),
    CATALOGS,
    ids=[f"{app.name}-{language}" for app, language in CATALOGS],
)
CURE = "run `make messages`, and translate what it prints"


def test_german_is_there() -> None:
    assert "de" in languages()
    assert all(po_file(app, "de").exists() for app in APPS)


@each_catalog
def test_every_message_of_the_code_is_translated(app: Path, language: str) -> None:
    """A message that is new, changed or fuzzy has no translation until somebody writes one."""
    assert update(app, language).missing() == [], CURE


@each_catalog
def test_the_file_is_as_it_is_collected(app: Path, language: str) -> None:
    """Collecting again makes no difference, and nothing in the file names a machine or a time."""
    assert po_file(app, language).read_text("utf-8") == po(update(app, language)), CURE


@each_catalog
def test_what_is_compiled_is_what_is_written(app: Path, language: str) -> None:
    path = po_file(app, language)
    assert path.with_suffix(".mo").read_bytes() == mo(read_po(path)), CURE


@each_catalog
def test_a_translation_has_the_placeholders_of_its_message(app: Path, language: str) -> None:
    """A form for one number may leave out the number, as the message itself may."""
    for message, texts in read_po(po_file(app, language)).translations.items():
        for text in texts:
            extra = placeholders(text) - placeholders(message.text) - message.placeholders()
            assert extra == set(), message
            assert text.strip("\n ")[-1:].isspace() is False
        assert placeholders(texts[-1]) == message.placeholders(), message
        assert texts[0].startswith("\n") == message.text.startswith("\n"), message


def test_the_two_apps_say_the_same_in_the_same_way() -> None:
    """Django merges the files of all apps, so of two translations one would win."""
    ours, theirs = (read_po(po_file(app, "de")).translations for app in APPS)
    both = ours.keys() & theirs.keys()

    assert {message for message in both if ours[message] != theirs[message]} == set()


def test_a_template_has_no_words_outside_its_messages() -> None:
    """Text between tags, and in attributes that are read, is marked for translation."""
    found = {}
    for path in sorted(PACKAGE.rglob("templates/**/*.*")):
        text = path.read_text("utf-8")
        text = re.sub(r"\{% block (?:bodyclass|coltype) %\}.*?\{% endblock %\}", "", text)
        text = re.sub(r"\{% (blocktrans\w*).*?\{% end\1 %\}", "", text, flags=re.DOTALL)
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|&\w+;", "", text, flags=re.DOTALL)
        said = re.findall(r'(?:title|alt|aria-label|placeholder)="([^"]*)"', text)
        words = re.findall(r"[A-Za-z]{2,}", " ".join([re.sub(r"<[^>]*>", "", text), *said]))
        if set(words) - {"UTC"}:
            found[path.name] = words

    assert found == {}


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="needs GNU gettext")
def test_django_collects_the_same(tmp_path: Path) -> None:
    """What `makemessages` finds is what our reader finds, in either app."""
    copy = tmp_path / "django_jobqueue"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("locale", "__pycache__"))
    for folder in (copy, copy / "requests"):
        (folder / "locale").mkdir()
    command = [sys.executable, "-m", "django", "makemessages", "-l", "de", "--no-location"]
    environment = {key: text for key, text in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    subprocess.run(command, cwd=copy, check=True, capture_output=True, env=environment)

    for app in APPS:
        theirs = read_po(po_file(copy / app.relative_to(PACKAGE), "de"))
        assert set(theirs.translations) == set(collect(app))


def test_the_compiled_file_is_one_that_gettext_reads() -> None:
    catalog = Catalog(
        "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n",
        {
            Message("a\nb"): ["ä\nö"],
            Message("one", "many"): ["ein", "viele"],
            Message("x", context="c"): ["im"],
            Message("left out"): [""],
        },
    )
    read = gettext.GNUTranslations(io.BytesIO(mo(catalog)))

    assert read.gettext("a\nb") == "ä\nö"
    assert [read.ngettext("one", "many", n) for n in (1, 2)] == ["ein", "viele"]
    assert (read.pgettext("c", "x"), read.gettext("left out")) == ("im", "left out")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    message = Message('say "%(a)s"\n\\u0000', "many %(a)s", "place")
    catalog = Catalog("Language: de\n", {message: ["eins\n%(a)s", ""]}, {message: ["x.py"]})
    path = tmp_path / "django.po"
    path.write_text(po(catalog), "utf-8")
    read = read_po(path)

    assert (read.head, read.translations) == (catalog.head, catalog.translations)
    assert read.missing() == [message]


def test_a_fuzzy_translation_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "django.po"
    path.write_text(
        'msgid ""\nmsgstr "A: b\\n"\n\n#, fuzzy\nmsgid "a"\nmsgstr "b"\n\n#~ msgid "c"\n'
    )

    assert read_po(path).missing() == [Message("a")]


def test_messages_are_found_under_their_own_names() -> None:
    source = (
        "from django.utils.translation import gettext as _, npgettext_lazy\n"
        "_('a' 'b')\nnpgettext_lazy('c', 'one', 'many', 2)\n_x('no')\n"
    )
    assert list(in_python(source, "m.py")) == [Message("ab"), Message("one", "many", "c")]


def test_a_message_must_be_a_literal() -> None:
    source = "from django.utils.translation import gettext as _\n_(f'{x}')\n"
    with pytest.raises(Wrong, match=r"m\.py:2: .* is no literal"):
        list(in_python(source, "m.py"))


def test_messages_of_a_template_are_found() -> None:
    source = (
        "{% load i18n %}{% translate 'a (b)' %}{{ x|default:_('c') }}"
        "{% blocktranslate count n=n %}one{% plural %}{{ n }} many{% endblocktranslate %}"
    )
    found = list(in_template(source, "t.html"))
    assert found == [Message("a (b)"), Message("c"), Message("one", "%(n)s many")]
