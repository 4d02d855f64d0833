"""The frame archive: one Zarr array per variable, one chunk per frame."""
