"""A program that somebody takes for a module: it ends whoever imports it."""

import sys

sys.exit(3)
