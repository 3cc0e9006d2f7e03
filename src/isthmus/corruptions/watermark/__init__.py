"""Watermarks: logos, words and shapes laid over pictures."""
