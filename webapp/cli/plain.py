"""What a host printed, or a person named, on a terminal."""


def plain(text: str) -> str:
    r"""What a terminal shows and does not obey: ESC becomes ``\x1b``."""
    return "".join(char if char.isprintable() or char == "\t" else _spelled(char) for char in text)


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode()
