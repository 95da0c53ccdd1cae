"""The recorder's way to the bus: what keeps it from connecting is a sentence, never a traceback."""

from pathlib import Path

import pytest

from sealbook import Recorder
from sealbook.errors import Misconfigured


async def test_a_password_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    recorder = Recorder(
        "nats://127.0.0.1:9", project="demo", user="u", password=tmp_path / "none", strict=True
    )
    with pytest.raises(Misconfigured, match=f"{tmp_path}/none cannot be read: No such file"):
        async with recorder:
            pytest.fail("There is no password.")
