"""How many rows each table has."""

from __future__ import annotations

from benchmarks.inside import open_studio, tell


def main() -> None:
    from django.apps import apps

    tell(rows={model._meta.label: model._base_manager.count() for model in apps.get_models()})


if __name__ == "__main__":
    open_studio()
    main()
