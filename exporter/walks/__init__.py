"""Walks over HTTP: one request or several, judged by what is answered. API checks and journeys are made of them.

message.py     request and reply, the deadline of a step, why a step fails
resolver.py    names to addresses within a deadline        tls.py       client contexts
wire.py        a socket with a deadline and a budget       client.py    one exchange
cookies.py     the cookies of one run                      visitor.py   redirects, cookies, which hosts may be asked
template.py    `${name}` in URLs, headers and bodies       requests.py  the request as the configuration tells it
findings.py    values in a reply, captures and rules       schema.py    JSON Schema
secret_words.py  what nobody may see                       failures.py  the last failures
journey.py     steps one after the other                   page.py      the pages
browser.py     the same with a browser, in a child process: browser_child.py
"""
