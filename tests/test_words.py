"""Every word that people see can be said in another language, and the catalogues are what the code needs."""

from __future__ import annotations

import ast
import gettext
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from django.conf import settings

from studio.templatetags import duto
from studio.words import catalogues, collect, compiled, po, scripts

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
LANGUAGES = catalogues.catalogues(ROOT)
HOLES = re.compile(r"%\(\w+\)[.\d]*[srdf]|%[sdf%]|\{\w+\}")
# How many of a hundred texts a language may leave to English, until somebody translates what is new.
LEFT_IN_ENGLISH = 5

# A literal of a script is read by people when it looks like a sentence or like a capitalised word …
SENTENCE = re.compile(
    r"[A-Za-zÀ-ÿ]{2,}[,.:;…]? [A-Za-zÀ-ÿ(“]|[A-Za-zÀ-ÿ]{2,}…|^[A-Z][a-zà-ÿ]+[.!?]?$|\{\},? [A-Za-z]{3,}|[A-Za-z]{3,}:? \{\}"
)
# … unless it is the name of a state or of a key, a unit, or stands where only the browser reads: classes and selectors.
# Anything else that is not said has a note before it that tells what it is: `/* markup */ "<b>Bold text</b>"`.
NAMES = frozenset({*duto.WORDS, "Enter", "Escape", "Home", "End"})
UNITS = re.compile(r"(\{\} (min|h|s)\b ?)+$")
SELECTING = frozenset({"querySelector", "querySelectorAll", "closest", "matches", "matchMedia"})


def said_plainly(source: str) -> list[str]:
    """Literals that people would read and that do not go through `t` or `n`."""
    every = scripts.tokens(source)
    through = {text for each in scripts.messages(source, "") for text in po.each(each.id)}
    found = []
    for place, token in enumerate(every):
        if token.kind not in ("string", "template") or not SENTENCE.search(token.text):
            continue
        before = [each.text for each in every[max(0, place - 4) : place] if each.text not in "?."]
        noted = place > 0 and every[place - 1].kind == "note"
        for_machines = before[-2:] == ["class", ":"] or (before[-1:] == ["("] and SELECTING & {*before[-2:]})
        if not (token.text in through or token.text in NAMES or UNITS.match(token.text) or noted or for_machines):
            found.append(f"{token.line}: {token.text}")
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_says_nothing_that_cannot_be_translated(path: Path) -> None:
    assert said_plainly(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        'toast("Copied");',
        'h("b", null, "choose files");',
        "note.textContent = `${n} left`;",
        "const word = empty ? 'Nothing yet.' : t('Nothing yet');",
        'const a = /"/.test(b) ? "searching…" : 1 / 2;',
        "`${t(`a`) ?? `${inner ? `deeply hidden words` : ``}`}`",
    ],
)
def test_a_script_that_says_something_plainly_is_found(source: str) -> None:
    try:
        assert said_plainly(source)
    except ValueError as error:
        assert "plain string" in str(error)


@pytest.mark.parametrize(
    "source",
    [
        't("Copied"); n("{count} line", "{count} lines", 2)',
        'h("b", { class: "btn quiet" }); row.querySelector("td.main a");',
        'if (event.key === "Enter" && state === "Running") work();',
        "`${minutes} min ${seconds} s`; path = `M${x} ${y}`; // Never said",
        'box.innerHTML = /* markup */ "<b>very bold</b>"; /* This neither */',
        "const digits = text.replace(/[^\"/]+ and more/g, '').length / 2;",
    ],
)
def test_what_a_script_translates_or_tells_a_machine_is_not(source: str) -> None:
    assert said_plainly(source) == []


