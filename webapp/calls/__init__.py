"""Night calls: a webhook, a chat or a mailbox is told what a job does that a person should know.

``pagers`` keeps where they go, ``sentences`` says what is told, ``sending`` carries a call that
is due, and ``outside`` is the small program that goes out for it, shut in and with a time limit.
"""
