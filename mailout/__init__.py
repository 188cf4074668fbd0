"""Mailout: write to your customers from the mail program you already use. This is the map.

A letter's journey, in the order in which it happens. It moves forward only: no stage calls one before it, and what a
later stage needs is in a row or in the value handed on.

    web, commands       a user presses Create: a row `mailout` with the hash of a fresh key
        |               (web/mailouts, commands/mailouts -> intake/submission.open_mailout)
        v
    their mail program  writes to the key address; the letter lands in our mailbox
        |
        v
    intake/watch        reads the mailbox as often as somebody waits
    intake/collect        wires/pop3: fetch, store (letter, letter_bytes), commit, delete; nothing is sent meanwhile
    intake/handle         one letter, one transaction: core/reading reads it, core/returning/triage says what it is
    intake/submission     core/acceptance decides; core/copying/compose prepares the copies (line, carry, gate, seal);
        |                 the key is burned and the recipients are frozen by one conditional UPDATE and one INSERT
        |               intake/returns does what bounces, answers and leavers mean; intake/late sends after all
        v
    outbox/queue        one row a recipient: the truth about every copy, and the only queue there is
    outbox/shelf          the prepared letter on disk, shared by all copies
    outbox/pump           one for the relay: outbox/crew sends, one connection each, all in the thread of outbox/loop;
        |                 turns by outbox/feed, limits by outbox/limiter, what the relay bears by outbox/standing
    outbox/sender           wires/smtp: offer, dot, reply; outbox/ledger writes each outcome down before the next dot
    outbox/closing        says when it is over; outbox/notify writes the complete mail into the same outbox
        |
        v
    web, commands       outbox/progress shows it, outbox/steering pauses, resumes, cancels
    intake, weeks later a bounce comes back to the return path: intake/returns marks the recipient, book/suppression

Beside the journey:

    core                deciding, without I/O; its docstring is the glossary. reading: a letter as it is;
                        copying: into its copies; returning: what else comes; telling: words for people;
                        checking: what DNS and an arrived letter say of an installation
    book                customers, lists, places, suppression, import and export; users, their links and sessions
    models              the tables and the rules that they keep; migrations
    wires               POP3 and SMTP; they know their RFCs and nothing of us
    worker, doorbell    Huey: when something is looked at; the tables say what there is to do
    lease, pulse, journal    one at a time; when last heard of; who did what
    settings, current, database    what an installation says about itself, and its way to its data
    doctor              whether an installation is fit to send: what is tried, and a letter to ourselves and back
    keeping             all of the data: who works with it, a backup, a restore; then outbox/standstill comes first
    sandbox, demo       a small mail server on the loopback address, and the whole loop against it
    web                 windows, a room for each menu: mailouts, customers, upkeep, help, public; story tells of a
                        mail-out in time; access says who may
    bootstrap, running, serving, welcome    `python3 app.py`, from a bare Python to a served page

Who may import whom is a ladder, and tests/test_architecture.py holds it: core; wires and models; what stands beside the
journey; the book; the outbox; intake; the doctor; then worker and commands; and the web, which never meets the worker.

Always true: nobody is `sent` without the relay's 2yz after the final dot; `dot_pending` is on disk before that dot; no
transaction is open across the network; a change of state is one conditional UPDATE and its row count; the bytes that a
user wrote are never written again.
"""
