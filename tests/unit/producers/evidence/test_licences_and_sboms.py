from collections.abc import Sequence
from hashlib import sha256

import pytest

from producers.evidence.licences import LicencePolicy
from producers.evidence.report import EvidenceError
from producers.evidence.sbom import licences_in, read_sbom_digest, read_sbom_licences
from tests.unit.producers.evidence.shown import report, said, text_report


@pytest.mark.parametrize(
    ("expression", "permitted"),
    [
        ("MIT", True),
        ("mit", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND (GPL-2.0-only or Zlib)", True),
        ("MIT OR Zlib AND GPL-3.0-only", True),
        ("(MIT OR Zlib) AND GPL-3.0-only", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL, see the file", False),
        ("(MIT", True),
        ("(" * 500 + "MIT", True),
        ("AND", True),
    ],
)
def test_an_expression_is_permitted_if_there_is_a_permitted_choice(expression: str, permitted: bool) -> None:
    assert LicencePolicy(deny=["GPL*"]).permits(expression) is permitted


@pytest.mark.parametrize(
    ("allow", "expression", "permitted"),
    [
        (["MIT"], "MIT", True),
        (["MIT"], "Zlib", False),
        (["MIT"], "MIT WITH thing", True),
        (["GPL-2.0-only WITH Classpath-exception-2.0"], "GPL-2.0-only WITH Classpath-exception-2.0", True),
    ],
)
def test_with_a_list_of_what_is_allowed_all_else_is_denied(
    allow: Sequence[str], expression: str, permitted: bool
) -> None:
    assert LicencePolicy(deny=["GPL*"], allow=allow).permits(expression) is permitted


@pytest.mark.parametrize(
    ("name", "licences", "denied"),
    [
        ("cyclonedx.json", ["MIT", "GPL-3.0-only OR Apache-2.0", "AGPL-3.0-only"], ["AGPL-3.0-only"]),
        (
            "spdx.json",
            ["GPL-3.0-or-later AND LicenseRef-docs", "GPL-2.0-only WITH Classpath-exception-2.0", "NOASSERTION"],
            ["GPL-2.0-only WITH Classpath-exception-2.0", "GPL-3.0-or-later AND LicenseRef-docs"],
        ),
        ("spdx3.json", ["GPL-3.0-or-later"], ["GPL-3.0-or-later"]),
    ],
)
def test_each_format_gives_its_digest_and_its_licences(name: str, licences: list[str], denied: list[str]) -> None:
    bill = report(f"sbom/{name}")

    assert said(read_sbom_digest(bill)) == {"artifact.sbom_sha256": sha256(bill.data).hexdigest()}
    assert list(licences_in(bill)) == licences
    judged = read_sbom_licences([bill], LicencePolicy(deny=["GPL*", "AGPL*"]))
    assert said(judged) == {"scan.licences_denied": denied}
    assert len(judged.objections) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("SPDXVersion: SPDX-2.3", "is not a bill of materials in JSON"),
        ("<bom/>", "give CycloneDX 1.2 to 1.7"),
        ('{"bomFormat": "CycloneDX", "specVersion": "1.99", "components": [{}]}', "specVersion: is not a version"),
        ('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}', "components: lists nothing"),
        ('{"bomFormat": "CycloneDX", "specVersion": "1.6"}', "components: lists nothing"),
        ('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [1]}', r"components\[0\]: is not an object"),
        ('{"spdxVersion": "SPDX-1.0", "packages": [{}]}', "spdxVersion: is not a version"),
        ('{"spdxVersion": "SPDX-2.3", "packages": []}', "packages: lists nothing"),
        ('{"@context": "x", "@graph": []}', "is not of SPDX 3.0"),
        ('{"name": "package.json"}', "is not a bill of materials"),
        ('{"bomFormat": ' + "[" * 100_000, "is nested too deep"),
    ],
)
def test_what_is_no_bill_of_materials_has_no_digest(text: str, problem: str) -> None:
    with pytest.raises(EvidenceError, match=problem):
        read_sbom_digest(text_report(text))
