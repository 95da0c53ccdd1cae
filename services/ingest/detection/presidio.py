"""The detector `presidio`: Microsoft Presidio, English, on this machine alone.

With one of spaCy's models `en_core_web_lg`, `_md` or `_sm` installed it finds names of people,
places, nationalities, religions and political groups, and phone numbers near words that announce
them. Without, it knows only what has an unmistakable form or a checksum.

Only results of a score of at least 0.5 count. Left out, because they mask what is not private:
DATE_TIME and URL (any date, `setup.py`, `self.me`), UUID, ORGANIZATION, IP_ADDRESS (version
numbers; the rules `ipv4` and `ipv6` are there to be switched on), UK_NHS and the other numbers of
nine or ten digits whose check digit one number in ten has by chance (UNIX times among them).
US_DRIVER_LICENSE, US_PASSPORT and US_BANK_NUMBER never reach that score. IN_PAN needs quadratic
time.
"""

from collections.abc import Sequence

import spacy
from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry
from presidio_analyzer import predefined_recognizers as predefined
from presidio_analyzer.nlp_engine import NlpEngine, NoOpNlpEngine, SpacyNlpEngine
from tldextract import TLDExtract

from services.ingest.redact.detection import Detection

MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
NAMED = ("PERSON", "LOCATION", "NRP")
SCORE = 0.5


class OfflineEmailRecognizer(predefined.EmailRecognizer):
    """Presidio's, with the public suffixes as installed: its own fetches them from the network."""

    def __init__(self) -> None:
        super().__init__(name="EmailRecognizer")
        self._suffixes = TLDExtract(cache_dir=None, suffix_list_urls=())

    def validate_result(self, pattern_text: str) -> bool:
        """Whether the address ends in a public suffix."""
        return self._suffixes(pattern_text).fqdn != ""


class PresidioDetector:
    """Presidio as a detector; made and asked in a process of its own."""

    name = "presidio"

    def __init__(self) -> None:
        model = next(filter(spacy.util.is_package, MODELS), None)
        recognizers = _recognizers(model is not None)
        registry = RecognizerRegistry(recognizers=recognizers)
        self._entities = [name for one in recognizers for name in one.supported_entities]
        self._engine = AnalyzerEngine(registry=registry, nlp_engine=_language(model))
        self.detect("Nothing here.")  # compiles the patterns, loads what is loaded late

    def detect(self, text: str) -> Sequence[Detection]:
        """What Presidio is sure enough of."""
        results = self._engine.analyze(
            text, language="en", entities=self._entities, score_threshold=SCORE
        )
        return [Detection(one.start, one.end, one.entity_type) for one in results]


def _recognizers(with_model: bool) -> list[EntityRecognizer]:
    recognizers: list[EntityRecognizer] = [
        OfflineEmailRecognizer(),
        predefined.CreditCardRecognizer(),
        predefined.CryptoRecognizer(),
        predefined.IbanRecognizer(),
        predefined.MacAddressRecognizer(),
        predefined.UkNinoRecognizer(),
        predefined.UsItinRecognizer(),
        predefined.UsMbiRecognizer(),
        predefined.UsSsnRecognizer(),
    ]
    if with_model:
        recognizers.append(predefined.SpacyRecognizer(supported_entities=list(NAMED)))
        recognizers.append(predefined.PhoneRecognizer())
    return recognizers


def _language(model: str | None) -> NlpEngine:
    if model is None:
        return NoOpNlpEngine([{"lang_code": "en", "model_name": ""}])
    return SpacyNlpEngine([{"lang_code": "en", "model_name": model}])
