import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from producers.sidecar.auth.access import AccessRefused
from producers.sidecar.auth.gate import AuthGate, open_gate
from tests.support.forges import GITHUB_CLAIMS, Forge
from tests.unit.producers.sidecar.auth.asking import settings


class TestKeys:
    START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def asking(self, gate: AuthGate, token: str, after: float) -> str:
        """What becomes of a token, so many seconds after the start."""
        headers = {"authorization": f"Bearer {token}"}
        try:
            asyncio.run(gate.exchange(headers, self.START + timedelta(seconds=after)))
        except AccessRefused as refusal:
            return str(refusal.reason)
        return "let in"

    def test_an_unknown_key_is_asked_for_once_a_minute_at_most(self, gate: AuthGate, forge: Forge) -> None:
        invented = forge.token(GITHUB_CLAIMS, headers={"kid": "invented"})
        assert [self.asking(gate, invented, after) for after in (0, 1, 59)] == ["unknown_key"] * 3
        assert len(forge.asked) == 1
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 59) == "let in"
        assert self.asking(gate, invented, 60) == "unknown_key"
        assert len(forge.asked) == 2

    def test_a_new_key_is_found(self, gate: AuthGate, forge: Forge) -> None:
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 0) == "let in"
        forge.key_id = "key-2"
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 61) == "let in"

    def test_a_key_that_was_taken_back_is_forgotten_within_the_hour(self, gate: AuthGate, forge: Forge) -> None:
        old = [forge.token(GITHUB_CLAIMS) for _ in range(2)]
        assert self.asking(gate, old[0], 0) == "let in"
        forge.key_id = "key-2"
        assert self.asking(gate, old[1], 3600) == "unknown_key"

    def test_known_keys_stay_while_the_issuer_is_away(self, gate: AuthGate, forge: Forge) -> None:
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 0) == "let in"
        forge.away = True
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 7200) == "let in"
        assert self.asking(gate, forge.token(GITHUB_CLAIMS, headers={"kid": "key-2"}), 7300) == "unavailable"

    def test_without_any_key_it_is_not_the_callers_fault(self, gate: AuthGate, forge: Forge) -> None:
        forge.away = True
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 0) == "unavailable"
        forge.away = False
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 30) == "unavailable"
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 60) == "let in"

    @pytest.mark.parametrize("document", [b"", b"[]", b'{"keys": []}', b'{"keys": [{"kty": "RSA", "kid": "key-1"}]}'])
    def test_what_is_no_key_set_replaces_none(self, forge: Forge, document: bytes) -> None:
        answers = [forge.jwks(), document]

        async def fetch(url: str) -> bytes:
            return answers.pop(0)

        gate = open_gate(settings(), {}, fetch=fetch)
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 0) == "let in"
        assert self.asking(gate, forge.token(GITHUB_CLAIMS, headers={"kid": "x"}), 100) == "unavailable"
        assert self.asking(gate, forge.token(GITHUB_CLAIMS), 101) == "let in"
