"""Files in and out: images, DICOM, video."""
