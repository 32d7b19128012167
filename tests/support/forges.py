"""GitHub and GitLab as issuers of tokens: keys of our own, claims as theirs have them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

AUDIENCE: Final = "https://candora.acme.example"
GITHUB: Final = "https://token.actions.githubusercontent.com"
GITLAB: Final = "https://gitlab.acme.example"
SHA: Final = "3c9f1a7be2d4506f8a1b2c3d4e5f60718293a4b5"

GITHUB_CLAIMS: Final[Mapping[str, Any]] = {
    "iss": GITHUB,
    "sub": "repo:acme/shop:environment:production",
    "repository": "acme/shop",
    "repository_owner": "acme",
    "repository_owner_id": "4711",
    "repository_id": "815",
    "job_workflow_ref": "acme/shop/.github/workflows/deploy.yml@refs/heads/main",
    "workflow": "Deploy",
    "event_name": "push",
    "environment": "production",
    "sha": SHA,
    "ref": "refs/heads/main",
    "ref_type": "branch",
    "ref_protected": "true",
    "head_ref": "",
    "base_ref": "",
    "run_id": "9001",
    "run_number": "12",
    "run_attempt": "2",
    "actor": "alice",
    "runner_environment": "github-hosted",
}
"""A push to the main branch, in a job with an environment."""

PULL_REQUEST: Final[Mapping[str, Any]] = {
    "event_name": "pull_request",
    "environment": None,
    "ref": "refs/pull/412/merge",
    "head_ref": "cheaper-carts",
    "base_ref": "main",
    "job_workflow_ref": "acme/shop/.github/workflows/deploy.yml@refs/pull/412/merge",
}
"""What differs in the run of a pull request: `sha` is that of a merge which nobody will ever see again."""

GITLAB_CLAIMS: Final[Mapping[str, Any]] = {
    "iss": GITLAB,
    "sub": "project_path:acme/web/cart:ref_type:branch:ref:main",
    "project_path": "acme/web/cart",
    "project_id": "28",
    "namespace_path": "acme/web",
    "namespace_id": "7",
    "ci_config_ref_uri": "gitlab.acme.example/acme/web/cart//.gitlab-ci.yml@refs/heads/main",
    "pipeline_source": "push",
    "pipeline_id": "455",
    "job_id": "1123",
    "environment": "production",
    "environment_protected": "true",
    "sha": SHA,
    "ref": "main",
    "ref_path": "refs/heads/main",
    "ref_type": "branch",
    "ref_protected": "true",
    "user_login": "bob",
}

OIDC: Final[Mapping[str, Any]] = {
    "audience": AUDIENCE,
    "github": [
        {
            "repositories": [
                {
                    "repository": "Acme/shop",
                    "owner_id": 4711,
                    "workflows": ["deploy.yml", "acme/ci/.github/workflows/release.yml@refs/tags/v2"],
                    "services": ["shop*"],
                    "environments": ["prod", "staging"],
                    "environment_names": {"production": "prod"},
                }
            ]
        }
    ],
    "gitlab": [
        {
            "issuer": GITLAB,
            "projects": [
                {
                    "project": "acme/web/cart",
                    "project_id": 28,
                    "services": ["cart"],
                    "environment_names": {"production": "prod"},
                }
            ],
        }
    ],
}
"""Settings that let the two in."""


@dataclass
class Forge:
    """An issuer: signs tokens, and answers for its keys as an address does that may be away."""

    key_id: str = "key-1"
    key: RSAPrivateKey = field(default_factory=lambda: generate_private_key(65537, 2048))
    away: bool = False
    asked: list[str] = field(default_factory=list)

    def token(self, claims: Mapping[str, Any], *, headers: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """A token that is good for five minutes; a change to None takes the claim out."""
        now = datetime.now(UTC)
        usual = {"aud": AUDIENCE, "jti": str(uuid4()), "iat": now, "nbf": now, "exp": now + timedelta(minutes=5)}
        payload = {name: value for name, value in {**usual, **claims, **changes}.items() if value is not None}
        return jwt.encode(payload, self.key, "RS256", headers={"kid": self.key_id, **(headers or {})})

    async def fetch(self, url: str) -> bytes:
        """The document with the keys."""
        self.asked.append(url)
        if self.away:
            raise OSError("no route to host")
        return self.jwks()

    def jwks(self) -> bytes:
        """The public half of the key, and one of a kind that is not used."""
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        keys = [{"kty": "OKP", "kid": "other"}, {**public, "kid": self.key_id, "use": "sig", "alg": "RS256"}]
        return json.dumps({"keys": keys}).encode()
