import pytest

from producers.evidence.junit import read_junit
from producers.evidence.report import EvidenceError, ReportFile
from tests.unit.producers.evidence.shown import report, said, text_report


@pytest.mark.parametrize(
    ("name", "executed", "passed", "skipped", "objection"),
    [
        ("pytest.xml", 3, 3, 2, None),
        ("surefire.xml", 3, 2, 1, "1 of 3 unit failed: shop.CheckoutTest::refunds"),
        ("jest.xml", 3, 2, 1, "1 of 3 unit failed: src/checkout.test.ts (by its totals)"),
        ("gotestsum-rerun.xml", 3, 2, 1, "1 of 3 unit failed: example.org/shop/stock::TestReserve"),
        ("phpunit.xml", 3, 1, 0, "2 of 3 unit failed: Shop.PriceTest::testTax, Shop.PriceTest::testCurrency"),
        ("googletest.xml", 1, 1, 2, None),
        ("no-totals.xml", 2, 1, 0, "1 of 2 unit failed: stops"),
    ],
)
def test_each_dialect_is_counted_by_its_cases(
    name: str, executed: int, passed: int, skipped: int, objection: str | None
) -> None:
    reading = read_junit({"unit": [report(f"junit/{name}")]})

    [suite] = said(reading)["tests.suites"]
    assert suite == {"kind": "unit", "executed": executed, "passed": passed, "skipped": skipped}
    assert list(reading.objections) == ([objection] if objection else [])


def test_shards_of_a_kind_are_one_suite() -> None:
    shards = {"unit": [report("junit/pytest.xml"), report("junit/googletest.xml")], "e2e": [report("junit/pytest.xml")]}

    reading = read_junit(shards)

    unit, e2e = said(reading)["tests.suites"]
    assert unit == {"kind": "unit", "executed": 4, "passed": 4, "skipped": 4}
    assert e2e["kind"] == "e2e"
    assert reading.assigned[0].origin == "junit pytest.xml and 2 more"


def test_what_passed_at_the_second_try_is_noted() -> None:
    assert said(read_junit({"unit": [report("junit/surefire.xml")]}))["attributes.tests.flaky.unit"] == "1"


def test_a_case_reported_again_counts_once_if_the_caller_says_that_it_is_a_rerun() -> None:
    reading = read_junit({"unit": [report("junit/gotestsum-rerun.xml")]}, reruns=True)

    assert said(reading)["tests.suites"] == [{"kind": "unit", "executed": 2, "passed": 2, "skipped": 1}]
    assert said(reading)["attributes.tests.flaky.unit"] == "1"
    assert not reading.objections


def test_a_rerun_that_fails_is_a_failure() -> None:
    text = '<testsuite><testcase name="a"/><testcase name="a"><failure/></testcase></testsuite>'

    assert read_junit({"unit": [text_report(text)]}, reruns=True).objections == ["1 of 1 unit failed: a"]


def test_a_suite_that_broke_as_a_whole_has_failed() -> None:
    text = '<testsuites><testsuite><testcase name="a"/><error message="fork died"/></testsuite></testsuites>'

    assert read_junit({"unit": [text_report(text)]}).objections == ["1 of 2 unit failed: a suite as a whole"]


ENTITIES = '<!DOCTYPE t [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><testsuite name="&b;"/>'
OUTSIDE = '<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite name="a">&x;</testsuite>'
TRX = '<TestRun id="1"><Results/></TestRun>'


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "r.xml: is empty"),
        (b"\n", "r.xml: is empty"),
        (b"812 passed", "line 1 column 1: is not well-formed XML"),
        (b'<testsuite><testcase name="a">', "is not well-formed XML"),
        (TRX.encode(), "begins with <TestRun>, not with <testsuites>"),
        (b'<testsuite name="empty"/>', "no test of the suite 'unit' ran (0 skipped)"),
        (b'<testsuite><testcase name="a"><skipped/></testcase></testsuite>', "ran (1 skipped)"),
        (ENTITIES.encode(), "declares entities or a DOCTYPE"),
        (OUTSIDE.encode(), "declares entities or a DOCTYPE"),
        (b'<!DOCTYPE testsuite SYSTEM "http://example.org/junit.dtd"><testsuite/>', "declares entities or a DOCTYPE"),
        (b'<?xml version="1.0" encoding="klingon"?><testsuite/>', "encoding"),
        (b'<?xml version="1.0" encoding="utf-8"?><testsuite name="\xff"/>', "is not well-formed XML"),
        (b'<?xml version="1.0" encoding="shift_jis"?><testsuite/>', "encoding"),
        (b"<testsuite>" * 1000, "is nested more than 100 deep"),
    ],
)
def test_what_is_no_junit_report_is_refused_with_the_place_and_what_to_do(data: bytes, problem: str) -> None:
    with pytest.raises(EvidenceError) as refused:
        read_junit({"unit": [ReportFile("r.xml", data)]})

    assert problem in str(refused.value)
    assert str(refused.value).startswith("r.xml: ")


def test_a_large_report_is_read_with_little_memory() -> None:
    import tracemalloc

    case = '<testcase classname="c" name="n"><system-out>' + "x" * 500 + "</system-out></testcase>"
    data = f"<testsuite>{case * 20_000}</testsuite>".encode()
    tracemalloc.start()
    try:
        reading = read_junit({"unit": [ReportFile("r.xml", data)]})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert said(reading)["tests.suites"][0]["executed"] == 20_000
    assert peak < len(data) * 3
