"""Cases whose outcome is not yet what it has to be, and what comes instead; best empty."""

from collections.abc import Mapping
from types import MappingProxyType

NOT_YET: Mapping[str, str] = MappingProxyType({})
