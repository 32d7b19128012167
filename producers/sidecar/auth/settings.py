"""The `auth` section of the sidecar's settings: who may speak, and how they prove it. No secret stands in it.

A secret is named, `{env: PAGERDUTY_SECRET}` or `{file: /run/secrets/pagerduty}`, and read when the sidecar starts; that
of a webhook in a file also when the file changes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import override

from producers.sidecar.webhooks.sources import UnknownSource, canonical_name
from schemas.duration import parse_duration
from schemas.values import HOUR, MINUTE, EventTypeName, Micros

ANY: Final = ("*",)
REPORTABLE: Final = tuple(
    name for name in get_args(EventTypeName) if name not in {"UNKNOWN", "clock_tick", "cause_linked"}
)
"""The ten types that somebody outside may report."""

GITHUB: Final = "https://token.actions.githubusercontent.com"
GITLAB: Final = "https://gitlab.com"

_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._/@:-]{0,99}$"
_HEADER: Final = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"

Text = Annotated[str, Field(min_length=1, max_length=512)]
Header = Annotated[str, Field(pattern=_HEADER)]


class _Section(BaseModel):
    # An error shows the field, never what stands there: somebody may have written the secret itself.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SecretSource(_Section):
    """Where a secret is: an environment variable, or a file whose last newline does not count."""

    env: Text | None = None
    file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            raise ValueError("a secret is named here, not written: {env: NAME} or {file: PATH}")  # noqa: TRY004
        return given

    @model_validator(mode="after")
    def _one(self) -> "SecretSource":
        if (self.env is None) == (self.file is None):
            raise ValueError("give either env, the name of a variable, or file, a path")
        return self


Secrets = Annotated[tuple[SecretSource, ...], Field(min_length=1)]
"""Each of them is good. A new one is put in front, and the old one taken out once the sender uses the new one."""


class SignatureSettings(_Section):
    """A signature over the body, in the way of this source."""

    scheme: Literal["pagerduty", "github", "standard-webhooks"]
    secrets: Secrets


class GrafanaSignatureSettings(_Section):
    """Grafana's contact point with an HMAC secret. With `timestamp_header`, the time is signed and must be now."""

    scheme: Literal["grafana"]
    secrets: Secrets
    header: Header = "X-Grafana-Alerting-Signature"
    timestamp_header: Header | None = None


class GitLabTokenSettings(_Section):
    """GitLab's secret token, sent as it is in `X-Gitlab-Token`."""

    scheme: Literal["gitlab-token"]
    secrets: Secrets


class BearerSettings(_Section):
    """`Authorization: Bearer …`, or with another word in front."""

    scheme: Literal["bearer"]
    secrets: Secrets
    word: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")] = "Bearer"


class BasicAuthSettings(_Section):
    """A user name and one of several passwords."""

    scheme: Literal["basic"]
    username: Text
    secrets: Secrets


class SecretHeaderSettings(_Section):
    """A header whose whole value is the secret."""

    scheme: Literal["header"]
    header: Header
    secrets: Secrets


class ClientCertificateSettings(_Section):
    """A client certificate of `tls.client_ca` with one of these names in its subjectAltName."""

    scheme: Literal["certificate"]
    names: Annotated[tuple[Text, ...], Field(min_length=1)]


class UnauthenticatedSettings(_Section):
    """Anybody who reaches the address. Only where nobody else does: on loopback, or with `open: true`."""

    scheme: Literal["none"]


Webhook = Annotated[
    SignatureSettings
    | GrafanaSignatureSettings
    | GitLabTokenSettings
    | BearerSettings
    | BasicAuthSettings
    | SecretHeaderSettings
    | ClientCertificateSettings
    | UnauthenticatedSettings,
    Field(discriminator="scheme"),
]

OWN_SCHEME: Final[Mapping[str, str]] = {
    "pagerduty": "pagerduty",
    "github": "github",
    "incident_io": "standard-webhooks",
    "grafana": "grafana",
    "gitlab": "gitlab-token",
}
"""The scheme of a source that has one, for settings that name none."""


