"""What a user sees while a protocol is learned."""

from .display import Display, LineDisplay, LiveDisplay, current_display, learned_names, make_display, shown_on
from .quiet import quiet
from .time_left import TimeLeft
