"""What stands in place of what was masked: tags, pseudonyms, the last four; and what is no tag."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from sealbook.contract.documents import compact
from sealbook.errors import InvalidInput
from sealbook.sealing.blind_index import content_hash, pseudonym_key, user_hash
from sealbook.sealing.cipher import DataKey
from services.ingest.price import PriceBook
from services.ingest.receive import Arrival, Received, receive
from services.ingest.record import Rules, draft
from services.ingest.redact import ERROR_TAG, Redactor, Rule, builtin_rules
from services.ingest.redact.tags import Mode

KEY = b"k" * 32


def in_mode(mode: Mode) -> Redactor:
    return Redactor([replace(rule, mode=mode) for rule in builtin_rules()])


PSEUDONYMS = in_mode("pseudonym")
PARTIAL = in_mode("partial")


def pseudonym(text: str, key: bytes = KEY) -> str:
    return PSEUDONYMS.text(text, key=key)[0]


def test_one_address_has_one_pseudonym_whatever_its_case() -> None:
    one = pseudonym("Ada@Example.org")
    assert one == pseudonym("ada@example.org")
    assert len(one) == len("[EMAIL:7f3a91c2]")
    assert one.startswith("[EMAIL:")
    assert one != pseudonym("bob@example.org")
    assert one != pseudonym("ada@example.org", key=b"another project's")


def test_two_rules_for_one_kind_give_one_pseudonym() -> None:
    assert pseudonym("415-555-2671") == pseudonym("call me (415) 5552671").removeprefix("call me ")
    _, hits = PSEUDONYMS.text("415-555-2671, call me 4155552671", key=KEY)
    assert hits == {"phone": 1, "phone_near_word": 1}


def test_a_thousand_addresses_have_as_many_pseudonyms() -> None:
    assert len({pseudonym(f"user{number}@example.org") for number in range(1000)}) == 1000


def test_without_a_key_what_would_be_a_pseudonym_is_masked_whole() -> None:
    result = PSEUDONYMS.scan({"a": "mail ada@example.org", "b": "clean"})
    assert result.document == {"a": ERROR_TAG, "b": "clean"}
    assert result.hits == {"redaction_error": 1}


def test_a_key_given_once_serves_every_call() -> None:
    keyed = PSEUDONYMS.keyed(KEY)
    assert keyed.text("ada@example.org")[0] == pseudonym("ada@example.org")
    assert keyed.scan(["ada@example.org"]).document == [pseudonym("ada@example.org")]
    assert keyed.version == PSEUDONYMS.version
    assert PSEUDONYMS.text("ada@example.org")[0] == ERROR_TAG


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4111 1111 1111 1234", "4111 1111 1111 1234"),
        ("4111 1111 1111 1111", "[CREDIT_CARD:*1111]"),
        ("DE89 3704 0044 0532 0130 00", "[IBAN:*3000]"),
        ("(415) 555-2671", "[PHONE:*2671]"),
        ("mobile 555 2671", "mobile [PHONE]"),  # seven digits: four would tell too much
        ("a@b.io", "[EMAIL]"),
    ],
)
def test_partial_shows_the_last_four_of_eight_or_more(text: str, expected: str) -> None:
    assert PARTIAL.text(text)[0] == expected


@pytest.mark.parametrize("redactor", [PSEUDONYMS, PARTIAL], ids=["pseudonym", "partial"])
def test_suffixed_tags_are_left_alone(redactor: Redactor) -> None:
    text = "ada@example.org, 4111 1111 1111 1111, call me 555 26 71 00"
    document: Any = {"ada@example.org": text, "ADA@example.org": [text, text]}
    once = redactor.scan(document, KEY)
    twice = redactor.scan(once.document, KEY)
    assert twice.document is once.document
    assert twice.hits == {}


@pytest.mark.parametrize(
    "text",
    [
        "[EMAIL:55526711]",  # eight digits are no pseudonym
        "[EMAIL:+1 650 253 0000]",
        "[EMAIL:*ada@example.org]",
        "[EMAIL]#415-555-2671",
        "[EMAIL]#4111111111111111",
        "[EMAIL:*123-45-6789]",
    ],
)
def test_nothing_hides_in_what_only_looks_like_a_tag(text: str) -> None:
    for redactor in (Redactor(builtin_rules()), PSEUDONYMS, PARTIAL):
        masked, hits = redactor.text("phone " + text, key=KEY)
        assert hits
        assert not any(part in masked for part in ("5552", "ada@", "123-", "253", "415-", "41111"))


def test_a_tag_of_another_mode_is_no_tag() -> None:
    rule = Rule("hex", "[0-9a-f]{8}", "[HEX]")
    assert Redactor((rule,)).text("[HEX:7f3a91c2]")[0] == "[HEX:[HEX]]"
    assert Redactor((replace(rule, mode="pseudonym"),)).text("[HEX:7f3a91c2]", key=KEY)[1] == {}


def test_a_mode_with_a_suffix_needs_a_named_tag() -> None:
    with pytest.raises(InvalidInput, match=r"'r': with mode `partial` .* look like `\[NAME\]`"):
        Redactor((Rule("r", "aa", "<x>", mode="partial"),))


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (Rule("r", "aa", "[X]", mode="blank"), "mode"),  # type: ignore[arg-type]
        (Rule("r", "a(b)", "[X]", group=2), "group must be 0 to 1"),
        (Rule("r", "a(b)", "[X]", group=-1), "group"),
        (Rule("r", "aa", "[X]", min_entropy=float("nan")), "min_entropy"),
        (Rule("r", "aa", "[X]", min_entropy=9.0), "min_entropy"),
        (Rule("r", "aa", "[X]", keywords=("-",)), "keywords"),
        (Rule("r", "aa", "[X]", keywords=("a",) * 101), "keywords"),
    ],
)
def test_fields_that_make_no_sense_are_refused(bad: Rule, problem: str) -> None:
    with pytest.raises(InvalidInput, match=f"'r'.*{problem}"):
        Redactor((bad,))


def test_the_group_to_mask_can_be_chosen() -> None:
    pattern = r"(id)=(\d+)(y)?x?"
    for group, expected in ((None, "[N]=12x"), (0, "[N]"), (1, "[N]=12x"), (2, "id=[N]x")):
        assert Redactor((Rule("n", pattern, "[N]", group=group),)).text("id=12x")[0] == expected
    # A group that took no part cannot be masked; then it is all of the match.
    assert Redactor((Rule("n", pattern, "[N]", group=3),)).text("id=12x!")[0] == "[N]!"


def test_without_a_choice_the_first_group_that_matched_is_masked() -> None:
    rule = Rule("n", r"a=(\d+)|b=(\d+)|c\d", "[N]")
    assert Redactor((rule,)).text("a=1 b=2 c3")[0] == "a=[N] b=[N] [N]"


def test_what_is_too_regular_is_not_masked() -> None:
    rule = Rule("token", r"key=(\w{8})", "[T]", min_entropy=2.0)
    assert Redactor((rule,)).text("key=aaaabbbb key=abcdabcd key=abcdefgh")[0] == (
        "key=aaaabbbb key=abcdabcd key=[T]"
    )


def test_a_keyword_inside_the_match_but_outside_its_group_is_near() -> None:
    rule = Rule("far", r"secret\s+is\s+(\d+)", "[S]", keywords=("secret",))
    text = "secret" + " " * 60 + "is 12"
    assert Redactor((rule,)).text(text)[0].endswith("[S]")


def test_half_a_character_is_never_left() -> None:
    assert Redactor((Rule("byte", r"a\C", "[X]"),)).text("aé")[0] == ERROR_TAG


def test_the_key_for_pseudonyms_is_of_their_own() -> None:
    key = DataKey(UUID(int=1), b"i" * 32)
    made = pseudonym_key(key)
    assert made == pseudonym_key(key)
    assert made != pseudonym_key(DataKey(UUID(int=1), b"j" * 32))
    assert made != key.secret
    assert not made.hex().startswith((user_hash(key, ""), content_hash(key, b"")))


def test_one_address_has_one_pseudonym_in_all_parts_of_a_project() -> None:
    rules = Rules(PSEUDONYMS, PriceBook())
    body = compact({"provider": "p", "model": "m", "request": "ada@x.org", "tags": ["ADA@x.org"]})
    received = receive(Arrival("sealbook.submit.a", body, 7, datetime.now(UTC), UUID(int=7)))
    assert isinstance(received, Received)
    keys = (DataKey(UUID(int=1), b"i" * 32), DataKey(UUID(int=1), b"j" * 32))
    first, second = (draft(received, key, rules.keyed(key)) for key in keys)
    [tag] = first.event.tags
    assert tag.startswith("[EMAIL:")
    assert tag.encode() in first.payload.encode()
    assert (tag,) != second.event.tags
