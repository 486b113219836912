"""Receipts add up what each caller got, and say when toolhone would have cost more than all schemas."""

from toolhone.receipts import MOST_CALLERS, Exchanges, Receipts


def test_a_receipt_says_what_was_sent_and_what_all_schemas_would_have_cost() -> None:
    receipts = Receipts(len)
    receipts.listed("anna", "x" * 400)
    receipts.listed("anna", "x" * 500)
    receipts.compared("anna", 10_500)
    receipts.exchanged("anna", "find_tools", Exchanges(count=1, requests=20, answers=880, legends=60))
    receipts.exchanged("anna", "find_tools", Exchanges(count=1, requests=20, answers=780, legends=60))
    receipts.exchanged("anna", "describe_tools", Exchanges(count=1, requests=10, answers=290))

    told = receipts.of("anna").as_json()

    assert told["listing"] == 500
    assert told["find_tools"] == {
        "count": 2,
        "request_tokens": 40,
        "answer_tokens": 1660,
        "of_which_legend": 120,
        "of_which_results": 0,
    }
    assert told["describe_tools"]["count"] == 1
    assert told["call_tools"]["count"] == told["read_result"]["count"] == 0
    assert told["tokens_sent"] == 2500
    assert told["tokens_of_all_schemas"] == 10_500
    assert told["tokens_saved"] == 8000
    assert told["break_even_selections"] == 10


def test_what_tools_were_given_and_answered_is_not_what_toolhone_cost() -> None:
    receipts = Receipts(len)
    receipts.exchanged("anna", "call_tools", Exchanges(count=1, requests=50, answers=400, results=420))
    receipts.exchanged("anna", "read_result", Exchanges(count=1, requests=20, answers=300, results=290))

    assert receipts.of("anna").sent == 60


def test_few_small_tools_break_even_at_once() -> None:
    receipts = Receipts(len)
    receipts.listed("ben", "x" * 500)
    receipts.compared("ben", 300)
    receipts.exchanged("ben", "find_tools", Exchanges(count=1, requests=10, answers=90))

    assert receipts.of("ben").as_json()["tokens_saved"] == -300
    assert receipts.of("ben").break_even == 0


def test_who_selected_nothing_has_no_break_even() -> None:
    receipts = Receipts(len)
    receipts.listed("carl", "x" * 500)

    assert receipts.of("carl").break_even is None
    assert receipts.of("nobody").sent == 0


def test_callers_are_apart_and_add_up() -> None:
    receipts = Receipts(len)
    for number in range(MOST_CALLERS + 5):
        receipts.compared(f"caller {number}", 1000)
        receipts.exchanged(f"caller {number}", "find_tools", Exchanges(count=1, requests=1, answers=9))

    assert receipts.of("caller 7").sent == 10
    assert receipts.total().sent == 10 * (MOST_CALLERS + 5)
    assert receipts.total().all_schemas == 1000 * (MOST_CALLERS + 5)


def test_an_answer_says_what_else_was_paid_and_when_it_would_be_too_much() -> None:
    receipts = Receipts(len)
    receipts.listed("anna", "x" * 500)
    receipts.compared("anna", 10_500)
    receipts.exchanged("anna", "find_tools", Exchanges(count=1, requests=20, answers=480, legends=60))
    receipts.exchanged("anna", "describe_tools", Exchanges(count=1, requests=10, answers=290))
    receipts.exchanged("anna", "read_result", Exchanges(count=1, requests=10, answers=90))

    overhead = receipts.overhead("anna", answer=1100)

    assert (overhead.listing, overhead.follow_ups, overhead.break_even) == (500, 400, 10)
    assert receipts.of("anna").exchanges["find_tools"].count == 1, "asking changes nothing"
