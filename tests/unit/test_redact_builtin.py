"""The built-in rules, a sample of every kind. Secrets are put together, none is written out."""

import random
import string
from dataclasses import replace

import pytest
from stdnum import luhn

from services.ingest.redact import Redactor, builtin_rules

REDACTOR = Redactor(builtin_rules())
OPT_IN = Redactor([replace(rule, enabled=True) for rule in builtin_rules()])

_dice = random.Random(7)  # noqa: S311 - the same samples every time
ALNUM = string.ascii_letters + string.digits
BASE64 = ALNUM + "+/"
URL_SAFE = ALNUM + "-_"
HEX = "0123456789abcdef"


def some(length: int, alphabet: str = ALNUM) -> str:
    return "".join(_dice.choice(alphabet) for _ in range(length))


def number(prefix: str, length: int) -> str:
    """A card number by prefix and length, with its check digit."""
    body = prefix + some(length - 1 - len(prefix), string.digits)
    return body + luhn.calc_check_digit(body)


@pytest.mark.parametrize(
    ("prefix", "length"),
    [
        *(("4", 13), ("4", 16), ("4", 19)),  # Visa
        *(("51", 16), ("55", 16), ("2221", 16), ("2720", 16)),  # Mastercard
        *(("34", 15), ("37", 15)),  # American Express
        *(("6011", 16), ("644", 16), ("65", 16), ("65", 19)),  # Discover
        *(("300", 14), ("305", 14), ("3095", 14), ("36", 14), ("38", 14), ("39", 19)),  # Diners
        *(("3528", 16), ("3589", 16), ("2131", 15), ("1800", 15)),  # JCB
        *(("62", 16), ("62", 19), ("81", 16)),  # UnionPay
        *(("5018", 12), ("5020", 13), ("5038", 16), ("6304", 19), ("6759", 16), ("6763", 16)),
        *(("2200", 16), ("2204", 19)),  # Mir
        *(
            ("606282", 16),
            ("5067", 16),
            ("9792", 16),
            ("5019", 16),
        ),  # Hipercard, Elo, Troy, Dankort
    ],
)
def test_cards_of_every_scheme_are_masked_in_any_grouping(prefix: str, length: int) -> None:
    digits = number(prefix, length)
    fours = " ".join(digits[at : at + 4] for at in range(0, length, 4))
    for text in (
        digits,
        fours,
        fours.replace(" ", "-"),
        f"{digits[:4]} {digits[4:10]} {digits[10:]}",
    ):
        assert REDACTOR.text(f"paid {text}, thanks")[0] == "paid [CREDIT_CARD], thanks"
    wrong = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    assert "[CREDIT_CARD]" not in REDACTOR.text(f"paid {wrong}, thanks")[0]


PEM_KINDS = ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ", "PGP ")


def pem(kind: str, lines: str) -> str:
    name = f"{kind}PRIVATE KEY" + (" BLOCK" if kind == "PGP " else "")
    return f"-----BEGIN {name}-----\n{lines}-----END {name}-----"


@pytest.mark.parametrize("kind", PEM_KINDS)
def test_private_keys_of_every_kind_are_masked(kind: str) -> None:
    body = f"{some(64, BASE64)}\n{some(62, BASE64)}==\n"
    headers = f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{some(32, HEX)}\n\n"
    for text in (pem(kind, body), pem(kind, headers + body), pem(kind, body).replace("\n", "\\n")):
        assert REDACTOR.text(f"a {text} b")[0] == "a [PRIVATE_KEY] b"
    cut = pem(kind, body).partition("-----END")[0]
    assert REDACTOR.text(cut)[0].strip() == "[PRIVATE_KEY]"


def test_a_private_key_without_an_end_does_not_take_the_next_one_with_it() -> None:
    cut = pem("RSA ", some(64, BASE64) + "\n").partition("-----END")[0]
    text = f"{cut}\nplain words\n{pem('EC ', some(64, BASE64))}"
    assert REDACTOR.text(text)[0] == "[PRIVATE_KEY]\n\nplain words\n[PRIVATE_KEY]"


