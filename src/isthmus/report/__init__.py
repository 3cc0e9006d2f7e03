"""Images, charts, tables and self-contained HTML pages."""

from isthmus.report import charts
from isthmus.report.page import Page
from isthmus.report.pictures import as_pictures, data_uri, grid, rows, to_image, write_gif, write_picture
from isthmus.report.text import number, table

__all__ = [
    "Page",
    "as_pictures",
    "charts",
    "data_uri",
    "grid",
    "number",
    "rows",
    "table",
    "to_image",
    "write_gif",
    "write_picture",
]
