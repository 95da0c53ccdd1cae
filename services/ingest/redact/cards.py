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


def _by_start() -> dict[tuple[str, int], list[tuple[int, int, int]]]:
    """The ranges by first digit and length, since this is asked of every long number."""
    table: dict[tuple[str, int], list[tuple[int, int, int]]] = {}
    for low, high, lengths in SCHEMES:
        for length in lengths:
            table.setdefault((str(low)[0], length), []).append((len(str(low)), low, high))
    return table


_BY_START = _by_start()
_STARTS = frozenset(
    str(start)
    for low, high, _ in SCHEMES
    for start in range(int(f"{low}0"[:2]), int(f"{high}9"[:2]) + 1)
)


def may_start_card(digits: str) -> bool:
    """Whether any scheme's numbers begin with these first two digits; cheap, and mostly no."""
    return digits[:2] in _STARTS


def is_card_number(digits: str) -> bool:
    """Whether a scheme issues numbers of this prefix and length, whatever the check digit."""
    ranges = _BY_START.get((digits[0], len(digits)), ())
    return any(low <= int(digits[:width]) <= high for width, low, high in ranges)
