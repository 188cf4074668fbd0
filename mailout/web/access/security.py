"""security -- what every answer carries and every request must bear: headers, cookies, CSRF, hosts, sizes, limits.

Owns     the Content-Security-Policy, the session cookie, the check of where a form came from, `limiter`
Never    believes the Host header, or a proxy that nobody named
Fails    BadRequest (400) for another host or a form of another page, RequestEntityTooLarge (413), TooManyRequests (429)

The pages send no Referer, and so their forms say `Origin: null`; where a form came from is then told by
Sec-Fetch-Site, which no page can forge, and by the form's own secret, always.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, current_app, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import BadRequest
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter
from werkzeug.wrappers import Response

from ... import current
from ...settings import Settings
from .. import asking

#: What a form may have, and what a file that a signed-in user sends us, in bytes.
MOST_BYTES, MOST_UPLOADED = 1_000_000, 40_000_000
#: The endpoints that take files.
UPLOADS = frozenset({"importing.upload", "sandbox_mail.send"})
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; frame-src 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HSTS = "max-age=31536000"
#: The endpoints that take a POST from anywhere, without a secret: the mail programs' one-click unsubscribe (RFC 8058).
ONE_CLICK = frozenset({"public.one_click"})


class Number(IntegerConverter):
    """A number in an address: no longer than the database can hold, so that a longer one is an address without page."""

    regex = r"\d{1,18}"


csrf = CSRFProtect()
limiter = Limiter(get_remote_address, storage_uri="memory://", headers_enabled=False)


def protect(app: Flask, settings: Settings) -> None:
    """Give `app` its cookie, its limits and its headers, as the settings say."""
    host = urlsplit(settings.base_url).hostname or ""
    app.url_map.converters["int"] = Number
    app.config.update(
        SESSION_COOKIE_NAME="__Host-mailout" if settings.secure else "mailout",
        SESSION_COOKIE_SECURE=settings.secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        MAX_CONTENT_LENGTH=MOST_BYTES,
        MAX_FORM_MEMORY_SIZE=MOST_BYTES,
        TRUSTED_HOSTS=[f"[{host}]" if ":" in host else host, *LOOPBACK],
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
    )
    if settings.trust_proxy:
        near = ProxyFix(app.wsgi_app, x_for=settings.trust_proxy, x_proto=settings.trust_proxy, x_host=0)
        app.wsgi_app = near  # type: ignore[method-assign]
    csrf.init_app(app)
    app.before_request(_bounded)
    app.before_request(_from_here)
    limiter.init_app(app)
    app.after_request(_headers)
    if settings.secure:
        app.after_request(_only_https)


def _bounded() -> None:
    """Let a signed-in user send a file; nothing of the body is read before this."""
    if request.endpoint in UPLOADS and asking.signed_in():
        request.max_content_length = request.max_form_memory_size = MOST_UPLOADED


def _from_here() -> None:
    """Refuse a form that another site's page sent, whatever secret it has, and one without its secret."""
    if request.method in SAFE or request.endpoint is None or request.endpoint in ONE_CLICK:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "null")
    hosts = (request.host, urlsplit(current.settings().base_url).netloc)
    if site not in (None, "same-origin", "none") or (origin != "null" and urlsplit(origin).netloc not in hosts):
        raise BadRequest("This form came from another site.")
    if current_app.config["WTF_CSRF_ENABLED"]:
        csrf.protect(apply_exemptions=True)


def _headers(answer: Response) -> Response:
    """What every answer carries; what a view set itself (a letter's preview has a policy of its own) stays."""
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    if request.endpoint != "static":
        answer.headers.setdefault("Cache-Control", "no-store")
        answer.vary.update(("Cookie", "HX-Request", "HX-Request-Type"))
    return answer


def _only_https(answer: Response) -> Response:
    """Have browsers come back by https alone."""
    answer.headers.setdefault("Strict-Transport-Security", HSTS)
    return answer
