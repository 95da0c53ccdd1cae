"""Which numbers payment schemes issue: prefix ranges and lengths (ISO/IEC 7812 issuer numbers)."""

SCHEMES: tuple[tuple[int, int, frozenset[int]], ...] = tuple(
    (low, high, frozenset(lengths))
    for low, high, lengths in (
        (4, 4, (13, 16, 19)),  # Visa
        (51, 55, (16,)),  # Mastercard
        (2221, 2720, (16,)),
        (34, 34, (15,)),  # American Express
        (37, 37, (15,)),
        (6011, 6011, range(16, 20)),  # Discover
        (644, 659, range(16, 20)),  # Discover, RuPay
        (622126, 622925, range(16, 20)),
        (300, 305, range(14, 20)),  # Diners Club
        (3095, 3095, range(14, 20)),
        (36, 36, range(14, 20)),
        (38, 39, range(14, 20)),
        (35, 35, range(16, 20)),  # JCB
        (1800, 1800, (15,)),
        (2131, 2131, (15,)),
        (62, 62, range(16, 20)),  # UnionPay
        (81, 82, (16,)),  # UnionPay, RuPay
        (2200, 2204, range(16, 20)),  # Mir
        (5018, 5018, range(12, 20)),  # Maestro
        (5020, 5020, range(12, 20)),
        (5038, 5038, range(12, 20)),
        (56, 58, range(12, 20)),
        (6304, 6304, range(12, 20)),
        (6390, 6390, range(12, 20)),
        (6759, 6763, range(12, 20)),
        (50, 50, range(16, 20)),  # Dankort, Elo, RuPay, Verve
        (60, 60, range(16, 20)),  # Hipercard, RuPay
        (63, 63, range(16, 20)),  # InstaPayment, Elo
        (9792, 9792, (16,)),  # Troy
    )
)


def is_card_number(digits: str) -> bool:
    """Whether a scheme issues numbers of this prefix and length, whatever the check digit."""
    return any(
        len(digits) in lengths and low <= int(digits[: len(str(low))]) <= high
        for low, high, lengths in SCHEMES
    )