def test_words_are_collected_from_python_templates_and_scripts() -> None:
    python = 'a = _("One"), ngettext("%(n)s two", "%(n)s twos", 2), pgettext("place", "Three")'
    template = '{% trans "One" %}{% blocktrans count n=x %}{{ n }} two{% plural %}{{ n }} twos{% endblocktrans %}{{ y|default:_("Four") }}'
    script = (
        'const five = t("Five {name}", { name }), six = n("{count} six", "{count} sixes", 6); wheat("No"); x.t("No");'
    )
    found = collect.gathered(
        [
            *collect.of_python(python, "a.py"),
            *collect.of_template(template, "a.html"),
            *scripts.messages(script, "a.js"),
        ]
    )
    assert {
        tuple(po.each(each.id)): (each.context, [place for place, _ in each.locations]) for each in found if each.id
    } == {
        ("One",): (None, ["a.py", "a.html"]),
        ("%(n)s two", "%(n)s twos"): (None, ["a.py", "a.html"]),
        ("Three",): ("place", ["a.py"]),
        ("Four",): (None, ["a.html"]),
        ("Five {name}",): (None, ["a.js"]),
        ("{count} six", "{count} sixes"): (None, ["a.js"]),
    }


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (lambda: list(collect.of_python("_(name)", "a.py")), "a.py:1: _"),
        (lambda: list(scripts.messages("t(`a ${b}`)", "a.js")), "a.js:1: t"),
        (lambda: collect.gathered([Message(("a", "as")), Message(("a", "aa"))]), "two plurals"),
        (lambda: po.read('msgid "a"\nmsgstr "b"\nmsgid "a"\nmsgstr "c"\n'), "twice"),
        (lambda: po.read('msgid "a"\nnonsense\n'), "line 2"),
        (lambda: po.read('msgid "a"\nmsgstr "b\n'), "line 2"),
        (lambda: po.read('msgid "a"\n\nmsgid "b"\nmsgstr "c"\n'), "line 1 .*missing msgstr"),
        (lambda: po.read('msgid "a"\nmsgstr "b"\n'), "names no Language"),
    ],
)
def test_what_cannot_be_collected_is_told_with_its_place(wrong: Callable[[], object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        wrong()


HEADER = r"""
msgid ""
msgstr ""
"Language: xx\n"
"Content-Type: text/plain; charset=utf-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"
"""
TRANSLATED = r"""
# Said at the door.
#, fuzzy
msgid "Perhaps"
msgstr "Talvez"

msgid ""
"Say \"é\"\n"
"\ttwice\\"
msgstr "Diz «é»\n"

msgid "%(n)s run"
msgid_plural "%(n)s runs"
msgstr[0] "%(n)s uma"
msgstr[1] "%(n)s muitas"

msgctxt "place"
msgid "Open"
msgstr "Aberto"

msgid "Open"
msgstr "Abrir"

msgid "gone"
msgstr "foi-se"
"""


def test_a_catalogue_comes_back_as_it_was_written_and_gettext_reads_what_is_compiled() -> None:
    said = 'Say "é"\n\ttwice\\'
    messages = [
        Message(said, locations=[("a.py", 3)]),
        Message(("%(n)s run", "%(n)s runs"), locations=[("b.html", 1), ("c.js", 2)]),
        Message("Open", context="place"),
        *(Message(each) for each in ("Open", "Perhaps", "not yet said")),
    ]
    catalogue = po.read(HEADER + TRANSLATED)
    catalogue.update(collect.gathered(messages), no_fuzzy_matching=True)
    text = po.write(catalogue)
    for kept in ("#: b.html c.js\n", "# Said at the door.\n", '"Language: xx\\n"', 'msgid "not yet said"\nmsgstr ""\n'):
        assert kept in text.decode()
    for left_out in ("foi-se", "Date", "Babel"):
        assert left_out not in text.decode()
    read = po.read(text.decode())
    assert po.write(read) == text
    assert [each.id for each in read if not po.forms(each)] == ["Perhaps", "not yet said"]
    spoken = gettext.GNUTranslations(io.BytesIO(compiled.binary(read)))
    assert spoken.gettext(said) == "Diz «é»\n"
    assert [spoken.ngettext("%(n)s run", "%(n)s runs", n) for n in (0, 1, 2)] == [
        "%(n)s muitas",
        "%(n)s uma",
        "%(n)s muitas",
    ]
    assert (spoken.pgettext("place", "Open"), spoken.gettext("Open")) == ("Aberto", "Abrir")
    assert [spoken.gettext(each) for each in ("Perhaps", "not yet said")] == ["Perhaps", "not yet said"]


@pytest.mark.parametrize("path", LANGUAGES, ids=catalogues.language)
def test_what_is_compiled_is_what_the_catalogue_says(path: Path) -> None:
    catalogue = po.read(path.read_text())
    script = ROOT / "static" / "words" / f"{catalogues.language(path)}.js"
    again = "run `python3 manage.py words` and commit what it writes"
    assert path.with_suffix(".mo").read_bytes() == compiled.binary(catalogue), again
    assert script.read_text() == compiled.script(catalogue, collect.of_scripts(ROOT)), again


@pytest.mark.parametrize("path", LANGUAGES, ids=catalogues.language)
def test_a_language_says_nearly_all_that_the_code_says(path: Path) -> None:
    words = po.read(path.read_text())
    said = [message for message in collect.everything(ROOT) if message.id]
    english = [message.id for message in said if not po.forms(words.get(message.id, message.context))]
    assert 100 * len(english) <= LEFT_IN_ENGLISH * len(said), english


@pytest.mark.parametrize("path", LANGUAGES, ids=catalogues.language)
def test_a_translation_has_the_holes_of_its_text(path: Path) -> None:
    catalogue = po.read(path.read_text())
    for message in filter(po.forms, catalogue):
        allowed = {frozenset(HOLES.findall(each)) for each in po.each(message.id)}
        for form in po.forms(message):
            assert frozenset(HOLES.findall(form)) in allowed, (message.id, form)


def test_the_languages_of_the_settings_are_those_with_a_catalogue() -> None:
    assert [code for code, _ in settings.LANGUAGES] == ["en", *map(catalogues.language, LANGUAGES)]


PAGES = sorted(path for app in collect.APPS for path in (ROOT / app).glob("web/*.py"))
# A sentence, or its beginning: what a page says. Names of headers and types are no sentences.
PYTHON_SENTENCE = re.compile(r"[A-Z][a-z]+('s)? [a-z]+")


def said_by_python(source: str) -> list[str]:
    """Sentences in the code of a page that gettext does not know; what a log or an exception of ours tells is not shown."""
    tree = ast.parse(source)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):  # a docstring
            skipped |= {id(node.value)}
        called = node.func if isinstance(node, ast.Call) else None
        name = getattr(called, "id", getattr(called, "attr", ""))
        if name in {*collect.SINGLE, *collect.PLURAL, *collect.IN_CONTEXT, "ValueError", "TypeError"}:
            skipped |= {id(each) for each in ast.walk(node)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [each.value for each in texts if id(each) not in skipped and PYTHON_SENTENCE.match(each.value)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_says_nothing_that_cannot_be_translated(path: Path) -> None:
    assert said_by_python(path.read_text()) == []


def test_what_a_page_says_plainly_is_found() -> None:
    source = 'def view():\n    """It does this."""\n    a = _("Read it"); raise ValueError("No such thing")\n    b = f"You have {n} runs"'
    assert said_by_python(source) == ["You have "]
