"""A client of a schema registry that speaks Confluent's protocol: look up, and, for releases, register."""

import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from typing import Any, Final, NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPSHandler, OpenerDirector, Request, build_opener

from schemas.clients.redirects import NoRedirects
from schemas.codec.codec import Schema

MAX_ANSWER: Final = 4 * 1024 * 1024
_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND: Final = 404


class RegistryError(Exception):
    """The registry could not be asked, or refused. `status` is its HTTP status, None if there was no answer.

    `temporary` says whether asking again later may help.
    """

    def __init__(self, problem: str, status: int | None = None) -> None:
        super().__init__(problem)
        self.status: Final = status

    @property
    def temporary(self) -> bool:
        """Whether the fault is of the network or the server, not of the question."""
        return self.status is None or self.status >= 500 or self.status == 429  # noqa: PLR2004 - HTTP


@dataclass(frozen=True, slots=True)
class RegistryCredentials:
    """Who we are to the registry: a user and password, or a bearer token. Never shown."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def header(self) -> str | None:
        """Return the value of the Authorization header, or None to go without."""
        if self.token:
            return f"Bearer {self.token}"
        if self.user:
            return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return None


class RegistryClient:
    """Asks one registry. Schemas found by id are remembered for good: an id never changes its meaning.

    `ca_file` names a PEM file of authorities to trust instead of the system's; `client_cert` one of ours with its key.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 5.0,
        credentials: RegistryCredentials | None = None,
        ca_file: str | None = None,
        client_cert: str | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            problem = "the address of a schema registry begins with http:// or https://, and names a host"
            raise ValueError(problem)
        if parts.username or parts.password:
            problem = "give the user of the schema registry apart from its address, which shows up in logs"
            raise ValueError(problem)
        self._url: Final = url.rstrip("/")
        self._timeout: Final = timeout
        self._credentials: Final = credentials or RegistryCredentials()
        self._ca_file: Final = ca_file
        self._client_cert: Final = client_cert
        self._schemas: Final[dict[int, Schema]] = {}

    def schema_by_id(self, schema_id: int) -> Schema:
        """Return the Avro schema with an id; RegistryError (status 404) if there is none."""
        known = self._schemas.get(schema_id)
        if known is None:
            answer = self._ask("GET", f"/schemas/ids/{schema_id}")
            known = self._schemas[schema_id] = self._schema(schema_id, answer)
        return known

    def id_of(self, subject: str, schema: Schema) -> int:
        """Return the id under which a subject holds this schema; RegistryError (status 404) if it does not.

        Only looks: a CI job that sends an event never registers anything.
        """
        return self._id(self._ask("POST", f"/subjects/{quote(subject, safe='')}", {"schema": schema.raw}))

    def register(self, subject: str, schema: Schema) -> int:
        """Put a schema under a subject, if it is not there yet, and return its id.

        RegistryError (status 409) if the subject's compatibility forbids it.
        """
        return self._id(self._ask("POST", f"/subjects/{quote(subject, safe='')}/versions", {"schema": schema.raw}))

    def set_compatibility(self, subject: str, level: str = "FULL_TRANSITIVE") -> None:
        """Have the registry refuse versions of a subject that old readers or old messages would break on."""
        self._ask("PUT", f"/config/{quote(subject, safe='')}", {"compatibility": level})

    @cached_property
    def _opener(self) -> OpenerDirector:
        context = ssl.create_default_context(cafile=self._ca_file)
        if self._client_cert:
            context.load_cert_chain(self._client_cert)
        return build_opener(NoRedirects, HTTPSHandler(context=context))

    def _ask(self, method: str, path: str, question: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        body = None if question is None else json.dumps(question).encode()
        headers = {"Accept": _TYPE, "Content-Type": _TYPE}
        authorization = self._credentials.header()
        if authorization:
            headers["Authorization"] = authorization
        request = Request(self._url + path, data=body, headers=headers, method=method)  # noqa: S310 - scheme checked
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                text = response.read(MAX_ANSWER + 1)
        except HTTPError as error:
            with error:
                self._refused(method, path, error)
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise RegistryError(f"the schema registry {self._url} does not answer: {reason}") from error
        return self._answer(text)

    def _refused(self, method: str, path: str, error: HTTPError) -> NoReturn:
        try:
            said = str(json.loads(error.read(4096))["message"])
        except (ValueError, KeyError, TypeError, OSError, HTTPException):
            said = error.reason
        problem = f"the schema registry {self._url} refused {method} {path} with {error.code}: {said}"
        raise RegistryError(problem, error.code) from error

    def _answer(self, text: bytes) -> Mapping[str, Any]:
        try:
            answer = json.loads(text) if len(text) <= MAX_ANSWER else None
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise RegistryError(f"{self._url} does not answer like a schema registry")
        return answer

    def _id(self, answer: Mapping[str, Any]) -> int:
        schema_id = answer.get("id")
        if not isinstance(schema_id, int):
            raise RegistryError(f"{self._url} does not answer like a schema registry: no id")
        return schema_id

    def _schema(self, schema_id: int, answer: Mapping[str, Any]) -> Schema:
        kind, text = answer.get("schemaType", "AVRO"), answer.get("schema")
        if kind != "AVRO" or not isinstance(text, str):
            raise RegistryError(f"schema {schema_id} is {kind}, not Avro", _NOT_FOUND)
        try:
            return Schema.parse(f"id {schema_id}", text)
        except ValueError as error:
            raise RegistryError(f"schema {schema_id} of {self._url} cannot be read: {error}", _NOT_FOUND) from error
