"""A letter as its readers will see it, and nothing in it that could do harm to who looks."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailout.core.copying.clean import fragment, style, stylesheet
from mailout.core.copying.preview import Preview, preview, words_of
from mailout.core.reading.head import canonical, cut
from tests.core.copies import REMOTE, copy_of, crlf
from tests.core.test_line import FILE, ICS, H, P, multi

LETTERS = Path(__file__).parent.parent / "letters"
PICTURE = "Content-Type: image/png; name=dog.png\nContent-ID: <dog@x>\nContent-Transfer-Encoding: base64\n\niVBORw0K\n"


def seen(raw: str | bytes) -> Preview:
    """A letter's preview."""
    return preview(*cut(canonical(crlf(raw))))


def clean(markup: str) -> str:
    """Markup made safe, without pictures."""
    return fragment(markup, lambda name: f"data:image/png;base64,{name}" if name == "dog@x" else "")


def test_a_letter_is_shown_with_its_text_html_pictures_and_files() -> None:
    html = 'Content-Type: text/html; charset=utf-8\n\n<p>Grüße <img src="cid:dog@x" alt="Dog"></p>\n'
    whole = multi("mixed", multi("related", multi("alternative", P, html, ICS, mark="d"), PICTURE, mark="c"), FILE)
    shown = seen(f"From: =?utf-8?q?J=C3=B6rg?= <j@x.org>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n{whole}")

    assert (shown.subject, shown.from_) == ("Grüße", "Jörg <j@x.org>")
    assert shown.text == "plain"
    assert '<p>Grüße <img src="data:image/png;base64,iVBORw0K" alt="Dog"></p>' in shown.html
    assert [(one.name, one.size, one.type) for one in shown.pictures] == [("dog.png", 6, "image/png")]
    assert [(one.name, one.type) for one in shown.attachments] == [("", "text/calendar"), ("x.txt", "text/plain")]


def test_a_picture_that_is_not_seen_in_the_letter_is_one_of_its_files() -> None:
    attached = PICTURE.replace("Content-ID: <dog@x>", "Content-Disposition: attachment; filename=dog.png")
    with_text = seen(f"From: j@x.org\n{multi('mixed', P, attached)}")
    inline = seen(f"From: j@x.org\n{multi('mixed', P, PICTURE)}")
    with_html = seen(f"From: j@x.org\n{multi('mixed', H, attached)}")

    for shown in (with_text, inline, with_html):
        assert shown.pictures == ()
        assert [(one.name, one.size, one.type) for one in shown.attachments] == [("dog.png", 6, "image/png")]


def test_a_letter_of_text_has_no_html_and_one_of_html_has_its_words() -> None:
    assert seen(f"From: j@x.org\n{P}").html == ""
    assert (
        seen("From: j@x.org\nContent-Type: text/html\n\n<style>p{}</style><p>One</p><p>two &amp; three").text
        == "One\ntwo & three"
    )


def test_flowed_text_is_unflowed() -> None:
    text = "Content-Type: text/plain; format=flowed; delsp=yes\n\nWe are closed on  \nFriday.\n > quoted\n-- \nJane\n"

    assert seen(text).text == "We are closed on Friday.\n> quoted\n-- \nJane"


def test_split_parts_are_shown_in_their_order_with_the_pictures_between() -> None:
    shown = seen((LETTERS / "apple-split.eml").read_bytes())

    assert re.search(r"First,.*data:image/png.*then, last\.", shown.html, re.DOTALL)


def test_the_document_has_a_policy_of_its_own() -> None:
    html = seen(f"From: j@x.org\n{H}").html

    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in html
    assert html.count("<html") == html.count("<body") == 1


