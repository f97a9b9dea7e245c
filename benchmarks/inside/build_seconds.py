"""How long the environments of a studio took to build, in all."""

from __future__ import annotations

from benchmarks.inside import open_studio, tell


def main() -> None:
    """Curated environments are not built before they are used, so what is there was needed."""
    from environments.models import EnvironmentBuild

    builds = EnvironmentBuild.objects.filter(status=EnvironmentBuild.Status.READY)
    taken = [each.finished_at - each.started_at for each in builds if each.finished_at and each.started_at]
    tell(seconds=sum(each.total_seconds() for each in taken))


if __name__ == "__main__":
    open_studio()
    main()
