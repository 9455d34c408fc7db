"""`weft verify`: would this machine make the same picture, and does it?"""
