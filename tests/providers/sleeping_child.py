"""Stands in for a training that takes for ever."""

import signal

signal.pause()
