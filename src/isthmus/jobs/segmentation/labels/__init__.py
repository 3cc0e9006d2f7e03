"""Label files: their formats, found, recognized, read and written."""
