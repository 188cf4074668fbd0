"""automatic -- letters that a program wrote, which nobody answers (RFC 3834).

Owns     the signs by which real programs show themselves, in headers and in subjects of many languages
Never    looks into a body; takes list mail or bulk mail for an answer of a program (a newsletter to a key is a letter)
Fails    never
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..reading.head import Field, every
from ..reading.phrases import one_of, words


@dataclass(frozen=True, slots=True)
class Marks:
    """What of a letter is looked at. `return_path` None: there is no such header; "" is the null sender."""

    fields: tuple[Field, ...]
    author: str
    return_path: str | None
    subject: str
    is_reply: bool


_LISTS = words(
    """list-id list-unsubscribe list-post list-help list-owner list-archive list-subscribe mailing-list x-mailing-list
    x-beenthere x-mailman-version feedback-id x-feedback-id x-campaign x-campaignid x-csa-complaints"""
)
_PROGRAMS = re.compile(r"x-(?:.*-)?(?:auto-?(?:repl|respon|generated|mated)|vacation)|x-fc-machinegenerated|x-cron-env")
_BULK = {"bulk", "list", "junk"}
_REPLIES = {"auto_reply", "auto-reply", "autoreply", "auto_submitted"}

_MACHINE = one_of(r"""
    (?:mailer|mail|maild?)-?(?:daemon|deamon|delivery).*|(?:post|poost)[-_.]?master.*|m?daemon|mdaemon|uucp
    (?:smtp|mail|mta)[-_.]?(?:system|service|admin|administrator|gateway|server|error)s?
""")
_NOBODY = one_of(r"""
    (?:no|non|not|do-?not|dont|never|keine?|pas-de)[-_.]?(?:reply|replies|response|antwort|reponse)(?:[-_.+].*)?
    (?:ne|no|nao|non|nicht)[-_.]?(?:pas[-_.]?)?(?:repondre|reponda|respond[aeo]r?|responda|rispondere|antworten)
    .*[-_.](?:no-?reply|donotreply|noresponse)|owner-.+|.+-(?:owner|request|bounces?|errors?)|bounces?(?:[-_+].*|\d*)
    (?:auto|automatic)[-_.]?(?:reply|respon[ds]e?r?|mail(?:er)?|answer).*
    listserv|majordomo|listproc|mailman|notifications?|alerts?|root|nobody
