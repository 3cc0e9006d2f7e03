"""Reconstruct, embed, decode, generate."""