def test_other_forms_of_private_keys_are_masked() -> None:
    ssh2 = "---- {} SSH2 ENCRYPTED PRIVATE KEY ----"
    text = f"{ssh2.format('BEGIN')}\nComment: x\n{some(64, BASE64)}\n{ssh2.format('END')}"
    assert REDACTOR.text(text)[0] == "[PRIVATE_KEY]"
    putty = f"PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 1\n{some(64, BASE64)}\n"
    assert REDACTOR.text(f"{putty}Private-MAC: {some(64, HEX)}")[0] == "[PRIVATE_KEY]"


def secrets() -> list[tuple[str, str]]:
    """What is to be masked, and the text around it with {} in its place."""
    account, slack = "AccountName=x;AccountKey={};EndpointSuffix=core", "https://{}"
    digits = string.digits
    return [
        ("AKIA" + some(16, string.ascii_uppercase), "key {}."),
        ("ASIA" + some(16, string.ascii_uppercase), "{}"),
        (some(40, BASE64), "export AWS_SECRET_ACCESS_KEY={}"),
        (some(40, BASE64), 'aws_secret_access_key = "{}"'),
        (some(40, BASE64), '"SecretAccessKey": "{}",'),
        ("IQoJb3JpZ2lu" + some(300, BASE64) + "==", "AWS_SESSION_TOKEN={}"),
        ("ABSK" + some(128, BASE64) + "==", "{}"),
        ("AIza" + some(35, URL_SAFE), "?key={}&x"),
        ("GOCSPX-" + some(28), "{}"),
        ("ya29." + some(80, URL_SAFE), "{}"),
        ("1//0" + some(60, URL_SAFE), '"refresh_token": "{}"'),
        (some(86, BASE64) + "==", account),
        (some(43, BASE64) + "=", "Endpoint=sb://x;SharedAccessKey={}"),
        (some(40) + "%2B" + some(5) + "%3D", "https://x/c?sv=2022-11-02&sp=r&sig={}&st=1"),
        (some(3) + "8Q~" + some(34, ALNUM + "._-"), "client_secret={}"),
        (some(32, HEX), "api-key: {}"),
        (some(52) + "JQQJ99" + some(26), "{}"),
        ("sk-proj-" + some(120, URL_SAFE), "OPENAI_API_KEY={}"),
        ("sk-svcacct-" + some(100, URL_SAFE), "{}"),
        ("sk-" + some(20) + "T3BlbkFJ" + some(20), "{}"),
        ("sk-ant-api03-" + some(93, URL_SAFE) + "AA", "{}"),
        ("sk-or-v1-" + some(64, HEX), "{}"),
        ("gsk_" + some(52), "{}"),
        ("xai-" + some(80), "{}"),
        ("pplx-" + some(48), "{}"),
        ("r8_" + some(37), "{}"),
        ("ghp_" + some(36), "https://{}"),
        ("ghs_" + some(36), "{}"),
        ("github_pat_" + some(22) + "_" + some(59), "{}"),
        ("glpat-" + some(20, URL_SAFE), "PRIVATE-TOKEN: {}"),
        ("glpat-" + some(27) + ".01." + some(9), "{}"),
        ("xoxb-" + some(12, digits) + "-" + some(12, digits) + "-" + some(24), "{}"),
        ("xoxe.xoxp-1-" + some(160), "{}"),
        ("xapp-1-" + some(11) + "-" + some(13, digits) + "-" + some(64, HEX), "{}"),
        ("hooks.slack.com/services/T" + some(8) + "/B" + some(8) + "/" + some(24), slack),
        ("hooks.slack.com/triggers/T" + some(8) + "/" + some(13) + "/" + some(32, HEX), slack),
        ("sk_live_" + some(24), "{}"),
        ("rk_live_" + some(99), "{}"),
        ("whsec_" + some(32), "{}"),
        ("SK" + some(32, HEX), "{}"),
        (some(32, HEX), "TWILIO_AUTH_TOKEN={}"),
        ("SG." + some(22, URL_SAFE) + "." + some(43, URL_SAFE), "{}"),
        ("hf_" + some(34), "HF_TOKEN={}"),
        ("npm_" + some(36), "{}"),
        (f"{some(8, HEX)}-{some(4, HEX)}-{some(12, HEX)}", "//npm.example.org/:_authToken={}"),
        ("pypi-AgE" + some(150, URL_SAFE), "password = {}"),
        ("eyJ" + some(20) + ".eyJ" + some(40) + "." + some(43, URL_SAFE), "{}"),
        ("Basic " + some(20, BASE64) + "==", "Authorization: {}"),
        ("Negotiate " + some(2000, BASE64), "Authorization: {}"),
        ("x1" + some(30), 'curl -H "Authorization: {}"'),
        (some(30) + "1", "token bearer {}"),
        ("app:" + some(9), "postgres://{}@db/x"),
    ]