class ScopeSettings(_Section):
    """What somebody may report. In a glob `*` stands for any text, `/` too, and `?` for one character."""

    services: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Globs of service names."""
    events: Annotated[tuple[str, ...], Field(min_length=1)] = REPORTABLE
    environments: Annotated[tuple[Text, ...], Field(min_length=1)] = ANY
    """Globs. An event without an environment, as a commit is, needs none of them."""

    @field_validator("events")
    @classmethod
    def _known(cls, events: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(events).difference(REPORTABLE))
        if unknown:
            raise ValueError(f"no such event type: {', '.join(unknown)}; there are {', '.join(REPORTABLE)}")
        return events


class TokenSettings(ScopeSettings):
    """A bearer token, by its hash: `candora-ci token` makes both."""

    name: Annotated[str, Field(pattern=_NAME)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    expires: AwareDatetime | None = None


class CertificateCallerSettings(ScopeSettings):
    """A caller with a client certificate of `tls.client_ca`."""

    name: Annotated[str, Field(pattern=_NAME)]
    names: Annotated[tuple[Text, ...], Field(min_length=1)]
    """One of them must be in its subjectAltName: a DNS name, a URI (`spiffe://…`) or an address."""


class TrustSettings(ScopeSettings, ABC):
    """What holds for a repository of either forge."""

    environment_names: Mapping[str, str] = Field(default_factory=dict)
    """From the forge's environments to ours, such as `production: prod`; one that is not here has one name."""
    commit: Literal["token", "event"] = "token"
    """Whose word counts for the commit. `event`: for pipelines that deploy another commit than the one they run on."""

    @property
    @abstractmethod
    def number(self) -> str:
        """What the forge never gives away twice, as it does with names."""


class GitHubRepositorySettings(TrustSettings):
    """A repository on GitHub whose workflows may report."""

    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]
    owner_id: Annotated[str, Field(pattern=r"^[0-9]+$", coerce_numbers_to_str=True)]
    """The number of its owner, which does not come back when the name does: `gh api users/NAME --jq .id`."""
    workflows: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Files in its .github/workflows, such as `deploy.yml`; or a reusable workflow of another repository, whole:
    `acme/ci/.github/workflows/deploy.yml@refs/tags/v2`."""

    @property
    @override
    def number(self) -> str:
        return self.owner_id


class GitLabProjectSettings(TrustSettings):
    """A project on GitLab whose pipelines may report."""

    project: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$")]
    project_id: Annotated[str, Field(pattern=r"^[0-9]+$", coerce_numbers_to_str=True)]
    """Its number, which does not come back when the path does; it stands below the project's name."""
    config: Text = ".gitlab-ci.yml"
    """The file that its pipelines are made of; or a file elsewhere, whole:
    `gitlab.com/acme/ci//deploy.yml@refs/heads/main`."""

    @property
    @override
    def number(self) -> str:
        return self.project_id


def _address(url: str) -> str:
    local = url.startswith(("http://127.0.0.1:", "http://localhost:"))
    if not url.startswith("https://") and not local:
        raise ValueError("is not an https:// address")
    return url.rstrip("/")


class _Issuer(_Section):
    issuer: str
    jwks_url: str | None = None
    """Where its keys are, if not where this kind of issuer has them."""

    @field_validator("issuer", "jwks_url")
    @classmethod
    def _https(cls, url: str | None) -> str | None:
        return None if url is None else _address(url)


class GitHubIssuerSettings(_Issuer):
    """GitHub Actions. On GitHub Enterprise Server the issuer is `https://HOST/_services/token`."""

    issuer: str = GITHUB
    server: str = "https://github.com"
    """Where people look at its runs."""
    repositories: Annotated[tuple[GitHubRepositorySettings, ...], Field(min_length=1)]

    @property
    def keys(self) -> str:
        """Where its public keys are."""
        return self.jwks_url or f"{self.issuer}/.well-known/jwks"


class GitLabIssuerSettings(_Issuer):
    """GitLab CI: gitlab.com, or an instance of one's own."""

    issuer: str = GITLAB
    projects: Annotated[tuple[GitLabProjectSettings, ...], Field(min_length=1)]

    @property
    def keys(self) -> str:
        """Where its public keys are."""
        return self.jwks_url or f"{self.issuer}/oauth/discovery/keys"


def _length(given: object) -> object:
    return parse_duration(given) if isinstance(given, str) else given


