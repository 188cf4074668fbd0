"""Letters as mail servers send them back, written by us after the forms that real programs use; none is anybody's."""

from __future__ import annotations

from dataclasses import dataclass

from mailout.core import own
from mailout.core.own import Own

SECRET = b"s" * 32
OWN = Own("mailout+{key}@mail.test", "mailout+b-{token}@mail.test", "mailout+u-{token}@mail.test", "mailout@mail.test")
FIXED = Own("mailout+{key}@mail.test", "bounces@mail.test", "mailout+u-{token}@mail.test", "mailout@mail.test")
KEY = own.make_key("a secret", 7, b"n" * 16)
KEYED = OWN.key_address(KEY, "Newsletter")
RETURN_PATH = OWN.return_path(own.bounce_token(SECRET, 7))
MESSAGE_ID = own.message_id(SECRET, 7, OWN.domain)
LEAVING = OWN.unsubscribe_address(own.unsubscribe_token(SECRET, 3, 9))

COPY = f"""\
Return-Path: <{RETURN_PATH}>
Received: from mail.test by mx.a.test; Wed, 25 Nov 2026 03:00:00 +0000
From: Jane <jane@mail.test>
To: Jo <jo@a.test>
Subject: Spring news
Message-ID: {MESSAGE_ID}
List-Unsubscribe: <https://mail.test/u/{own.unsubscribe_token(SECRET, 3, 9)}>, <mailto:{LEAVING}>
Content-Type: text/plain

Write to old@customer.test for an appointment. 550 5.1.1 is our favourite number.
"""


def letter(head: str, body: str, *, to: str = RETURN_PATH) -> bytes:
    """A letter to `to` with these headers and this body, line ends CRLF."""
    return f"To: {to}\n{head.strip()}\n\n{body}".replace("\n", "\r\n").encode("utf-8")


def report(fields: str, *, kind: str = "delivery-status", text: str = "It came back.", to: str = RETURN_PATH,
           head: str = "", copy: str = COPY) -> bytes:  # fmt: skip
    """A multipart/report with these fields in it, and our copy enclosed."""
    top = f"""
Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@mx.a.test>
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kind}; boundary="b/1"
{head}"""
    body = f"""\
--b/1
Content-Type: text/plain; charset=utf-8

{text}

--b/1
Content-Type: message/{kind}

{fields.strip()}

--b/1
Content-Type: message/rfc822

{copy}
--b/1--
"""
    return letter(top, body, to=to)


@dataclass(frozen=True)
class Kind:
    """A form of bounce in words for people, and what it says."""

    name: str
    head: str
    body: str
    addresses: tuple[str, ...] = ("jo@a.test",)
    late: bool = False
    cause: str = "no-such-address"


