"""Synthetic watermarks: stamps, lettering, opaque objects, and the corruption that overlays them."""
