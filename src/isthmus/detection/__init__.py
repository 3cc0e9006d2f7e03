"""Is it as it should be? A model that has learned from good ones, and what it says of the next."""

from isthmus.detection.detector import FEW, FILE, SCORES, Detector, Finding, Settings
from isthmus.detection.maps import MAPS

__all__ = ["FEW", "FILE", "MAPS", "SCORES", "Detector", "Finding", "Settings"]
