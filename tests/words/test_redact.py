"""What is left of a call when its secrets are hidden."""

import functools
import json
import re
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from django_jobqueue import JobContext, task
from django_jobqueue.jobs.redaction import HIDDEN, MIN_LENGTH, Redactor
from tests.project.plain import plain

SECRET = "hunter2-hunter2"


@task(sensitive=["pin"])
def pay(amount: int, pin: str, note: str = "") -> None:
    pass


@task(takes_context=True)
def log_in(context: JobContext, name: str, password: str, /, *codes: str, **rest: str) -> None:
    pass


@task(sensitive=("codes",))
def unlock(door: str, *codes: str) -> None:
    pass


def shown(of: Any, *args: Any, **kwargs: Any) -> Any:
    return Redactor(of).call(list(args), kwargs)


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASSWORD",
        "dbPass",
        "pass_phrase",
        "client_secret",
        "csrftoken",
        "api_key",
        "apikey",
        "X-Api-Key",
        "auth",
        "Authorization",
        "oauth2",
        "credentials",
        "card_number",
        "cvv",
        "IBAN",
        "private_key",
    ],
)
def test_usual_names_of_secrets(name: str) -> None:
    """Anywhere in the name, in any case, as an argument's or a nested key's."""
    assert shown(pay, **{name: SECRET}) == ([], {name: HIDDEN})
    assert shown(pay, 5, note={"deep": [{name: SECRET}]}) == (
        [5],
        {"note": {"deep": [{name: HIDDEN}]}},
    )


@pytest.mark.parametrize("name", ["user_id", "author", "author_id", "authored_at", "key", "monkey"])
def test_names_that_only_look_so(name: str) -> None:
    """Nearly all tasks get ids and keys of rows."""
    assert shown(pay, **{name: SECRET}) == ([], {name: SECRET})


def test_positional_arguments_have_the_names_of_the_signature() -> None:
    """The context is none of them; what a star takes has the star's name."""
    assert shown(pay, 5, SECRET, "hello") == ([5, HIDDEN, "hello"], {})
    assert shown(log_in, "anna", SECRET, "one", token="t") == (
        ["anna", HIDDEN, "one"],
        {"token": HIDDEN},
    )
    assert shown(unlock, "front", "1", "2") == (["front", HIDDEN, HIDDEN], {})


def test_arguments_without_a_name_are_hidden() -> None:
    """Of a task that is unknown, or that has fewer parameters by now."""
    assert shown(None, "who knows", 5, named="known") == ([HIDDEN, HIDDEN], {"named": "known"})
    assert shown(plain, "too many") == ([HIDDEN], {})
    assert shown(pay, 1, "2", "3", "4") == ([1, HIDDEN, "3", HIDDEN], {})


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("", HIDDEN),
        (0, HIDDEN),
        (4111111111111111, HIDDEN),
        ([SECRET], HIDDEN),
        ({"a": SECRET}, HIDDEN),
        (None, None),
        (True, True),
        (False, False),
    ],
)
def test_whole_values_are_hidden(value: object, seen: object) -> None:
    """Whether there is a secret at all is none."""
    assert shown(pay, password=value) == ([], {"password": seen})


def test_project_has_words_of_its_own() -> None:
    """Parts of names as they stand, for tasks of libraries and other languages."""
    given = {"passwort": SECRET, "Kennwort": SECRET, "a.b": SECRET, "axb": SECRET}
    hidden = Redactor(pay, ("kennwort", "a.b")).call([], given)[1]
    assert hidden == {"passwort": HIDDEN, "Kennwort": HIDDEN, "a.b": HIDDEN, "axb": SECRET}


def test_names_of_the_task_are_whole_and_hold_at_any_depth() -> None:
    """`pin` is not `spinning`."""
    assert shown(pay, note={"pin": "1234", "spinning": "yes"})[1] == {
        "note": {"pin": HIDDEN, "spinning": "yes"}
    }


def test_call_itself_stays_as_it_is() -> None:
    """The worker runs the same lists."""
    args, kwargs = [5, SECRET], {"note": {"token": [SECRET]}}
    before = json.dumps([args, kwargs])
    redactor = Redactor(pay)
    redactor.call(args, kwargs)
    redactor.text(SECRET, args, kwargs)
    assert json.dumps([args, kwargs]) == before