""")

#: How the subjects of programs that answer begin, in the languages of the world.
_AWAY = one_of(
    r"""
    (?:automat(?:ic|ed)|auto)[ -]?(?:repl(?:y|ies|ied)|respon(?:se|ses|der|d|s)\b|answer|acknowledg|confirmation)
    auto ?: |automatically generated|autorepl|autorespon|this is an automat|out[ -]of[ -](?:the[ -])?office|ooo\b
    (?:i am |i'm |we are |currently )?away(?:\s*[:(]|\W*$|\W+(?:until|till|from)\b)
    (?:i am |i'm |we are |currently )?on (?:vacation|holidays?|(?:\w+ )?leave)(?:\s*[:(]|\W*$|\W+(?:until|till|from)\b)
    vacation (?:repl|respon|notice|message|mode|auto)|vacation(?:\s*:|$)|absen(?:ce|t) (?:repl|not)
    .{0,80}\b(?:is|am|are) (?:currently )?(?:out of (?:the )?office|on (?:vacation|leave|holiday))\b
    automatische (?:antwort|e-?mail|r[eé]ponse|beantwoord)|autom\. antwort|abwesen(?:d|heit)|nicht im (?:b[üu]ro|haus)
    urlaubs?(?:notiz|meldung|vertretung|abwesen)|(?:eingangs|empfangs)best[äa]tigung
    r[ée]ponse (?:automatique|d['’]absence)|absen(?:t|ce)\b|message (?:automatique|d['’]absence)
    respuesta (?:autom[áa]tica|automatizada)|fuera de (?:la )?oficina|ausente|ausencia
    risposta automatica|fuori (?:sede|ufficio)|assente|resposta autom[áa]tica|fora do escrit[óo]rio|aus[êe]ncia
    automatisch(?:e)? (?:antwoord|bericht|beantwoord)|afwezig|niet aanwezig|buiten kantoor
    automat(?:iskt|isk|tisk) (?:svar|besked)|autosvar|ikke til ?stede|fr[åa]nvar|frav[æe]r|er ute av kontoret
    automaattinen vastaus|poissa(?:olo)?|autom[aá]tick[áa] odpov|nep[řr][íi]tomn|mimo kancel
    automatyczn[ae] odpowied|autoodpowied|nieobecn|poza biurem|automatikus v[áa]lasz|h[áa]zon k[íi]v[üu]l
    r[ăa]spuns automat|otomatik (?:yan[ıi]t|cevap)|ofis d[ıi][şs][ıi]nda
    αυτ[όο]ματη απ[άα]ντηση|εκτ[όο]ς γραφε[ίι]ου|автоматическ(?:ий|ое) ответ|автоответ|вне офиса|нет на месте
    автоматична (?:відповідь|поруката)|автоматичен отговор|automatsk[ia] (?:odgovor|odziv)|samodejni odgovor
    自動(?:返信|応答|回覆|回复|送信)|不在(?:通知|のお知らせ|です)|外出中|自动(?:回复|答复|回覆)|休假
    자동 ?(?:회신|응답|답장)|부재|ตอบกลับอัตโนมัติ|trả lời tự động|balasan otomatis|תשובה אוטומטית|מענה אוטומטי|رد تلقائي
    """,
    re.IGNORECASE,
)
#: How the subjects of receipts begin: that a letter was read, or deleted unread.
_RECEIPT = one_of(
    r"""
    (?:(?:not )?read|deleted|opened|displayed|delivered|gelesen|ungelesen|(?:non )?lu|le[íi]do|letto|gelezen)\s*[:：]
    (?:lida?|l[äæe]st|luettu|przeczytan[eo]|p[řr]e[čc]teno|prebran|olvasott|okundu|прочитано|прочетено)\s*[:：]
    (?:開封済み|既読|已读|已讀|읽음)\s*[:：]|(?:return|read) receipt|lesebest[äa]tigung|confirmation de lecture
    accus[ée] de (?:lecture|r[ée]ception)|conferma di lettura|confirmaci[óo]n de lectura|leesbevestiging
    potwierdzenie przeczytania|開封確認
    """,
    re.IGNORECASE,
)


def why(marks: Marks) -> str:
    """Why nobody answers this letter; "" when a person may have written it and waits for an answer."""
    return by_program(marks) or for_many(marks) or _suppressed(marks) or _by_name(marks)


def by_program(marks: Marks) -> str:
    """The sign that no person pressed "Send" for this letter: such a letter can't be a mail-out. "" when there is none.

    Precedence "bulk" and List-* are no such sign: people's own mail programs and firms' servers write them.
    """
    declared = _declared(marks.fields)
    if declared:
        return f"it says Auto-Submitted: {declared}"
    if is_null(marks.return_path):
        return "it has the null sender"
    if is_report(marks.fields):
        return "it is a report"
    named = next((field.name for field in marks.fields if _says_program(field)), "")
    if named:
        return f"it has the header {named}"
    if _answers_by_subject(marks):
        return "it is an automatic answer"
    return "it comes from a mail server" if marks.author.lower().startswith("mailer-daemon@") else ""


def for_many(marks: Marks) -> str:
    """The sign of list mail or bulk mail; "" when there is none."""
    found = next((field.name for field in marks.fields if field.name in _LISTS), "")
    if found:
        return f"it is list mail ({found})"
    return next((f"it says Precedence: {word}" for word in _precedences(marks.fields) if word in _BULK), "")


def is_list_mail(fields: tuple[Field, ...]) -> bool:
    """Whether a list or a bulk mailer sent it, as its own headers name it."""
    return any(field.name in _LISTS for field in fields)


def is_null(return_path: str | None) -> bool:
    """Whether a return path is the null sender, or what some servers write for it."""
    return return_path is not None and (not return_path or return_path.lower().startswith("mailer-daemon"))


def is_report(fields: tuple[Field, ...]) -> bool:
    """Whether the letter is a multipart/report (RFC 6522): of delivery, of reading, of abuse."""
    kinds = every(fields, "content-type")
    return any(field.value[:200].lower().lstrip().startswith(b"multipart/report") for field in kinds[:1])


def is_machine(address: str) -> bool:
    """Whether the name before the @ is that of a mail server: mailer-daemon, postmaster and their spellings."""
    return bool(_MACHINE.fullmatch(address.lower().partition("@")[0]))


def is_away(subject: str) -> bool:
    """Whether a subject is that of a vacation notice or another answer by a program."""
    return _begins(_AWAY, subject)


def is_receipt(subject: str) -> bool:
    """Whether a subject is that of a receipt: that a letter was read, or deleted unread."""
    return _begins(_RECEIPT, subject)


def _begins(pattern: re.Pattern[str], subject: str) -> bool:
    """Whether `subject` begins so, after any brackets. Behind a "Re:" it may be what the answered letter was called."""
    return bool(pattern.match(subject.lstrip(" \t[(<*【")[:200]))


def _declared(fields: tuple[Field, ...]) -> str:
    """What Auto-Submitted says other than "no"; comments and parameters do not count (RFC 3834 5)."""
    words = (_bare(field.value) for field in every(fields, "auto-submitted"))
    return next((word for word in words if word and word != "no"), "")


def _bare(value: bytes) -> str:
    """The first word of a structured value, without comments and parameters, in lower case."""
    text = value[:998].decode("latin-1").lower()
    changed = 1
    while changed:
        text, changed = re.subn(r"\([^()]*\)", " ", text)
    words = text.partition(";")[0].split()
    return words[0][:60] if words else ""


def _says_program(field: Field) -> bool:
    """Whether this header is one that programs put into what they write by themselves."""
    if field.name in ("precedence", "x-precedence", "preference"):
        return _bare(field.value) in _REPLIES
    if field.name == "x-post-messageclass":
        return b"autoresponder" in field.value.lower()
    suppress = field.name.endswith("auto-response-suppress")
    return not suppress and bool(_PROGRAMS.match(field.name)) and _bare(field.value) not in ("no", "false", "0")


def _precedences(fields: tuple[Field, ...]) -> list[str]:
    """What Precedence says, each time that it does."""
    return [_bare(field.value) for name in ("precedence", "x-precedence") for field in every(fields, name)]


def _suppressed(marks: Marks) -> str:
    """Microsoft's header by which a letter asks for no automatic answer."""
    wanted = (field.value.lower() for field in every(marks.fields, "x-auto-response-suppress"))
    asked = any(word in value for value in wanted for word in (b"all", b"autoreply", b"oof"))
    return "it asks for no automatic answer" if asked else ""


def _by_name(marks: Marks) -> str:
    """An author whose mail no person reads."""
    name = marks.author.partition("@")[0]
    nobody = bool(name) and (is_machine(marks.author) or bool(_NOBODY.fullmatch(name.lower())))
    return f"nobody reads the mail of {name[:60]}" if nobody else ""


def _answers_by_subject(marks: Marks) -> bool:
    """Whether it is a vacation notice or a receipt that shows only in its subject: an answer to another letter."""
    answers = marks.is_reply or any(word in _BULK for word in _precedences(marks.fields))
    return answers and (is_away(marks.subject) or is_receipt(marks.subject))
