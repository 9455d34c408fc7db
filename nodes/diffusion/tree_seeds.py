"""Seeds for the places of a binary tree, as numpy's `SeedSequence` spawns them, without making one for each place.

Source: O'Neill 2015 (Developing a seed_seq alternative, pcg-random.org); numpy's `SeedSequence` states the numbers and how
spawn keys go in. A pool of 24 words is mixed from the entropy once. A key is mixed in word by word, and what is asked for
depends on the pool's first word alone.
"""

import numpy as np

POOL = 24
WORD = 2**32 - 1
SHIFT = 16
FIRST_A, TIMES_A = 0x43B0D7E5, 0x931E8875
FIRST_B, TIMES_B = 0x8B51F9DD, 0x58F38DED
MIX_LEFT, MIX_RIGHT = 0xCA01F9DD, 0x4973F715
ALREADY = POOL * POOL  # words that were hashed before any of a key


class TreeSeeds:
    """What `SeedSequence(entropy, spawn_key=place, pool_size=24).generate_state(4)[0]` gives for any place.

    Args:
        entropy: below 2**64.
    """

    def __init__(self, entropy: int) -> None:
        self._pool = int(np.random.SeedSequence(entropy, pool_size=POOL).pool[0])
        self._hash = FIRST_A * pow(TIMES_A, ALREADY, WORD + 1) & WORD
        self._further = pow(TIMES_A, POOL - 1, WORD + 1)  # past the other words of the pool

    def of_root(self) -> int:
        """The seed without a key."""
        return _drawn(self._pool)

    def of(self, place: tuple[int, int]) -> int:
        """The seed at a place: its number among those of its depth, and the depth."""
        pool, constant = self._pool, self._hash
        for part in place:
            while True:
                value = (part & WORD) ^ constant
                constant = constant * TIMES_A & WORD
                value = value * constant & WORD
                value ^= value >> SHIFT
                mixed = (MIX_LEFT * pool - MIX_RIGHT * value) & WORD
                pool = mixed ^ mixed >> SHIFT
                constant = constant * self._further & WORD
                part >>= 32
                if not part:
                    break
        return _drawn(pool)


def _drawn(pool: int) -> int:
    value = (pool ^ FIRST_B) * (FIRST_B * TIMES_B & WORD) & WORD
    return value ^ value >> SHIFT
