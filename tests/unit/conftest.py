"""export, whole, with all around it in memory."""

import pytest
from lives import Service

from sealbook.projection import waiting


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(waiting, "STEPS_SECONDS", (0, 0, 0))
    return Service()
