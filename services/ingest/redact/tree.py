"""The walk through a decoded document: strings, object keys, long integers, JSON inside strings."""

from collections.abc import Container

from services.ingest.redact.embedded import NotJson, decode, encode
from services.ingest.redact.leaf import LeafScanner
from services.ingest.redact.scan import Scan
from services.ingest.redact.tags import ERROR_TAG

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]

MAX_DEPTH = 128  # the door refuses 64; what comes deeper is masked, not searched
NINE_DIGITS = 100_000_000
_MAY_START_JSON = frozenset("{[ \t\r\n")


class TreeScanner:
    """Masks a tree leaf by leaf; a part without a hit is returned as it is, not copied.

    A leaf is judged with the two object keys above it, so that `{"phone": 6502530000}` has a word.
    """

    def __init__(self, leaf: LeafScanner) -> None:
        self._leaf = leaf

    def scan(self, document: JsonValue, scan: Scan, above: str = "") -> JsonValue:
        """The masked document, judged with `above` as the object keys above it."""
        return self._value(document, above, scan, MAX_DEPTH, True)

    # `inside` says whether JSON within strings is still to be looked into: one level only.
    def _value(self, value: JsonValue, keys: str, scan: Scan, room: int, inside: bool) -> JsonValue:
        if isinstance(value, str):
            if scan.suspects is not None and value not in scan.suspects.texts:
                return value
            may_be_json = inside and value[:1] in _MAY_START_JSON
            read = self._maybe_json if may_be_json else self._leaf.scan
            return read(value, keys, scan)
        if value is None or value is True or value is False:
            return value
        if isinstance(value, int | float):
            return self._number(value, keys, scan)
        if scan.suspects is not None and id(value) not in scan.suspects.containers:
            return value
        return self._container(value, keys, scan, room - 1, inside)

    def _container(
        self, value: object, keys: str, scan: Scan, room: int, inside: bool
    ) -> JsonValue:
        if room >= 0 and isinstance(value, dict):
            return self._object(value, keys, scan, room, inside)
        if room >= 0 and isinstance(value, list):
            return self._array(value, keys, scan, room, inside)
        return scan.failed()

    def _number(self, value: float, keys: str, scan: Scan) -> JsonValue:
        """Numbers as long as account numbers; one that is hit becomes the text of its tag."""
        if -NINE_DIGITS < value < NINE_DIGITS:
            return value
        if isinstance(value, float) and not value.is_integer():  # nor are nan and infinity
            return value
        try:
            digits = str(abs(int(value)))
        except ValueError:  # beyond Python's limit for decimal digits
            return scan.failed()
        if scan.suspects is not None and digits not in scan.suspects.texts:
            return value
        masked = self._leaf.scan(digits, keys, scan)
        return value if masked is digits else masked

    def _array(
        self, array: list[JsonValue], keys: str, scan: Scan, room: int, inside: bool
    ) -> list[JsonValue]:
        masked = array
        for index, item in enumerate(array):
            new = self._value(item, keys, scan, room, inside)
            if new is not item:
                if masked is array:
                    masked = array.copy()
                masked[index] = new
        return masked

    def _object(
        self, entries: dict[str, JsonValue], keys: str, scan: Scan, room: int, inside: bool
    ) -> dict[str, JsonValue]:
        names = self._names(entries, scan)
        above = keys.rpartition("\n")[2]
        changed: dict[str, JsonValue] = {}
        for key, value in entries.items():
            name = names.get(key, key)
            # The name as it will stand, so that a second scan judges with the same words.
            new = self._value(value, f"{above}\n{name}", scan, room, inside)
            if new is not value:
                changed[key] = new
        if not names and not changed:
            return entries
        return {names.get(key, key): changed.get(key, value) for key, value in entries.items()}

    def _names(self, entries: dict[str, JsonValue], scan: Scan) -> dict[str, str]:
        """New names for the keys that were hit, each different from every other key."""
        masked = {}
        read = self._leaf.scan
        suspects = scan.suspects
        for key in entries:
            if suspects is not None and key not in suspects.texts:
                continue
            name = read(key, "", scan) if isinstance(key, str) else scan.failed()
            if name is not key:
                masked[key] = name
        if masked:
            self._make_unique(masked, {key for key in entries if key not in masked}, scan.key)
        return masked

    def _make_unique(self, masked: dict[str, str], taken: set[str], secret: bytes | None) -> None:
        numbers: dict[str, int] = {}
        for key, name in masked.items():
            free = _numbered(name, taken, numbers)
            if free != name and self._leaf.scan(free, "", Scan(secret)) != free:
                # The number made a new match of it; the tag's own name never does.
                free = _numbered(ERROR_TAG, taken, numbers)
            masked[key] = free
            taken.add(free)

    def _maybe_json(self, text: str, keys: str, scan: Scan) -> str:
        try:
            tree, lossy = decode(text)
        except NotJson:
            return self._leaf.scan(text, keys, scan)
        masked = self._value(tree, keys, scan.within(None), MAX_DEPTH, False)
        if masked is tree and not lossy:
            return text
        try:
            return encode(masked)
        except ValueError:  # a number no JSON can hold
            return scan.failed()


def _numbered(name: str, taken: Container[str], numbers: dict[str, int]) -> str:
    """The name, or it with the next number; `numbers` are the last ones given."""
    free = name
    while free in taken:
        numbers[name] = numbers.get(name, 1) + 1
        free = f"{name}#{numbers[name]}"
    return free
