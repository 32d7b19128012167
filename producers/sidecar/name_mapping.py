"""The operator's mapping file: from the words of PagerDuty, Alertmanager and the rest to our services and environments.

Nothing is guessed that would put an incident on the wrong service: what no rule, no fact and no default names is
refused with the facts there were, and goes to the dead letters.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from producers.errors import UsageError
from producers.sidecar.webhooks.fields import shown
from producers.sidecar.webhooks.reading import DeliveryIgnored, DeliveryUnmappable, Location
from producers.sidecar.webhooks.severity import severity_of
from producers.sidecar.webhooks.sources import UnknownSource, canonical_name
from producers.sidecar.yaml_file import read_yaml
from schemas.errors import InvalidEvent, one_line
from schemas.models import Items, Model
from schemas.rules import EARLIEST, check_event
from schemas.values import plain_event

SERVICE_FROM: Final = (
    "service",
    "*.service",
    "*.service_name",
    "*.app",
    "*.app.kubernetes.io/name",
    "*.app_kubernetes_io_name",
    "*.application",
    "*.affected_service",
    "*.affected_services",
    "*.services",
    "service.summary",
    "entity",
    "metadata.name",
    "repository.name",
    "project.name",
    "integration.name",
    "*.job",
)
"""Which facts name the service, the best first. Of several that one pattern takes, the one the source gave first."""

ENV_FROM: Final = (
    "env",
    "environment",
    "*.env",
    "*.environment",
    "*.deployment_environment",
    "*.deployment.environment",
    "*.environment_name",
    "*.namespace",
    "*.cluster",
)
"""Which facts name the environment. Where a namespace is something else, `env_from` or `envs` says so."""

DEFAULT_ENV: Final[Mapping[str, str]] = dict.fromkeys(
    ("pagerduty", "alertmanager", "grafana", "opsgenie", "incident_io"), "prod"
)
"""What is meant where nothing names an environment, unless the file says otherwise: people are paged for production."""

_MOST_FACTS: Final = 12
_LONGEST_NAME: Final = 100
"""Characters of a fact's name in a message."""
_LONGEST: Final = 2_048
"""Characters of a fact that a pattern is held against."""


def _service(text: str) -> str:
    return _checked(text, service=text)


def _env(text: str) -> str:
    return _checked(text, env=text)


def _checked(text: str, service: str = "", env: str | None = None) -> str:
    event = plain_event("clock_tick", "00000000-0000-0000-0000-000000000000", EARLIEST + 1, service)
    event["env"] = env
    try:
        check_event(event)
    except InvalidEvent as error:
        raise ValueError(f"{shown(text)} {error.problem}; {error.hint}") from error
    return text


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _source(name: str) -> str:
    try:
        return canonical_name(name)
    except UnknownSource as error:
        raise ValueError(str(error)) from error


def _known_source(name: object) -> str | None:
    try:
        return canonical_name(str(name))
    except UnknownSource:
        return None


Service = Annotated[str, Field(min_length=1), AfterValidator(_service)]
Env = Annotated[str, AfterValidator(_env)]
Severity = Literal["sev1", "sev2", "sev3", "sev4", "sev5"]
Globs = Annotated[Items[str], BeforeValidator(_one_or_many)]
"""One pattern or several, of which one must fit. `*` stands for any text and `?` for one character, nothing else."""


