"""Detect what is not normal."""
