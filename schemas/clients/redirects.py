"""Clients that hold credentials follow no redirects: what proves who we are goes to one address and to no other."""

from http.client import HTTPMessage
from typing import IO
from urllib.request import HTTPRedirectHandler, Request

from typing_extensions import override


class NoRedirects(HTTPRedirectHandler):
    """For `urllib.request.build_opener`: an answer that redirects is raised as the HTTPError that it is then."""

    @override
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None