class NameRule(Model):
    """What holds for everything whose facts fit."""

    match: dict[str, Globs] = Field(min_length=1)
    """By the name of a fact, which may be a pattern too. All of them must fit."""
    service: Service | None = None
    env: Env | None = None
    severity: Severity | None = None
    ignore: str | None = Field(default=None, min_length=1)
    """Why it is to be passed over."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        names = (self.service, self.env, self.severity)
        if self.ignore is None and not any(names):
            raise ValueError("says nothing; give it service, env, severity or ignore")
        if self.ignore is not None and any(names):
            raise ValueError("gives names to what it ignores; leave out one or the other")
        return self

    def fits(self, facts: Mapping[str, str]) -> bool:
        """Whether every line of `match` has a fact."""
        return all(
            any(_glob(name, pattern) and _any_glob(value, values) for name, value in facts.items())
            for pattern, values in self.match.items()
        )


class WordMapping(Model):
    """How to get from a source's words to ours. What a source has none of, it takes from the file's top."""

    rules: Items[NameRule] = ()
    """The first that fits decides; what it leaves open is looked up as without it."""
    service_from: Items[str] | None = None
    """Instead of SERVICE_FROM."""
    env_from: Items[str] | None = None
    """Instead of ENV_FROM."""
    envs: dict[str, Env] = Field(default_factory=dict)
    """Other words for an environment: `production: prod`."""
    severities: dict[str, Severity] = Field(default_factory=dict)
    """Other words for a severity: `page: sev1`."""
    default_service: Service | None = None
    default_env: Env | None = None


class NameRules(WordMapping):
    """The whole mapping file."""

    sources: dict[Annotated[str, AfterValidator(_source)], WordMapping] = Field(default_factory=dict)

    @field_validator("sources", mode="before")
    @classmethod
    def _each_source_once(cls, sources: object) -> object:
        known = [name for name in map(_known_source, sources) if name] if isinstance(sources, dict) else []
        twice = next((name for name in known if known.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} is there under two names; put their rules together")
        return sources


class MappedNameResolver:
    """`Names` as a mapping file has them. `file` is how messages and origins call it."""

    def __init__(self, rules: NameRules, file: str = "mapping file") -> None:
        self._top = rules
        self._file = file

    def place(self, source: str, facts: Mapping[str, str]) -> Location:
        """As `Names.place`."""
        at, rule = self._rule(source, facts)
        if rule is not None and rule.ignore is not None:
            raise DeliveryIgnored(f"{at} passes it over: {rule.ignore}")
        service, service_at = (rule.service, at) if rule and rule.service else self._service(source, facts)
        env, env_at = (rule.env, at) if rule and rule.env else self._env(source, facts)
        severity = rule.severity if rule else None
        return Location(service, service_at, env, env_at, severity, at if severity else None)

    def severity(self, source: str, words: str) -> str | None:
        """As `Names.severity`."""
        wanted = words.strip().casefold()
        for _, level in self._levels(source):
            for name, severity in level.severities.items():
                if name.strip().casefold() == wanted:
                    return severity
        return severity_of(words)

    def _levels(self, source: str) -> Iterator[tuple[str, WordMapping]]:
        """What is said of the source, then of all, with its place in the file."""
        own = self._top.sources.get(source)
        if own is not None:
            yield f"{self._file}: sources.{source}.", own
        yield f"{self._file}: ", self._top

    def _rule(self, source: str, facts: Mapping[str, str]) -> tuple[str, NameRule | None]:
        for at, level in self._levels(source):
            for position, rule in enumerate(level.rules):
                if rule.fits(facts):
                    return f"{at}rules[{position}]", rule
        return "", None

    def _service(self, source: str, facts: Mapping[str, str]) -> tuple[str, str]:
        patterns = next((level.service_from for _, level in self._levels(source) if level.service_from), SERVICE_FROM)
        for name, value in _facts(facts, patterns):
            return _taken(_service, name, value, "a service"), name
        for at, level in self._levels(source):
            if level.default_service:
                return level.default_service, f"{at}default_service"
        raise DeliveryUnmappable(
            f"nothing names the service; {_told(facts)}. Add a rule for sources.{source} to the mapping file, "
            "or a label that is called service"
        )

    def _env(self, source: str, facts: Mapping[str, str]) -> tuple[str, str] | tuple[None, None]:
        patterns = next((level.env_from for _, level in self._levels(source) if level.env_from), ENV_FROM)
        for name, value in _facts(facts, patterns):
            for at, level in self._levels(source):
                known = {word.casefold(): env for word, env in level.envs.items()}.get(value.casefold())
                if known is not None:
                    return known, f"{name}, by {at}envs"
            return _taken(_env, name, value, "an environment"), name
        for at, level in self._levels(source):
            if level.default_env:
                return level.default_env, f"{at}default_env"
        usual = DEFAULT_ENV.get(source)
        return (usual, f"default for {source}, for nothing names an environment") if usual else (None, None)


def load_names(path: Path) -> MappedNameResolver:
    """Return the names of a mapping file.

    Raises:
        UsageError: it cannot be read, or is not as it should be.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: the mapping file cannot be read: {error}") from error
    return MappedNameResolver(read_yaml(text, NameRules, str(path)), path.name)


def _facts(facts: Mapping[str, str], patterns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The facts that the patterns take, by the order of the patterns, then by their own."""
    for pattern in patterns:
        for name, value in facts.items():
            if value.strip() and _glob(name, pattern):
                yield name, value


def _taken(check: Callable[[str], str], fact: str, value: str, what: str) -> str:
    """A fact as a name of ours. Blanks become dashes; everything else has to be right as it is."""
    try:
        return check("-".join(value.split()))
    except ValueError as error:
        raise DeliveryUnmappable(
            f"{fact} is no name for {what}: {error}, or name it with a rule in the mapping file"
        ) from error


def _told(facts: Mapping[str, str]) -> str:
    if not facts:
        return "there are no facts to go by"
    told = [f"{_called(name)}={shown(value)}" for name, value in islice(facts.items(), _MOST_FACTS)]
    rest = f" and {len(facts) - _MOST_FACTS} more" if len(facts) > _MOST_FACTS else ""
    return f"the facts are {', '.join(told)}{rest}"


def _called(fact: str) -> str:
    return one_line(fact[:_LONGEST_NAME])


def _any_glob(text: str, patterns: Iterable[str]) -> bool:
    return any(_glob(text, pattern) for pattern in patterns)


def _glob(text: str, pattern: str) -> bool:
    """As a shell matches, but "[" is itself: titles have it."""
    return fnmatchcase(text[:_LONGEST], pattern.replace("[", "[[]"))
