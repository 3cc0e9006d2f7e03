"""One-class anomaly detection: a model of normal samples, and a calibrated score of new ones."""

from isthmus.detection.calibration_warnings import calibration_warnings
from isthmus.detection.detector import FILE, Detector
from isthmus.detection.finding import Finding
from isthmus.detection.settings import DEFAULTS, SCORES, Settings

__all__ = ["DEFAULTS", "FILE", "SCORES", "Detector", "Finding", "Settings", "calibration_warnings"]
