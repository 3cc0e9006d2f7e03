"""The table of segmentation in docs/results.md."""

from __future__ import annotations

from typing import Any

from table_writer import NONE, Contest, Rows, Table

SEGMENT = "isthmus segment"
OTHERS = {"U-Net of 2015, a quarter of its width": "U-Net of 2015", "Otsu, watershed": "Otsu and watershed"}
OTHERS |= {"isthmus segment --best": SEGMENT}
OTHERS |= {"segmentation_models.pytorch, Unet, ResNet-18": "segmentation_models.pytorch", "Otsu, any defect": "Otsu"}
DEFECTS = ("blowhole", "break", "crack", "fray", "uneven")


def segmented(title: str, part: str, figure: str, published: str = "", ours: str = SEGMENT, **only: Any) -> Contest:
    return Contest(title, f"segmentation-{part}", ours, figure, only, published, OTHERS)


SEGMENTATION = Table(  # benchmarks/segmentation.py
    ("", "Isthmus", "baselines", "published"),
    [
        segmented("nuclei (DSB 2018), Dice", "nuclei", "{dice:.3f}"),
        segmented("nuclei, IoU", "nuclei", "{iou:.3f}", "U-Nets about .84"),
        segmented(
            "nuclei, objects at IoU .5, TP / (TP + FP + FN)",
            "nuclei",
            "{instance_jaccard50:.3f}",
            "StarDist .864 (447 and 50 images)",
        ),
        segmented("nuclei, objects, COCO's AP50", "nuclei", "{instance_ap50:.3f}"),
        *(
            segmented(
                f"nuclei with noise of σ {sigma}: Dice / AP50 of boxes",
                "noisy",
                "{dice:.3f} / {box_ap50:.3f}",
                ours="denoise, then segment",
                sigma=sigma,
            )
            for sigma in (25, 50)
        ),
        segmented(
            "membranes (ISBI 2012), 5 folds: adapted Rand error, borders thinned, without / with --best",
            "membranes",
            "{rand_error_thinned:.3f}",
            fold="mean",
        ),
        segmented(
            "membranes, 5 folds: adapted Rand error, without / with --best",
            "membranes",
            "{rand_error:.3f}",
            "U-Net of 2015 .038 (hidden test)",
            fold="mean",
        ),
        segmented(
            "membranes, 5 folds: pixel error, without / with --best",
            "membranes",
            "{pixel_error:.3f}",
            "U-Net of 2015 .061 (hidden test)",
            fold="mean",
        ),
        segmented("membranes, 5 folds: IoU of the cells, without / with --best", "membranes", "{iou:.3f}", fold="mean"),
        segmented("magnetic tiles, five kinds of defect: mean Dice", "tiles", "{dice_mean:.3f}"),
        segmented(
            f"magnetic tiles, Dice of {' / '.join(DEFECTS)}",
            "tiles",
            " / ".join(f"{{dice[{name}]:.2f}}" for name in DEFECTS),
        ),
        segmented("magnetic tiles, any defect: Dice", "tiles", "{dice_of_defects:.3f}"),
        Rows(
            "segmentation-pretraining",
            (
                "membranes, {labeled} labeled slices, started from `denoise`: Rand error, borders thinned; paired gain",
                "{rand_error:.3f}; {gain:.3f} ± {standard_error:.3f}",
                "from scratch {rand_error_from_scratch:.3f}",
                NONE,
            ),
        ),
        Rows(
            "segmentation-tiling",
            (
                "1024×1024 pixels in tiles of {tile}: largest difference of a probability; objects",
                "{largest_difference:.2g}; {objects}",
                "one pass: {objects_of_one_pass} objects",
                NONE,
            ),
            {"side": 1024},
        ),
        Rows(
            "segmentation-tiling",
            (
                "`isthmus segment` on 4096×4096 pixels: peak memory / time",
                "{peak_gb:.2f} GB / {wall_seconds:.0f} s",
                NONE,
                NONE,
            ),
            {"side": 4096},
        ),
        Rows(
            "segmentation-outlines",
            ("masks that return unchanged from {format}", "{identical} of {images}", NONE, NONE),
        ),
    ],
)
