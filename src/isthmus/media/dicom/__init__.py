"""Reading and writing of DICOM files."""