class OidcSettings(_Section):
    """CI systems that prove by a token of their own which run it is, so that no secret needs to be stored there."""

    audience: Text
    """What the token must be made for: a word of this installation alone, such as its address."""
    github: tuple[GitHubIssuerSettings, ...] = ()
    gitlab: tuple[GitLabIssuerSettings, ...] = ()
    session: Micros = 15 * MINUTE
    session_key: SecretSource | None = None
    """Signs sessions: at least 32 bytes, the same for every replica. None: one is made up at each start."""

    @field_validator("session", mode="before")
    @classmethod
    def _duration(cls, given: object) -> object:
        return _length(given)

    @model_validator(mode="after")
    def _complete(self) -> "OidcSettings":
        issuers = [each.issuer for each in (*self.github, *self.gitlab)]
        if not issuers:
            raise ValueError("name at least one issuer, under github or gitlab")
        if len(set(issuers)) < len(issuers):
            raise ValueError("an issuer is named twice; put its repositories together")
        if not MINUTE <= self.session <= HOUR:
            raise ValueError("session: give a length from 1m to 1h")
        return self


class TlsSettings(_Section):
    """HTTPS, and whether clients need a certificate."""

    certificate: Path
    """PEM: ours first, then those between it and the root."""
    key: Path
    key_password: SecretSource | None = None
    client_ca: Path | None = None
    """PEM. Given, every client needs a certificate of it, unless `client_certificate` says optional."""
    client_certificate: Literal["required", "optional"] = "required"
    client_names: tuple[Text, ...] = ()
    """Of the client certificates, those with one of these names only. Empty: all of them."""

    @model_validator(mode="after")
    def _ca(self) -> "TlsSettings":
        if self.client_ca is None and (self.client_names or self.client_certificate == "optional"):
            raise ValueError("client_names and client_certificate need a client_ca")
        return self


def _canonical(given: Mapping[Any, Any]) -> dict[str, Any]:
    """By the names that the sources have among us."""
    found: dict[str, Any] = {}
    for source, entry in given.items():
        try:
            name = canonical_name(str(source))
        except UnknownSource as error:
            raise ValueError(str(error)) from error
        if name in found:
            raise ValueError(f"{name} is named twice; put its secrets into one list")
        found[name] = entry
    return found


def _with_scheme(source: str, entry: Any) -> Any:
    if not isinstance(entry, Mapping) or "scheme" in entry:
        return entry
    if source not in OWN_SCHEME:
        raise ValueError(f"{source} signs nothing by itself: say by `scheme` what it sends, such as bearer or basic")
    return {"scheme": OWN_SCHEME[source], **entry}


class AuthSettings(_Section):
    """Everything about who may speak. Empty: nobody has to prove anything, which is refused beyond loopback."""

    webhooks: Mapping[str, Webhook] = Field(default_factory=dict)
    """By source."""
    tokens: tuple[TokenSettings, ...] = ()
    certificates: tuple[CertificateCallerSettings, ...] = ()
    oidc: OidcSettings | None = None
    tls: TlsSettings | None = None
    open: bool = False
    """Let anybody in who reaches the address, beyond loopback too. Something else must guard it."""

    @field_validator("webhooks", mode="before")
    @classmethod
    def _own_schemes(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {name: _with_scheme(name, entry) for name, entry in _canonical(given).items()}

    @model_validator(mode="after")
    def _consistent(self) -> "AuthSettings":
        for what, names in (("tokens", self.tokens), ("certificates", self.certificates)):
            known = [each.name for each in names]
            if len(set(known)) < len(known):
                raise ValueError(f"{what}: two have one name; it is how the log tells them apart")
        by_certificate = any(isinstance(each, ClientCertificateSettings) for each in self.webhooks.values())
        if (self.certificates or by_certificate) and (self.tls is None or self.tls.client_ca is None):
            raise ValueError("certificates of clients are checked only where tls.client_ca is given")
        return self

    @property
    def proves_callers(self) -> bool:
        """Whether there is a way for a caller to prove who they are."""
        return bool(self.tokens or self.certificates or self.oidc)

    @property
    def configured(self) -> bool:
        """Whether anything at all is said about who may speak."""
        return self.proves_callers or bool(self.webhooks)
