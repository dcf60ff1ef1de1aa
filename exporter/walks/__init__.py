"""Walks over HTTP: one request or several, judged by what is answered. API checks and journeys are made of them.

message.py       request and reply, the deadline of a step, why a step fails
resolver.py      names to addresses within a deadline      tls.py       contexts of clients
wire.py          a socket with a deadline and a budget     client.py    one exchange
cookies.py       the cookies of one run                    visitor.py   redirects, cookies, who may be asked
template.py      `${name}` in URLs, headers and bodies     request_rule.py  a request as it is configured
findings.py      values in a reply, captures and rules     schema.py    JSON Schema
secret_words.py  what nobody may see                       failures.py  how a walk ended, the last failures
plan.py          the frame of a journey                    journey.py   steps over HTTP, one after the other
api_check.py     one endpoint and its checks               page.py      the pages
browser.py       steps in a browser, run in a child        browser_child.py  that child; never imported
child.py         a child process within a deadline         on_demand.py     what `/journey` answers
"""