def attributes(markup: str) -> set[str]:
    """The names of all attributes, as a parser of HTML reads them."""
    found: set[str] = set()
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, attrs: found.update(name for name, _ in attrs)  # type: ignore[method-assign]
    reader.feed(markup)
    reader.close()
    return found


ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//x.org/a.js></SCRIPT>",
    "<script",
    "<img src=x onerror=alert(1)>",
    "<img src='https://x.org/a.png'>",
    "<img srcset='https://x.org/a.png 2x'>",
    "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
    "<img src='data:text/html,x'>",
    '<img src="java\nscript:alert(1)">',
    "<img/src=https://x.org/a.png>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='https://x.org'>x</a>",
    "<iframe src='https://x.org'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data='https://x.org'></object><embed src='https://x.org'>",
    "<form action='https://x.org'><input name=a><button>x</button></form>",
    "<meta http-equiv='refresh' content='0;url=https://x.org'>",
    "<link rel=stylesheet href='https://x.org/a.css'>",
    "<base href='https://x.org/'>",
    "<body background='https://x.org/a.png' onload='alert(1)'>",
    "<table background='https://x.org/a.png'><tr><td>x</table>",
    "<p style='background:url(https://x.org/a.png)'>x</p>",
    "<p style='background:u\\72l(https://x.org/a.png)'>x</p>",
    "<p style='background:ur/**/l(https://x.org/a.png)'>x</p>",
    "<p style='width:expression(alert(1))'>x</p>",
    "<p style='behavior:url(x.htc);-moz-binding:url(x)'>x</p>",
    "<p style=\"background-image:image-set('https://x.org/a.png' 1x)\">x</p>",
    "<style>@import 'https://x.org/a.css';</style>",
    "<style>@import url(https://x.org/a.css);p{color:red}</style>",
    "<style>p{background:url('https://x.org/a.png')}</style>",
    "<style>@font-face{font-family:x;src:url(https://x.org/a.woff)}</style>",
    "<style></style><script>alert(1)</script></style>",
    "<style><!-- p{} --></style><svg onload=alert(1)>",
    "<svg><image href='https://x.org/a.png'/></svg>",
    "<math href='https://x.org'>x</math>",
    "<video src='https://x.org/a.mp4' poster='https://x.org/a.png'></video>",
    "<!--[if gte mso 9]><img src='https://x.org/a.png'><![endif]-->",
    "<!-- --!><img src='https://x.org/a.png' onerror=alert(1)> -->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<template><img src='https://x.org/a.png'></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<p title='\"><script>alert(1)</script>'>x</p>",
    "<p a='\"' onclick=alert(1) b='\"'>x</p>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<p class='a\" onclick=\"alert(1)'>x</p>",
    "<<script>alert(1)</script>",
    "<a\x00 href='https://x.org'>x</a>",
    "</style><script>alert(1)</script>",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_runs_loads_or_leads_anywhere(attack: str) -> None:
    safe = clean(f"<div>before {attack} after</div>")

    assert not REMOTE.search(safe)
    assert not re.search(
        r"<(?:script|iframe|object|embed|form|input|meta|link|base|svg|math|video|body|noscript)\b", safe
    )
    assert not {name for name in attributes(safe) if name.startswith("on")}
    for css in re.findall(r'style="([^"]*)"|<style>(.*?)</style>', safe, re.DOTALL):
        assert not re.search(r"url\s*\(|@import|expression|binding|behavior|\\|x\.org", "".join(css))
    assert "before" in safe


def test_what_is_harmless_stays() -> None:
    markup = (
        '<table width="600" bgcolor="#fff" style="border:1px solid red; color: #333"><tr>'
        '<td align="center" colspan="2">'
        '<b>Bold</b> &amp; <i>italic</i><br><font color="red" face="Arial" size="2">x</font></td></tr></table>'
        '<ul><li>1</li></ul><img src="cid:dog@x" width="10" alt="Dog"><hr>'
    )

    safe = clean(markup)

    assert safe.replace("border:1px solid red;color: #333", "border:1px solid red; color: #333") == markup.replace(
        "cid:dog@x", "data:image/png;base64,dog@x"
    )


def test_links_keep_their_words_and_tell_where_they_lead() -> None:
    assert clean('<a href="https://x.org/?a=1&amp;b=2">here</a>') == '<a title="https://x.org/?a=1&amp;b=2">here</a>'


def test_elements_are_closed_in_their_order() -> None:
    assert clean("<b><i>x</b>y</i>") == "<b><i>x</i></b>y"
    assert clean("<div><p>x") == "<div><p>x</p></div>"


def test_styles_are_kept_but_for_what_loads() -> None:
    assert style("color:red;background:url(x) no-repeat;width:1px") == "color:red;background:none no-repeat;width:1px"
    assert (
        stylesheet("p{color:red}@media (max-width:600px){p{color:blue}}")
        == "p{color:red}@media (max-width:600px){p{color:blue}}"
    )


@pytest.mark.parametrize(
    "hostile", ["<!--", "<![", "<a ", '<a "', "<a '\"", "<", "<p><b>", "<style>", "</p", "<head>", "<script>x"]
)
def test_markup_that_is_made_to_be_slow_is_shown_at_once(hostile: str) -> None:
    started = time.process_time()

    clean(hostile * 40_000)
    words_of(hostile * 40_000)

    assert time.process_time() - started < 5


PIECES = (
    *(
        "<",
        ">",
        '"',
        "'",
        "/",
        "=",
        " ",
        "script",
        "img",
        "src",
        "style",
        "p",
        "https://x.org",
        "<!--",
        "-->",
        "onerror",
    ),
    *("url(", ")", "&lt;", "\0", "a", "href", "<style>", "</style>", "\\"),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_markup_is_made_safe(markup: str) -> None:
    safe = clean(markup)

    assert not REMOTE.search(safe)
    assert "<script" not in safe
    assert not {name for name in attributes(safe) if name.startswith("on")}
    assert clean(safe).count("<") <= safe.count("<")


@pytest.mark.parametrize("file", sorted(LETTERS.glob("*.eml")), ids=lambda file: file.stem)
def test_a_copy_of_our_letters_is_shown_without_a_fault(file: Path) -> None:
    shown = preview(*cut(copy_of(file.read_bytes())))

    assert not REMOTE.search(shown.html)
    assert shown.text or file.stem == "pgp-encrypted"
    if file.stem not in ("pgp-encrypted", "pgp-signed", "pgp-inline"):
        assert "Leave this list" in shown.text
        assert not shown.html or "Leave this list</a>" in shown.html