@pytest.mark.parametrize(("secret", "around"), secrets(), ids=lambda value: str(value)[:20])
def test_secrets_of_every_kind_are_masked_whole(secret: str, around: str) -> None:
    masked, hits = REDACTOR.text(around.format(secret))
    before, after = around.split("{}")
    assert masked.startswith(f"{before}[")
    assert masked.endswith(f"]{after}")
    assert len(masked) < len(around) + 30
    assert sum(hits.values()) == 1


def test_a_service_account_is_masked_inside_its_json() -> None:
    key = pem("", some(64, BASE64) + "\n")
    account = {"type": "service_account", "private_key": key + "\n", "client_email": "a@b.iam.org"}
    assert REDACTOR.scan({**account}).document == {
        "type": "service_account",
        "private_key": "[PRIVATE_KEY]\n",
        "client_email": "[EMAIL]",
    }


@pytest.mark.parametrize(
    "text",
    [
        "born 1990-02-03",
        "DOB: 3/2/90",
        "date of birth: 3 February 1990",
        "born on the 3rd of Feb. 1990",
        "born March 3, 1990",
        "birthday: Dec 31st 1999",
    ],
)
def test_dates_of_birth_are_masked_where_asked_for(text: str) -> None:
    assert OPT_IN.text(text)[1] == {"date_of_birth": 1}
    assert REDACTOR.text(text)[1] == {}


def test_other_dates_stay() -> None:
    text = "ordered on 1990-02-03, delivered March 3, 1990"
    assert OPT_IN.text(text) == (text, {})


@pytest.mark.parametrize(
    "label", ["Phone", "Mobile:", "mob.", "Ph:", "Tel.", "Fax", "Office:", "call me at", "WhatsApp"]
)
def test_loose_digits_are_a_phone_number_near_a_word_that_says_so(label: str) -> None:
    assert REDACTOR.text(f"{label} 98765 43210")[0] == f"{label} [PHONE]"


@pytest.mark.parametrize(
    "label", ["at his desk", "answering at", "tracking", "order no", "invoice"]
)
def test_loose_digits_near_any_other_word_stay(label: str) -> None:
    assert REDACTOR.text(f"{label} 98765 43210")[1] == {}


@pytest.mark.parametrize(
    "text",
    [
        "a" * 50_000 + "@2x.png ",
        "authorization:x " * 3000,
        "-----BEGIN PRIVATE KEY-----\n" * 2000,
        "ab12 " * 10_000,
        "2024-01-15 10:30:00 " * 2500,
        "1 " * 25_000,
        "123-45-6789 " * 4000,
        "ada@example.org, " * 3000,
    ],
    ids=lambda text: text[:12],
)
def test_text_full_of_matches_is_judged_in_time(text: str) -> None:
    assert "redaction_error" not in Redactor(builtin_rules(), deadline_ms=1000).text(text)[1]


@pytest.mark.parametrize(
    "text",
    [
        *("手机：138-1234-5678", "携帯 09012345678", "전화번호 01012345678", "โทร 081 234 5678"),
        *("тел. 8 (495) 123-45-67", "МОБ. 912 345 67 89", "Tlf. 22 34 56 78", "Mobil: 22345678"),
        *("cellulare 347 1234567", "mi número es 655 44 33 22", "my number is 4155550142"),
    ],
)
def test_numbers_are_known_by_the_word_for_a_phone_in_many_languages(text: str) -> None:
    assert REDACTOR.text(text)[1] in ({"phone_near_word": 1}, {"phone": 1})
    assert text[-2:] not in REDACTOR.text(text)[0]


@pytest.mark.parametrize(
    "text",
    [
        *("The telephone was invented in 1876-1877.", "GSM 1800/1900", "电话料金 12,345"),
        *("учитель 12345678", "mobile app 20240115", "phone no 3.14159265"),
    ],
)
def test_years_and_counts_near_such_a_word_stay(text: str) -> None:
    assert REDACTOR.text(text) == (text, {})
