"""`comfy.k_diffusion.utils`: which files are pictures."""


class FolderOfImages:
    IMG_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
