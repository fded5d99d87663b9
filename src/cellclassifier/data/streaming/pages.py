"""Pages of a file that were changed, and wait in memory."""

from collections.abc import Callable

PAGE = 4096

# reads so many bytes of the file, from a place
Read = Callable[[int, int], bytes]


class Pages:
    """Changed pages of a stretch of a file.

    Parameters
    ----------
    start
        Where the stretch begins, and its first page.
    stop
        Where it ends, and its last page with it; None for no end.

    Examples
    --------
    >>> pages = Pages(0, 10)
    >>> pages.write(8, memoryview(b"ab"), lambda place, n_bytes: b"." * n_bytes)
    >>> content = bytearray(b"123456")
    >>> pages.lay_over(6, content)
    >>> bytes(content)
    b'..ab56'
    """

    def __init__(self, start: int, stop: int | None = None) -> None:
        self.start, self.stop = start, stop
        self.changed: dict[int, bytearray] = {}

    def write(self, first: int, content: memoryview, read: Read) -> None:
        """Change bytes that all lie in the stretch; `read` fills in the rest of their pages."""
        last = first + len(content)
        for offset in self._offsets(first, last):
            if offset not in self.changed:
                self.changed[offset] = bytearray(read(offset, self._length(offset)))
            page = self.changed[offset]
            start, stop = max(offset, first), min(offset + len(page), last)
            page[start - offset : stop - offset] = content[start - first : stop - first]

    def lay_over(self, first: int, content: bytearray) -> None:
        """Put what was changed over what is in the file from `first` on."""
        last = first + len(content)
        for offset in self._offsets(first, last):
            page = self.changed.get(offset)
            if page is not None:
                start, stop = max(offset, first), min(offset + len(page), last)
                content[start - first : stop - first] = page[start - offset : stop - offset]

    def _offsets(self, first: int, last: int) -> range:
        """Return where the pages begin that hold some of these bytes."""
        first = max(first, self.start)
        last = last if self.stop is None else min(last, self.stop)
        return range(first - (first - self.start) % PAGE, last, PAGE)

    def _length(self, offset: int) -> int:
        return PAGE if self.stop is None else min(PAGE, self.stop - offset)