DAEMON = "From: MAILER-DAEMON@mx.a.test\nReturn-Path: <>\n"
KINDS = (
    Kind("Exim", DAEMON + "Subject: Mail delivery failed: returning message\nX-Failed-Recipients: jo@a.test", f"""\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  jo@a.test
    host mx.a.test [192.0.2.25]
    SMTP error from remote mail server after RCPT TO:<jo@a.test>:
    550 5.1.1 <jo@a.test>: Recipient address rejected: User unknown

------ This is a copy of the message, including all the headers. ------

{COPY}"""),
    Kind("Exim, several", DAEMON + "Subject: Mail failure\nX-Failed-Recipients: jo@a.test,\n al@a.test", """\
The following addresses failed:

  jo@a.test
    550 no such user
  al@a.test
    552 mailbox full
""", ("jo@a.test", "al@a.test")),
    Kind("qmail", DAEMON + "Subject: failure notice", f"""\
Hi. This is the qmail-send program at mx.a.test.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<jo@a.test>:
192.0.2.25 does not like recipient.
Remote host said: 550 5.1.1 <jo@a.test>: User unknown
Giving up on 192.0.2.25.

--- Below this line is a copy of the message.

{COPY}"""),
    Kind("Postfix, no MIME", "From: MAILER-DAEMON@mx.a.test (Mail Delivery System)\nSubject: Undelivered Mail", """\
This is the Postfix program at host mx.a.test.

I'm sorry to have to inform you that the message returned
below could not be delivered to one or more destinations.

For further assistance, please contact <postmaster@mx.a.test>

<jo@a.test>: host mx.a.test[192.0.2.25] said: 550 5.1.1
    <jo@a.test>... User unknown
"""),
    Kind("sendmail", DAEMON + "Subject: Returned mail: see transcript for details", f"""\
The original message was received at Wed, 25 Nov 2026 03:00:00 GMT
from mail.test [192.0.2.1]

   ----- The following addresses had permanent fatal errors -----
<jo@a.test>
    (reason: 550 5.1.1 <jo@a.test>... User unknown)

   ----- Transcript of session follows -----
... while talking to mx.a.test.:
>>> DATA
<<< 550 5.1.1 <jo@a.test>... User unknown

   ----- Original message follows -----

{COPY}"""),
    Kind("sendmail 5", DAEMON + "Subject: Returned mail: User unknown", f"""\
   ----- Transcript of session follows -----
... while talking to mx.a.test:
>>> RCPT To:<jo@a.test>
<<< 550 No such user here
550 jo@a.test... User unknown

   ----- Unsent message follows -----
{COPY}"""),
    Kind("sendmail warns", DAEMON + "Subject: Warning: could not send message for past 4 hours", """\
    **********************************************
    **      THIS IS A WARNING MESSAGE ONLY      **
    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **
    **********************************************

   ----- The following addresses had transient non-fatal errors -----
<jo@a.test>

   ----- Transcript of session follows -----
<jo@a.test>... Deferred: Connection timed out with mx.a.test.
Warning: message still undelivered after 4 hours
Will keep trying until message is 5 days old
""", late=True, cause="unreachable"),
    Kind("an old Exchange", "From: System Administrator <postmaster@a.test>\nSubject: Undeliverable: Spring news", """\
Your message

  To:      jo@a.test
  Subject: Spring news
  Sent:    Wed, 25 Nov 2026 03:00:00 -0000

did not reach the following recipient(s):

jo@a.test on Wed, 25 Nov 2026 03:00:00 -0000
    The recipient name is not recognized
	The MTS-ID of the original message is: c=us;a= ;p=a;l=MX0211250300
    MSEXCH:IMS:A:SITE:MX 0 (000C05A6) Unknown Recipient
"""),
    Kind("Exchange 2003", "From: System Administrator <administrator@a.test>\nSubject: Undeliverable: Spring news", """\
Your message did not reach some or all of the intended recipients.

      Subject:	Spring news
      Sent:	11/25/2026 3:00 AM

The following recipient(s) could not be reached:

      jo@a.test on 11/25/2026 3:00 AM
            The e-mail account does not exist at the organization this message was sent to.
            <mx.a.test #5.1.1>
"""),
    Kind("Gmail, in words", "From: Mail Delivery Subsystem <mailer-daemon@googlemail.test>\nReturn-Path: <>\n"
         "Subject: Delivery Status Notification (Failure)", f"""\
Delivery to the following recipient failed permanently:

     jo@a.test

Technical details of permanent failure:
Google tried to deliver your message, but it was rejected by the server for the recipient domain a.test by mx.a.test.

The error that the other server returned was:
550 5.1.1 User unknown

----- Original message -----

{COPY}"""),
    Kind("Gmail is late", "From: Mail Delivery Subsystem <mailer-daemon@googlemail.test>\nReturn-Path: <>\n"
         "Subject: Delivery Status Notification (Delay)", """\
This is an automatically generated Delivery Status Notification

THIS IS A WARNING MESSAGE ONLY.

Delivery to the following recipient has been delayed:

     jo@a.test

Message will be retried for 2 more day(s)
""", late=True, cause="unknown"),
    Kind("Domino", "From: Postmaster@a.test\nSubject: DELIVERY FAILURE: User jo not listed in Domino Directory", """\
Your message

  Subject: Spring news

was not delivered to:

  jo@a.test

because:

  User jo (jo@a.test) not listed in Domino Directory
"""),
    Kind("GroupWise", "From: Mailer-Daemon@a.test\nSubject: Message status - undeliverable\n"
         "X-Mailer: Novell GroupWise Internet Agent 8.0", """\
The message that you sent was undeliverable to the following:
	jo@a.test (user not found)
"""),
    Kind("MDaemon", "From: MDaemon@a.test\nSubject: Permanent Delivery Failure", """\
--------------------------------------------------------------------
Your message has been returned because of a permanent error

Failed address: jo@a.test

--- Session Transcript ---
<-- 550 <jo@a.test>, Recipient unknown
--- End Transcript ---
"""),
    Kind("IMail", "From: Postmaster@a.test\nSubject: Undeliverable Mail\nX-Mailer: <SMTP32 v8.22>", f"""\
Unknown user: jo@a.test

Original message follows.

{COPY}"""),
    Kind("MailMarshal", "From: postmaster@a.test\nSubject: Undeliverable: Spring news", """\
Your message:
   From:    jane@mail.test
   Subject: Spring news
Could not be delivered because of

550 5.1.1 User unknown

The following recipients were affected:
   jo@a.test

Additional Information
"""),
    Kind("a scanner", "From: Mail Delivery System <admin@a.test>\nSubject: Undeliverable message", f"""\
Sent >>> RCPT TO:<jo@a.test>
Received <<< 550 5.1.1 <jo@a.test>... user unknown

Unable to deliver message to <jo@a.test>.
**********************       End of message     **********************
{COPY}"""),
    Kind("another scanner", DAEMON + "Subject: Your message could not be sent", """\
Your message could not be sent.
A transcript of the attempts to send the message follows.
The number of attempts made: 1
Addressed To: jo@a.test

Wed 25 Nov 2026 03:00
Failed to send to identified host,
jo@a.test: [192.0.2.25], 550 jo@a.test... No such user
--- Message non-deliverable.
"""),
    Kind("delivery problems", DAEMON + "Subject: Returned mail: Undelivered", """\
   ----- The following addresses had delivery problems -----

<jo@a.test>   (User unknown jo@a.test)

--------------Transcript of session-------------
"""),
    Kind("trouble", "From: Mail Delivery Subsystem <noreply@a.test>\nSubject: There was an error", """\
I attempted to deliver your message. Full details follow:

Subject: 'Spring news'

1 error(s):

SMTP Server <mx.a.test> rejected recipient <jo@a.test>
  (following RCPT command). It responded as follows:
  [550 5.1.1 <jo@a.test>... User Unknown]
"""),
    Kind("Yahoo", "From: MAILER-DAEMON@yahoo.test\nSubject: Failure Notice", """\
Sorry, we were unable to deliver your message to the following address.

<jo@a.test>:
554: delivery error: dd This user doesn't have a a.test account (jo@a.test) [0] - mta1.a.test

--- Below this line is a copy of the message.
"""),
    Kind("James", "From: postmaster@a.test\nSubject: Re: Spring news\nIn-Reply-To: <x@mail.test>", """\
Error: Invalid user address

Error message below:
550 - Requested action not taken: no such user here

Message details:
  Subject: Spring news
  MAIL FROM: jane@mail.test
  RCPT TO: jo@a.test
  From: jane@mail.test
"""),
    Kind("OpenSMTPD", "From: Mailer Daemon <MAILER-DAEMON@a.test>\nReturn-Path: <>\n"
         "Subject: Delivery status notification: error", f"""\
    Hi!

    This is the MAILER-DAEMON, please DO NOT REPLY to this email.

    An error has occurred while attempting to deliver a message for
    the following list of recipients:

jo@a.test: 550 5.1.1 <jo@a.test>: User unknown

    Below is a copy of the original message:

{COPY}"""),
    Kind("Zoho", "From: mailer-daemon@mail.zoho.test\nSubject: Undelivered Mail Returned to Sender", """\
This message was created automatically by mail delivery software.
 A message that you sent could not be delivered to one or more of its recipients. This is a permanent error.

jo@a.test Invalid Address, ERROR_CODE :550, ERROR_CODE :5.1.1 <jo@a.test>... User Unknown
"""),
    Kind("1&1", "From: Mail Delivery System <mailer-daemon@kundenserver.test>\n"
         "Subject: Mail delivery failed: returning message to sender", f"""\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of
its recipients. This is a permanent error.

The following address failed:

jo@a.test:
SMTP error from remote server for RCPT TO command, host: mx.a.test (192.0.2.25) reason: 550 5.1.1 unknown user

--- The header of the original message is following. ---

{COPY}"""),
    Kind("German", "From: Mailzustellung <postmaster@a.test>\nReturn-Path: <>\nSubject: Unzustellbar: Frühling", """\
Die folgende Nachricht konnte nicht zugestellt werden an:

jo@a.test

Grund: Der Empfänger ist unbekannt.
"""),
    Kind("French", "From: MAILER-DAEMON@a.test\nSubject: Échec de la remise", """\
Votre message n'a pas pu être remis au destinataire suivant :

  Destinataire : jo@a.test
  Motif : adresse inconnue
"""),
    Kind("Spanish", "From: postmaster@a.test\nSubject: No se puede entregar: Primavera", """\
No se ha podido entregar el mensaje a los siguientes destinatarios:

jo@a.test
El buzón no existe.
"""),
    Kind("a Japanese carrier", "From: Postmaster@a.test\nReturn-Path: <>\nSubject: Mail System Error", """\
The following recipients did not receive this message:

Recipient: <jo@a.test>
<<< 550 Unknown user jo@a.test
"""),
    Kind("Japanese", "From: MAILER-DAEMON@a.test\nSubject: 配信不能通知\nContent-Type: text/plain; charset=utf-8", """\
以下の宛先にメールを配信できませんでした。

宛先：jo@a.test
理由：宛先のメールアドレスは存在しません。
"""),
    Kind("Chinese", "From: postmaster@a.test\nSubject: 系统退信\nContent-Type: text/plain; charset=utf-8", """\
抱歉，您的邮件被退回来了……

收件人: jo@a.test
退信原因: 收件人邮件地址不存在
"""),
    Kind("Russian", "From: mailer-daemon@a.test\nSubject: Недоставленное сообщение", """\
Это письмо создано автоматически. К сожалению, мы не можем доставить Ваше письмо:

jo@a.test
Пользователь не найден
"""),
    Kind("HTML alone", DAEMON + "Subject: Undeliverable\nContent-Type: text/html; charset=utf-8", """\
<html><head><style>p { color: red }</style></head><body>
<p><b>Delivery has failed to these recipients or groups:</b></p>
<p><a href="mailto:jo@a.test">jo@a.test</a><br>
550 5.1.1 The e-mail address you entered couldn&#39;t be found: user unknown.</p></body></html>
"""),
    Kind("base64", DAEMON + "Subject: Undeliverable\nContent-Type: text/plain; charset=utf-8\n"
         "Content-Transfer-Encoding: base64",
         "RGVsaXZlcnkgdG8gdGhlIGZvbGxvd2luZyByZWNpcGllbnQgZmFpbGVkIHBlcm1h\n"
         "bmVudGx5OgoKICAgICBqb0BhLnRlc3QKCjU1MCA1LjEuMSBVc2VyIHVua25vd24K\n"),
    Kind("fields in the text", DAEMON + "Subject: Delivery Status Notification (Failure)", """\
An error occurred while trying to deliver the mail to the following recipients:
jo@a.test

Technical report:

Reporting-MTA: dsn; out.a.test

Action: failed
Final-Recipient: rfc822; jo@a.test
Diagnostic-Code: smtp; 550 5.1.1 <jo@a.test>... User unknown
Status: 5.1.1
"""),
    Kind("Dovecot refuses", "From: Mail Delivery Subsystem <postmaster@a.test>\nReturn-Path: <>\n"
         "Subject: Automatically rejected mail\nAuto-Submitted: auto-replied (rejected)\n"
         "Content-Type: multipart/report; report-type=disposition-notification; boundary=b", """\
--b
Content-Type: text/plain; charset=utf-8

Your message to <jo@a.test> was automatically rejected:
Quota exceeded

--b
Content-Type: message/disposition-notification

Final-Recipient: rfc822; jo@a.test
Disposition: automatic-action/MDN-sent-automatically; deleted

--b--
""", cause="full"),
    Kind("a full mailbox in words", DAEMON + "Subject: failure notice", """\
Sorry, unable to deliver your message to jo@a.test for the following reason:

 552 Quota violation for jo@a.test
""", cause="full"),
    Kind("a letter that was too large", DAEMON + "Subject: Mail delivery failed", """\
The following address failed:

jo@a.test

For the following reason:

Mail size limit exceeded.
""", cause="too-large"),
    Kind("no further attempts", "From: <MAILER-DAEMON@a.test>\nSubject: Message delivery has failed", """\
Unable to deliver message to: <jo@a.test>
Delivery failed for the following reason:
Server mx.a.test[192.0.2.1] failed with: 550 <jo@a.test> No such user here

This has been a permanent failure.  No further delivery attempts will be made.
"""),
    Kind("a telephone company", "From: post_master@a.test\nSubject: Undeliverable Message", """\
Error: No valid recipients for this MM

Message details:
 To: jo@a.test
 From: jane@mail.test
"""),
    Kind("another Japanese carrier", DAEMON + "Subject: Mail System Error - Returned Mail", """\
Your mail sent on: Wed, 25 Nov 2026 12:00:00 +0900
    Could not be delivered to: <jo@a.test>

As their mailbox is full.
""", cause="full"),
    Kind("with rules", "From: Mail Delivery System <system@a.test>\nReturn-Path: <>\nSubject: Delivery status",
         """\
============================================================================
  This is an automatically generated delivery status notification
============================================================================

Delivery to the following recipients failed permanently:

*          jo@a.test

============================================================================
Technical details:

RoutingFailed: Mailbox unknown
"""),
    Kind("Russian, with a reply", "From: mailer-daemon@a.test\nReturn-Path: <>\nSubject: Undelivered Mail", """\
К сожалению, мы вынуждены сообщить Вам о том, что Ваше письмо не может
быть отправлено одному или нескольким адресатам.

<jo@a.test>: host mx.a.test[192.0.2.1] said: 550 5.1.1 <jo@a.test>... User
    unknown (in reply to RCPT TO command)
"""),
    Kind("blocked", "From: Filter <noreply@a.test>\nReturn-Path: <>\nSubject: Message you sent blocked", """\
Your message to: jo@a.test
was blocked by our Spam Firewall. The email you sent with the following subject has NOT BEEN DELIVERED:

Subject: Spring news
""", cause="content"),
    Kind("SES", "From: AWS Notifications <no-reply@sns.test>\nSubject: AWS Notification Message", """\
{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":"General","bouncedRecipients":
[{"emailAddress":"jo@a.test","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}]}}

--
If you wish to stop receiving notifications from this topic, please visit the link below.
"""),
)  # fmt: skip
