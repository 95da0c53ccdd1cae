"""The detector `presidio`, real and without a network; a stand-in for spaCy's model."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ingest.detection import ChildDetector, start_detectors

# Names people, as spaCy's models do, by a list instead of by weights.
MODEL = """
import spacy
from spacy.language import Language

@Language.component("lemmas")
def lemmas(doc):
    for token in doc:
        token.lemma_ = token.lower_
    return doc

def load(**_):
    language = spacy.blank("en")
    language.add_pipe("lemmas")
    ruler = language.add_pipe("entity_ruler")
    ruler.add_patterns([
        {"label": "PERSON", "pattern": "Ada Lovelace"},
        {"label": "GPE", "pattern": "London"},
        {"label": "DATE", "pattern": "today"},
        {"label": "ORG", "pattern": "Acme"},
    ])
    return language
"""

OFFLINE = """
import json, sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise SystemExit(f"asked the network: {event}")
sys.addaudithook(refuse)
from services.ingest.detection.presidio import PresidioDetector
found = PresidioDetector().detect("ada@example.co.uk, ada@example.nonsense")
print(json.dumps([(one.start, one.end, one.entity) for one in found]))
"""


@pytest.fixture(scope="module")
def presidio() -> Iterator[ChildDetector]:
    (detector,) = start_detectors(["presidio"], deadline_s=30)
    yield detector
    detector.close()


@pytest.mark.parametrize(
    ("text", "entity", "found"),
    [
        ("write to ada@example.org", "EMAIL_ADDRESS", "ada@example.org"),
        ("4111 1111 1111 1111 is a card", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("ssn 219-09-9999.", "US_SSN", "219-09-9999"),
        ("itin 912-70-1234", "US_ITIN", "912-70-1234"),
        ("DE89 3704 0044 0532 0130 00", "IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
        ("at 00:1B:44:11:3A:B7", "MAC_ADDRESS", "00:1B:44:11:3A:B7"),
        ("NI AB 12 34 56 C", "UK_NINO", "AB 12 34 56 C"),
        ("to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    ],
)
def test_presidio_finds(presidio: ChildDetector, text: str, entity: str, found: str) -> None:
    detections = presidio.detect(text)
    assert {text[one.start : one.end] for one in detections} == {found}
    assert entity in {one.entity for one in detections}


@pytest.mark.parametrize(
    "text",
    [
        "see setup.py, self.me and https://docs.python.org/3/",
        "on 2024-05-24T20:01:31Z, today, 31/12/2024 or 10 May",
        "1700000000 and 0123456789 and 123456789",
        "3e9b7592-676d-4b5f-a2a1-2bdc8340a7b3",
        "Apache 2.4.44.1, order A1234567, invoice 12345678",
        "4111 1111 1111 1112 is none",
    ],
)
def test_presidio_leaves_alone(presidio: ChildDetector, text: str) -> None:
    assert presidio.detect(text) == ()


def test_presidio_asks_no_network() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", OFFLINE], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout) == [[0, 17, "EMAIL_ADDRESS"]]


def test_presidio_names_people_and_places_with_a_model_of_spacy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, about = tmp_path / "en_core_web_sm", tmp_path / "en_core_web_sm-3.8.0.dist-info"
    package.mkdir()
    about.mkdir()
    (package / "__init__.py").write_text(MODEL)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: en_core_web_sm\nVersion: 3.8.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    (detector,) = start_detectors(["presidio"], deadline_s=30)
    text = (
        "Ada Lovelace of Acme in London, phone 212-555-1234, bought ten of these and today order "
    )
    text += "415-555-2671"
    found = [(one.entity, text[one.start : one.end]) for one in detector.detect(text)]
    detector.close()
    assert sorted(found) == [
        ("LOCATION", "London"),
        ("PERSON", "Ada Lovelace"),
        ("PHONE_NUMBER", "212-555-1234"),
    ]
