"""Python packages by the modules that come in them: what to install where an import fails."""

from collections.abc import Mapping

# Modules that are not called like the package they come in.
PACKAGES: Mapping[str, str] = {
    "cv2": "opencv-python",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "git": "gitpython",
}


def package_of(module: str) -> str:
    """What to install for a module (its first name)."""
    return PACKAGES.get(module, module)