@pytest.mark.parametrize(
    "secret", ['O\'Neill "1"', "back\\slash", "line one\nline two", "  spaces  ", "žluťoučký"]
)
def test_secret_is_found_as_it_may_be_written(secret: str) -> None:
    """As it is, as repr() and JSON have it, and line by line."""
    text = "\n".join(
        [
            secret,
            repr(secret),
            json.dumps(secret),
            json.dumps(secret, ensure_ascii=False),
            *(f"  | {line.strip()}" for line in secret.splitlines()),
            "the end",
        ]
    )
    left = Redactor(pay).text(text, [5, secret], {})
    written = {repr(secret), json.dumps(secret), json.dumps(secret, ensure_ascii=False)}
    forms = {form[1:-1] for form in written} | {line.strip() for line in secret.splitlines()}
    assert [form for form in forms if form in left] == []
    assert left.endswith("the end")


def test_secrets_of_all_places_are_found() -> None:
    """Nested, in lists, numbers too; the longest first, so that none shows the rest of another."""
    text = "abcdef abcdefghi 123456789 zyxwvu Zoë"
    kwargs = {"token": ["abcdef", {"a": "abcdefghi"}], "note": [{"cvv": 123456789}], "name": "Zoë"}
    left = Redactor(unlock).text(text, ["front", "zyxwvu"], kwargs)
    assert left == f"{HIDDEN} {HIDDEN} {HIDDEN} {HIDDEN} Zoë"


def test_short_secrets_are_not_looked_for() -> None:
    """`5` or `no` would make any text unreadable."""
    short = "a" * (MIN_LENGTH - 1)
    assert Redactor(pay).text(f"{short} {short}a", [5, short], {}) == f"{short} {short}a"
    assert Redactor(pay).text(f"{short}a", [5, f"{short}a"], {}) == HIDDEN


def given_a_connection(function: Any) -> Any:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function("connection", *args, **kwargs)

    return inner


@task
@given_a_connection
def sign_in(connection: str, user: int, password: str) -> None: ...


@task(sensitive=["pin"])
@given_a_connection
def withdraw(connection: str, pin: str, amount: int) -> None: ...


def look_up(*args: Any) -> None: ...


look_up.__wrapped__ = dict.update  # type: ignore[attr-defined]


@task(takes_context=True)
@given_a_connection
def greet(context: JobContext, name: str) -> None: ...


def test_what_a_decorator_takes_has_no_sure_name() -> None:
    """It may add arguments before the secret; without a secret among them nothing is hidden."""
    assert shown(sign_in, 5, SECRET) == ([HIDDEN, HIDDEN], {})
    assert shown(sign_in, 5, password=SECRET) == ([HIDDEN], {"password": HIDDEN})
    assert shown(withdraw, "1234", 50) == ([HIDDEN, HIDDEN], {})
    assert shown(withdraw, pin="1234", amount=50) == ([], {"pin": HIDDEN, "amount": 50})
    assert shown(greet, "anna") == (["anna"], {})
    assert shown(SimpleNamespace(func=look_up, takes_context=False), "key") == ([HIDDEN], {})
    assert SECRET not in Redactor(sign_in).text(f"wrong: {SECRET}", [5, SECRET], {})


def test_callable_that_does_not_tell_its_parameters() -> None:
    """Hidden, rather than an error on a page."""

    class Odd:
        func = staticmethod(min)  # a builtin without a signature on some versions
        takes_context = False

    class Broken:
        takes_context = False

        @staticmethod
        def func() -> None: ...

    Broken.func.__signature__ = "nonsense"  # type: ignore[attr-defined]
    assert shown(Odd, "x")[0] in ([HIDDEN], ["x"])
    assert shown(Broken, "x") == ([HIDDEN], {})


@pytest.mark.parametrize(
    "secret", ["p@ss/w%rd:1", "two words+1", "žluť-kůň", "plain123", "a'b\"c\\d"]
)
@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_secret_in_a_url_is_hidden(secret: str, case: Any) -> None:
    """However much of it a library percent-encodes, and in either case of the digits."""
    redactor = Redactor(pay)
    whole = "".join(f"%{byte:02x}" for byte in secret.encode())
    forms = [quote(secret), quote(secret, safe=""), quote(secret, safe="@:"), quote_plus(secret)]
    for form in [*forms, whole]:
        encoded = re.sub("%..", lambda found: case(found[0]), form)
        text = redactor.text(
            f"GET https://x.test/?a=1&password={encoded}&b=%20", [], {"password": secret}
        )
        assert text == f"GET https://x.test/?a=1&password={HIDDEN}&b=%20"


def test_long_secret_costs_no_search_of_urls() -> None:
    """No URL is that long; as it stands it is hidden."""
    secret = "x y" * 100_000
    assert Redactor(pay).text(f"%20 {secret}", [], {"password": secret}) == f"%20 {HIDDEN}"
