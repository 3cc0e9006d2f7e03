"""Reading and writing of videos, animations and files of several frames."""
