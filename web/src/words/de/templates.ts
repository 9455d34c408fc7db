import type { Translated } from "../message";
import type { templates as english } from "../en/templates";

export const templates: Translated<typeof english> = {
  "templates.title": "Vorlagen",
  "templates.filter": "Vorlagen filtern",
  "templates.of-pack": "Aus {pack}",
  "templates.none": "Keine Vorlage heißt so.",
  "templates.close": "Schließen",
  "templates.begin": "Eine Vorlage",
  "templates.begin.about": "Ein Workflow von uns, bereit zum Ausführen",
  "templates.all": "Alle Vorlagen",
};
