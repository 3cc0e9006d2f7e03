"""Reading and writing of image, DICOM and video files."""
