/** Two pictures held against each other. */
export const compare = {
  "compare.about": "Compare two pictures",
  "compare.title": "Compare",
  "compare.how": "How",
  "compare.wipe": "Wipe",
  "compare.side": "Side by side",
  "compare.difference": "Difference",
  "compare.strength": "Strength",
  "compare.swap": "Swap",
  "compare.swap-hint": "Swap the two",
  "compare.close": "Close",
  "compare.wipe-at": "Wipe at {share}",
  "compare.both": "The two pictures",
  "compare.all": "Pictures to compare",
  "compare.as-b": "As B; with Shift as A",
  "compare.as-b-of": "{name}: as B; with Shift as A",
} as const;
