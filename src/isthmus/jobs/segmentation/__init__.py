"""Segmentation: segment."""
