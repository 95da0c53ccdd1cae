"""Built-in rules for what identifies a person: addresses, numbers, accounts."""

from services.ingest.redact.rule import Rule

# Scripts written with spaces; others would take the whole sentence in front of an address.
_LETTER = r"A-Za-z\p{Latin}\p{Greek}\p{Cyrillic}"
_SPACE = r"[ \x{A0}\x{2009}\x{202F}]"
_DASH = r"[\-\x{2010}-\x{2013}]"
_GAP = r"[ \-\x{A0}\x{2009}\x{202F}\x{2010}-\x{2013}]"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?,?"
_EXTENSION = r"(?:[ ,;]{0,2}(?:x|X|ext\.?|Ext\.?|extension|#) ?\d{1,6})?"
_PHONE_WORDS = (
    *("phone", "mobile", " mob ", "cell ", " tel ", " ph ", " fax", " office ", "whatsapp"),
    *(" sms ", "hotline", "helpline", "landline", "voicemail", " dial ", "contact number"),
    *("reach me", "reach us", "ring me", "call me", "call us", "call him", "call her"),
    *("called from", "text me", "telefon", "teléfono", "téléphone", " tél ", "móvil", "celular"),
    *("rufnummer", "handynummer", " mobil ", "telefoon", " tlf ", " puh ", " gsm ", "cellulare"),
    *("telemóvel", " telp ", " тел ", "телефон", " моб ", "мобильн", "τηλ", "điện thoại"),
    *("手机", "手機", "电话", "電話", "携帯", "전화", "휴대폰", "โทร", "फ़ोन", "मोबाइल"),
    *("هاتف", "جوال", "טלפון", "txt me", "my number"),
    *("meine nummer", "mi número", "mon numéro", "mio numero", "meu número", "mijn nummer"),
)

PERSONAL_RULES = (
    Rule(
        "email",
        rf"(?:[{_LETTER}0-9_][{_LETTER}0-9._%+'!#$~^*\-]*|\"(?:[^\"\\\r\n]|\\.){{1,64}}\")"
        rf"@(?:[{_LETTER}0-9](?:[{_LETTER}0-9.\-]*[{_LETTER}0-9])?"
        rf"\.(?:xn--[a-z0-9\-]+|[{_LETTER}]{{2,}})|\[[0-9A-Fa-fIPv:.]{{3,45}}\])",
        "[EMAIL]",
        "email",
    ),
    Rule("credit_card", rf"\b\d(?:{_GAP}?\d){{11,18}}\b", "[CREDIT_CARD]", "card"),
    Rule(
        "credit_card_near_word",
        rf"\b\d(?:{_GAP}?\d){{11,18}}\b",
        "[CREDIT_CARD]",
        "luhn",
        ("card", " cc ", " visa ", "amex", " pan "),
    ),
    Rule(
        "us_ssn",
        rf"\b\d{{3}}(?:{_DASH}\d{{2}}{_DASH}|{_SPACE}\d{{2}}{_SPACE})\d{{4}}\b",
        "[US_SSN]",
        "ssn",
    ),
    Rule(
        "us_ssn_near_word",
        r"\b\d{3}[ .\-]?\d{2}[ .\-]?\d{4}\b",
        "[US_SSN]",
        "ssn",
        (" ssn", "social security", "social insurance", "socialsecurity"),
    ),
    Rule(
        "iban",
        r"(?i)\b[a-z]{2}\d{2}(?:[ \-]?[a-z0-9]){11,30}\b",
        "[IBAN]",
        "iban",
    ),
    Rule(
        "phone",
        rf"(?:\+\(?|\(|\b)\d(?:[ .\-/()]{{0,3}}\d){{7,15}}{_EXTENSION}\b",
        "[PHONE]",
        "phone",
    ),
    Rule(
        "phone_near_word",
        rf"(?:\(|\b)\d(?:[ .\-/()]{{0,2}}\d){{6,12}}{_EXTENSION}\b",
        "[PHONE]",
        "phone_near_word",
        _PHONE_WORDS,
    ),
    Rule("ipv4", r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", "[IP_ADDRESS]", "ipv4", enabled=False),
    Rule(
        "ipv6",
        r"(?i)(?:[0-9a-f]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4})",
        "[IP_ADDRESS]",
        "ipv6",
        enabled=False,
    ),
    Rule(
        "date_of_birth",
        r"(?i)\b(?:\d{4}[\-/.]\d{1,2}[\-/.]\d{1,2}|\d{1,2}[\-/.]\d{1,2}[\-/.](?:\d{4}|\d{2})"
        rf"|\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH} \d{{4}}"
        rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}})\b",
        "[DATE_OF_BIRTH]",
        keywords=(" dob ", " born", "birth"),
        enabled=False,
    ),
)
