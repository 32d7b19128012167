import pytest

from producers.errors import UsageError
from producers.evidence.line_coverage import in_module, read_coverage, read_thresholds
from producers.evidence.report import EvidenceError
from tests.unit.producers.evidence.shown import report, said, text_report


@pytest.mark.parametrize(
    ("name", "module", "share"),
    [
        ("coverage.json", "shop.payments", 9 / 10),
        ("coverage.json", "shop/search", 2 / 10),
        ("coverage.json", "src/shop/*", 11 / 20),
        ("cobertura.xml", "shop.payments", 3 / 4),
        ("cobertura.xml", "shop/search/Index.java", 1.0),
        ("lcov.info", "payments", 1.0),
        ("lcov.info", "card.ts", 1.0),
        ("lcov.info", "search", 0.0),
    ],
)
def test_each_format_gives_the_share_of_a_module(name: str, module: str, share: float) -> None:
    reading = read_coverage([report(f"coverage/{name}")], read_thresholds([f"{module}=0"], []))

    [entry] = said(reading)["tests.coverage"]
    assert entry == {"module": module, "critical": True, "line": share, "threshold": 0.0}


def test_a_line_that_ran_in_one_shard_ran() -> None:
    first = text_report("SF:a/b.go\nDA:1,1\nDA:2,0\nend_of_record\n")
    second = text_report("SF:a\\b.go\r\nDA:1,0\r\nDA:2,3\r\nend_of_record\r\n")

    reading = read_coverage([first, second], read_thresholds(["100%"], []))

    assert said(reading)["tests.coverage"] == [{"module": "(all)", "critical": False, "line": 1.0, "threshold": 1.0}]
    assert not reading.objections


def test_less_than_the_threshold_is_no_pass() -> None:
    wanted = read_thresholds(["shop/payments=95%", "50%"], ["shop/search"])

    reading = read_coverage([report("coverage/coverage.json")], wanted)

    assert reading.objections == [
        "line coverage of shop/payments is 90.00%, less than 95%",
        "line coverage of shop/search is 20.00%, less than 50%",
    ]


@pytest.mark.parametrize(
    ("path", "module", "belongs"),
    [
        ("src/shop/payments/card.py", "shop.payments", True),
        ("src/shop/payments/card.py", "payments", True),
        ("src/shop/payments.py", "shop.payments", True),
        ("src/shop/payments/card.py", "shop/payments/card.py", True),
        ("src/shop/payments/card.py", "shop.pay", False),
        ("src/shop/repayments/card.py", "payments", False),
        ("src/shop/search.py", "shop/payments", False),
    ],
)
def test_a_module_is_whole_names_of_a_path(path: str, module: str, belongs: bool) -> None:
    assert in_module(path, module) is belongs


@pytest.mark.parametrize(
    ("texts", "critical", "problem"),
    [
        ([], [], "say what is asked for"),
        ([], ["payments"], "--critical-module payments: say its threshold"),
        (["payments=90"], [], "'90' is no share: write 90% or 0.9"),
        (["payments=nan"], [], "is no share"),
        (["=90%"], [], "names no module"),
    ],
)
def test_a_threshold_that_could_be_misread_is_refused(texts: list[str], critical: list[str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        read_thresholds(texts, critical)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is no coverage report that is known"),
        ("hello", "is no coverage report that is known"),
        ("<report name='jacoco'/>", "begins with <report>"),
        ("<coverage generated='1'><project/></coverage>", "has no <class>"),
        ('<!DOCTYPE c [<!ENTITY a "b">]><coverage/>', "declares entities"),
        ("{}", "is not a report of coverage.py"),
        ('{"meta": {}, "files": {"a.py": {"executed_lines": [1]}}}', "files.a.py.missing_lines: is missing"),
        ('{"meta": {}, "files": {"a.py": {"executed_lines": ["1"], "missing_lines": []}}}', "is not the number"),
        ('{"meta": {}, "files": {', "line 1 column"),
        ("SF:a.go\nDA:one,2\nend_of_record", "line 2: 'one,2' is no DA entry"),
        ("DA:1,2\n", "line 1: DA stands outside a record"),
        ("SF:a.go\nDA:1,2\n", "it is cut off"),
        ("SF:a.go\nDA:1,2\nend_of_record", "has no line of 'payments'"),
    ],
)
def test_what_is_no_coverage_report_is_refused(text: str, problem: str) -> None:
    with pytest.raises(EvidenceError, match=problem.replace("(", r"\(")):
        read_coverage([text_report(text)], read_thresholds(["payments=90%"], []))
