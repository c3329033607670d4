"""An error as the GSSAPI library gives it."""

# Where the library's second table of errors begins (k5e1_err.et), seen from the first.
SECOND = 1765328384 - 1750600192


class GssError(Exception):
    """An error of the GSSAPI library, whose minor status is unsigned."""

    def __init__(self, number: int, major: int = 851968) -> None:
        super().__init__("Major (851968): Unspecified GSS failure")
        self.min_code = (number - 1765328384) % 2**32
        self.maj_code = major
