"""The `slo` section of the sidecar's settings: where objectives are looked up, and which service has which."""

from fnmatch import fnmatchcase
from math import isfinite
from string import Template
from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, field_validator, model_validator

from producers.sidecar.auth.settings import SecretSource
from schemas.duration import parse_duration
from schemas.values import DAY, MINUTE, SECOND, Micros

_NAMES: Final = frozenset({"service", "env"})


def _length(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Length = Annotated[Micros, BeforeValidator(_length), Field(gt=0)]
"""A length of time, written as text: 30s, 24h."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SloObjective(_Section):
    """What a number has to be for its services to meet their objective."""

    service: str = Field(min_length=1)
    """A pattern: `shop-*`."""
    env: str = "*"
    """A pattern. An event without an environment fits "*" alone."""
    query: str = Field(min_length=1)
    """PromQL, in which $service and $env stand for the event's. All series of the answer have to meet the bound."""
    at_least: float | None = None
    at_most: float | None = None

    @field_validator("query")
    @classmethod
    def _known_names(cls, query: str) -> str:
        template = Template(query)
        unknown = sorted(set(template.get_identifiers()) - _NAMES)
        if unknown or not template.is_valid():
            what = f"${unknown[0]} stands for nothing" if unknown else "has a $ without a name"
            raise ValueError(f"{what}; there are $service and $env, and $$ is a dollar sign")
        return query

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        bounds = [bound for bound in (self.at_least, self.at_most) if bound is not None]
        if len(bounds) != 1 or not isfinite(bounds[0]):
            raise ValueError("give either at_least or at_most, a number")
        return self

    def covers(self, service: str, env: str | None) -> bool:
        """Whether it is the objective of a service in an environment."""
        return fnmatchcase(service, self.service) and fnmatchcase(env or "", self.env)

    def query_for(self, service: str, env: str | None) -> str:
        """The query for one of them. Names of ours have no quotes and no backslashes, so they stay inside a string."""
        return Template(self.query).substitute(service=service, env=env or "")

    def met_by(self, value: float) -> bool:
        """Whether a number is within the bound. NaN is not."""
        return (
            value >= self.at_least if self.at_least is not None else self.at_most is not None and value <= self.at_most
        )


class SloSettings(_Section):
    """The whole section."""

    prometheus: HttpUrl
    """Its address, without /api/v1."""
    token: SecretSource | None = None
    """A bearer token for it."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers that are no secrets, such as X-Scope-OrgID."""
    objectives: tuple[SloObjective, ...] = Field(min_length=1)
    """The first that covers a service counts. A service without one waits for nothing."""
    poll: Length = 30 * SECOND
    """How often to ask."""
    step: Length = 15 * SECOND
    """How exact `slo_met_at` is: the distance of the times that are asked for."""
    longest_wait: Length = DAY
    """After which a resolution leaves without `slo_met_at`."""
    timeout: Length = MINUTE // 6
    max_files: int = Field(default=10_000, gt=0)
    max_bytes: int = Field(default=64 << 20, gt=0)

    @field_validator("prometheus")
    @classmethod
    def _no_password(cls, url: HttpUrl) -> HttpUrl:
        if url.username or url.password:
            raise ValueError("has a name and a password in it; use token, or a header")
        return url

    @field_validator("headers")
    @classmethod
    def _no_secret(cls, headers: dict[str, str]) -> dict[str, str]:
        if any(name.lower() in {"authorization", "cookie"} for name in headers):
            raise ValueError("a secret is named, not written: use token")
        return headers

    @property
    def poll_seconds(self) -> float:
        """As a clock counts."""
        return self.poll / SECOND

    @property
    def step_seconds(self) -> float:
        """As a clock counts."""
        return self.step / SECOND

    @property
    def longest_seconds(self) -> float:
        """As a clock counts."""
        return self.longest_wait / SECOND
