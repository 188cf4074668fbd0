"""browsers -- a browser's name as its owner would say it, from what it says of itself.

Owns     the reading of User-Agent for the list of sessions
Never    is believed for anything: it is a hint to a person
Fails    never: what it does not know is "a browser"
"""

from __future__ import annotations

#: In this order: most browsers name those before them as well.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("Mac OS", "a Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def name(says: str) -> str:
    """The browser and its system: "Firefox on Windows"."""
    browser = next((word for mark, word in BROWSERS if mark in says), "A browser")
    system = next((word for mark, word in SYSTEMS if mark in says), "")
    return f"{browser} on {system}" if system else browser
