"""The tests; each one's docstring states the fact it proves."""
