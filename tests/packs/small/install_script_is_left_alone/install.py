import pathlib

pathlib.Path(__file__).with_name("installed.txt").write_text("it ran")
