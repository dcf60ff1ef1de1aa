"""The options of the HTTP prober, by blackbox_exporter's keys."""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from exporter.probing import http_request
from exporter.probing.settings import check_patterns, secret, size
from exporter.probing.tls import TlsConfig


class HeaderRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A header and a regular expression for its values; *allow_missing* says that it need not be there."""

    header: str
    regexp: str
    allow_missing: bool = False

    def __post_init__(self) -> None:
        check_patterns(self.regexp)

    def values(self, headers: Iterable[tuple[str, str]]) -> list[str]:
        """The header's values among *headers*, whose names are in lower case."""
        name = self.header.lower()
        return [value for key, value in headers if key == name]


class BasicAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user name and password; the password may stand in a file of its own."""

    username: str = ""
    password: str = ""
    password_file: str = ""

    def __post_init__(self) -> None:
        if self.password and self.password_file:
            raise ValueError("give password or password_file, not both")

    def header(self) -> str:
        """The Authorization header.

        Raises:
            ProbeFailed: the file cannot be used (`secret`).
        """
        password = secret(self.password_file) if self.password_file else self.password
        return http_request.basic(self.username, password)


class HttpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked and what is wanted; the keys are blackbox_exporter's.

    Attributes:
        valid_status_codes: statuses that are well; empty for 200 to 299.
        valid_http_versions: such as `HTTP/1.1`; empty for any. Requests are made in HTTP/1.1.
        method: of the request.
        headers: sent with the request; to another host only those that cannot be credentials.
        body: sent with the request.
        body_file: a file with the body.
        basic_auth: a user name and password to show.
        bearer_token: a token to show.
        bearer_token_file: a file with the token.
        fail_if_ssl: fail where the last response came over TLS.
        fail_if_not_ssl: fail where it did not.
        fail_if_body_matches_regexp: fail where one of these matches in the first MiB of the body.
        fail_if_body_not_matches_regexp: fail where one of these does not match there.
        fail_if_header_matches: fail where one of these matches.
        fail_if_header_not_matches: fail where one of these does not match.
        follow_redirects: go where a redirect leads.
        no_follow_redirects: the same, negated, as it was once called.
        max_redirects: how many are followed.
        tls_config: how TLS is spoken.
        preferred_ip_protocol: whose addresses are tried.
        ip_protocol_fallback: whether the other one's will do.
        body_size_limit: bytes (or `10MB`) of a body, beyond which the probe fails.
        compression: `gzip` asks for a compressed body and decompresses it.
    """

    valid_status_codes: tuple[int, ...] = ()
    valid_http_versions: tuple[str, ...] = ()
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: str = ""
    body_file: str = ""
    basic_auth: BasicAuth | None = None
    bearer_token: str = ""
    bearer_token_file: str = ""
    fail_if_ssl: bool = False
    fail_if_not_ssl: bool = False
    fail_if_body_matches_regexp: tuple[str, ...] = ()
    fail_if_body_not_matches_regexp: tuple[str, ...] = ()
    fail_if_header_matches: tuple[HeaderRule, ...] = ()
    fail_if_header_not_matches: tuple[HeaderRule, ...] = ()
    follow_redirects: bool = True
    no_follow_redirects: bool = False
    max_redirects: Annotated[int, msgspec.Meta(ge=0, le=100)] = 10
    tls_config: TlsConfig = TlsConfig()
    preferred_ip_protocol: Literal["ip4", "ip6"] = "ip6"
    ip_protocol_fallback: bool = True
    body_size_limit: int | str = "10MB"
    compression: Literal["", "gzip", "deflate", "identity"] = ""

    def __post_init__(self) -> None:
        http_request.check_headers(self.headers)
        check_patterns(*self.fail_if_body_matches_regexp, *self.fail_if_body_not_matches_regexp)
        if size(self.body_size_limit) < 1:
            raise ValueError("body_size_limit must be 1 or more")
        if len([one for one in (self.basic_auth, self.bearer_token, self.bearer_token_file) if one]) > 1:
            raise ValueError("give one of basic_auth, bearer_token, bearer_token_file")
        if self.body and self.body_file:
            raise ValueError("give body or body_file, not both")
