import type { Translated } from "../message";
import type { compare as english } from "../en/compare";

export const compare: Translated<typeof english> = {
  "compare.about": "Zwei Bilder vergleichen",
  "compare.title": "Vergleichen",
  "compare.how": "Wie",
  "compare.wipe": "Wischen",
  "compare.side": "Nebeneinander",
  "compare.difference": "Differenz",
  "compare.strength": "Stärke",
  "compare.swap": "Tauschen",
  "compare.swap-hint": "Die beiden tauschen",
  "compare.close": "Schließen",
  "compare.wipe-at": "Wischen bei {share}",
  "compare.both": "Die zwei Bilder",
  "compare.all": "Bilder zum Vergleichen",
  "compare.as-b": "Als B; mit Umschalt als A",
  "compare.as-b-of": "{name}: als B; mit Umschalt als A",
};
