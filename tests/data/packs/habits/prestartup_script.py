import os

os.environ["WEFT_TEST_PRESTARTED"] = "habits"
