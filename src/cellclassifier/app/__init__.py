"""The local page: cells named in a browser, for people who use no terminal.

A server of Tornado on the loopback address, one page, and one worker thread behind it. The page
asks for its state, and shows it; what is done is what the commands do.
"""

from cellclassifier.app.gate import Gate
from cellclassifier.app.room import Room
from cellclassifier.app.server import AppServer, serve
from cellclassifier.app.wishes import Wishes
from cellclassifier.app.workbench import Workbench

__all__ = ["AppServer", "Gate", "Room", "Wishes", "Workbench", "serve"]
