"""Autoencoding: reconstruct, embed, decode, generate, interpolate."""
