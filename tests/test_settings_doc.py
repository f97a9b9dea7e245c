"""docs/settings.md says what the settings are."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from studio.config import Config, ConfigError, load
from studio.settings_doc import PAGE, page


def test_the_page_lists_every_setting_as_it_is() -> None:
    text = PAGE.read_text()
    assert page(text) == text, "run: python3 manage.py settings_doc"
    assert all(each.metadata["about"] for each in fields(Config))


def test_every_reason_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUTO_SECRET_KEY", "short")
    monkeypatch.setenv("DUTO_OLD_SECRET_KEYS", f"{'o' * 32}, older")
    monkeypatch.setenv("DUTO_HOST", "0.0.0.0")
    monkeypatch.setenv("DUTO_DEBUG", "true")
    monkeypatch.setenv("DUTO_SMTP_USER", "duto")
    monkeypatch.setenv("DUTO_SMTP_SECURITY", "none")
    monkeypatch.setenv("DUTO_MAIL_FROM", "nobody")
    with pytest.raises(ConfigError) as refused:
        load()
    assert "DUTO_SECRET_KEY: is shorter" in str(refused.value)
    assert "DUTO_OLD_SECRET_KEYS: one of them is shorter" in str(refused.value)
    assert "DUTO_DEBUG: may not be on" in str(refused.value)
    assert "DUTO_SMTP_SECURITY: may not be none" in str(refused.value)
    assert "DUTO_MAIL_FROM: must be an address" in str(refused.value)


def test_a_database_server_needs_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUTO_DATABASE_URL", "postgresql://duto@db/duto")
    monkeypatch.delenv("DUTO_REDIS_URL", raising=False)
    monkeypatch.setenv("DUTO_DATA_DIR", "/nowhere")
    with pytest.raises(ConfigError, match="DUTO_REDIS_URL"):
        load()


def test_the_secret_is_made_once_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUTO_SECRET_KEY", raising=False)
    config = Config(data_dir=tmp_path / "new")
    first = config.read_secret()
    assert len(first) >= 32 and config.read_secret() == first
    assert (tmp_path / "new" / "secret").stat().st_mode & 0o777 == 0o600
