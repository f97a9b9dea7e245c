"""What executors import, too."""


def short(species: str) -> str:
    return species.split()[0]
