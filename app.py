"""Mailout. `python3 app.py` starts everything, `python3 app.py test` runs the tests; `app:app` and `app.huey` serve."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036
    words = "Mailout needs Python 3.11 or newer, and this is Python {}.{}. Start it with a newer one: python3.11 app.py"
    sys.exit(words.format(*sys.version_info[:2]))

if __name__ == "__main__":
    from mailout.bootstrap import main

    sys.exit(main(sys.argv[1:]))

from mailout.commands import doctor
from mailout.settings import Misconfigured
from mailout.web import create_app
from mailout.worker import create_huey

try:
    app = create_app()
    huey = create_huey(app)
except Misconfigured as wrong:
    sys.exit(doctor.answer_for(sys.argv, wrong.faults) or str(wrong))
