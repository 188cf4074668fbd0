"""core -- deciding: values in, values out. And the words that we use, in code and on pages.

Nothing here opens a file or a socket, reads a clock or a random number, logs, or knows a table. What a letter is, what
a reply of the relay means, what a copy looks like: all of that can be asked with values and tested with tables.

    mail-out         one sending of one letter to one list, from key to complete mail        not campaign, job, batch
    key              the single-use secret that authorises a mail-out; only its hash is kept  not token, code, password
    key address      our address that carries the key
    token            what tells our addresses for bounces and unsubscribing apart; signed     not key
    user, Administrator   somebody who signs in; one who may do everything                    not account, admin
    customer, list   somebody in the address book; a named set of customers                   not contact, subscriber
    place            where a customer stands in a list: included, excluded, unsubscribed
    recipient        one customer's place in one mail-out, frozen when it is accepted         not user, target
    author           who wrote a letter: its From (RFC 5598)                                  not sender
    envelope         SMTP's pair of sender (MAIL FROM) and recipient (RCPT TO), never the head
    return path      the envelope sender of a copy; it carries the recipient's token (VERP)   not bounce email
    null sender      "<>", the empty return path of notices and bounces; never answered (RFC 5321 4.5.5)
    letter           what came by POP3; raw: its bytes; head and body: cut at the first empty line
    spool            letters that are stored before anybody looked at them
    triage, verdict  finding out what a letter is; the answer
    submission       a letter that was sent to a key address (RFC 6409)
    accepted, held   its recipients are frozen and it goes out; it waits for Release
    problem          why a letter is not sent at once: it refuses the letter, or holds it
    copy             the message made for one recipient
    finding          one thing that the doctor looked at: ok, warning or failed, and what to change   not check, issue
    probe            the doctor's letter to ourselves, to see whether our addresses reach the mailbox  not test mail
    segment          a piece of a copy: shared by all, or personal
    seal             what each part of the letter was, and that it went out the same
    outbox           the recipients that wait for the relay; its rows are the queue           not task queue
    notice           a letter that we wrote ourselves                                         not alert, system mail
    complete mail, error mail   the notices at the end, and for a letter that was refused
    pump, sender     what sends: one for the whole relay, one a connection; a seat: a connection that may be open
    fibre            a sender's course: all run in one thread, and whoever waits makes room   not thread, coroutine
    dot              the line that ends a copy in SMTP: after it, and before the reply, the relay may have the copy
    ledger           where what came of each copy is written down, before the next dot
    limit, quota     how many copies may go: as our settings say, as the relay says
    relay            the SMTP server that we hand everything to; to people: your mail provider
    reply            what the relay answered: code, enhanced code, text                       not response, result
    sent             the relay answered 2yz after the dot: accepted, never "delivered"
    deferred, failed, uncertain   tried again at a known time; not tried again; the relay may have it
    bounce, DSN      a report that came back later (RFC 3464)                                 not undeliverable
    place change     who moved whom into or out of a list, when and how: a list's history
    edition          a word that is another one after every change of the book, its people or a list   not version
    column           what is read of all customers at once, and kept as long as its edition is
    plan             what an import would do, counted before it does anything                 not preview
    suppression      a standing "do not write to this address", with reason and date          not blacklist
    skipped          a recipient left out at the last look, with the reason                   not failed
    scope            whose fault a refusal is: the recipient's, the letter's, the session's, the quota's, the relay's
    claim, lease     taking a row for work by a conditional UPDATE; until when a work is ours not lock
    doorbell         a Huey task: it says "look" and carries no fact                          not job, message
    sweep            the minute's look that needs no bell                                     not cron
    backup, standstill   all of the data at one moment; after a restore: nothing goes until a person says so
    pulse            when mailbox, relay and worker were last heard of
    journal          who did what, when                                                       not log
"""
