import os
import sys

os.environ["WEFT_SMALL_PACK_PRESTARTED"] = "torch was there" if "torch" in sys.modules else "before torch"
