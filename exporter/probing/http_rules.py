"""What a module wants of an HTTP response, one rule after the other; each is a step that can fail."""

from exporter.probing.http_options import HttpOptions
from exporter.probing.http_response import Response
from exporter.probing.run import Run
from exporter.probing.settings import matches


def judge(run: Run, options: HttpOptions, response: Response, *, secure: bool) -> None:
    """Check *response* by every rule of *options*.

    Raises:
        ProbeFailed: the first rule that it breaks.
    """
    run.enter("check")
    _version(run, options, response)
    _status(run, options, response)
    if secure and options.fail_if_ssl:
        raise run.fail("ssl", "the response came over TLS, and fail_if_ssl is set")
    if not secure and options.fail_if_not_ssl:
        raise run.fail("ssl", "the response did not come over TLS, and fail_if_not_ssl is set")
    _headers(run, options, response)
    _body(run, options, response)


def _version(run: Run, options: HttpOptions, response: Response) -> None:
    version = f"HTTP/{response.version}"
    if options.valid_http_versions and version not in options.valid_http_versions:
        raise run.fail("version", f"{version}, wanted is {' or '.join(options.valid_http_versions)}")


def _status(run: Run, options: HttpOptions, response: Response) -> None:
    wanted = options.valid_status_codes
    if response.status not in wanted if wanted else not 200 <= response.status < 300:
        shown = " or ".join(map(str, wanted)) or "2xx"
        raise run.fail("status", f"HTTP {response.status}, wanted is {shown}")


def _headers(run: Run, options: HttpOptions, response: Response) -> None:
    for unwanted, rules in ((True, options.fail_if_header_matches), (False, options.fail_if_header_not_matches)):
        for rule in rules:
            values = rule.values(response.headers)
            if not values and rule.allow_missing:
                continue
            if not values:
                raise run.fail("header", f"the header {rule.header} is missing", by_pattern=True)
            if any(matches(rule.regexp, value) for value in values) == unwanted:
                verb = "matches" if unwanted else "does not match"
                raise run.fail("header", f"the header {rule.header} {verb} {rule.regexp!r}", by_pattern=True)


def _body(run: Run, options: HttpOptions, response: Response) -> None:
    if not (options.fail_if_body_matches_regexp or options.fail_if_body_not_matches_regexp):
        return
    text = response.body.decode("utf-8", "replace")
    for pattern in options.fail_if_body_matches_regexp:
        if matches(pattern, text):
            raise run.fail("body", f"the body matches {pattern!r}", by_pattern=True)
    for pattern in options.fail_if_body_not_matches_regexp:
        if not matches(pattern, text):
            raise run.fail("body", f"the body does not match {pattern!r}", by_pattern=True)
