"""The figures of restoration; the baselines and peers of each table run in the same run.

    python benchmarks/restoration.py [gray | color | upscale | inpaint | watermark | harmless | sure | xray | real |
                                      jpeg | alone | speed] ...
                                     [--model NAME=RUN] ... [--best] [--no-peers] [--quick]

Models are the shipped ones or run folders: `--model RUN` for the model of the part, `--model upscale-3=RUN` if a part
has several, `--model plain=RUN` for a further row. A part without a model prints a note and its baselines. Degradations
are seeded and separate from those of trainings (restoring/damage.py). The rows noisy and bicubic must equal the
published figures, or the part stops. Peers are in .peers/restoration (`make bench-peers`). A part with all of its
methods writes results/restoration-PART.json; --quick takes two images per set and writes no file.
"""

from __future__ import annotations

import argparse

from restoring.alone import alone
from restoring.comparison import Comparison
from restoring.harmless import harmless, sure
from restoring.holes import inpaint, watermark
from restoring.noise import color, gray, xray
from restoring.real import jpeg, real
from restoring.size import upscale
from restoring.speed import speed

PARTS = {
    "gray": gray,
    "color": color,
    "upscale": upscale,
    "inpaint": inpaint,
    "watermark": watermark,
    "harmless": harmless,
    "sure": sure,
    "xray": xray,
    "real": real,
    "jpeg": jpeg,
    "alone": alone,
    "speed": speed,
}


def runs(given: list[str]) -> dict[str, str]:
    """['upscale-2=RUN', 'RUN'] -> {'upscale-2': 'RUN', '': 'RUN'}."""
    pairs = [text.partition("=") for text in given]
    return {name if equals else "": run if equals else name for name, equals, run in pairs}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART", help=f"of: {', '.join(PARTS)}")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=RUN", help="a run folder for a model")
    parser.add_argument("--no-peers", action="store_true", help="leave the classical peers out; nothing is written")
    parser.add_argument("--quick", action="store_true", help="two pictures a set, nothing written")
    parser.add_argument(
        "--best", action="store_true", help="a row more for each model: all eight ways to turn a picture"
    )
    parser.add_argument("--loaded", action="store_true", help="measure speed while others are at work")
    options = parser.parse_args()
    for part in options.parts or PARTS:
        print(f"== {part}", flush=True)
        PARTS[part](Comparison(part, runs(options.model), not options.no_peers, options.quick, options.best))
