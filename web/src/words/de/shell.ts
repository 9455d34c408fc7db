import type { Translated } from "../message";
import type { shell as english } from "../en/shell";

export const shell: Translated<typeof english> = {
  "shell.trouble.title": "Die Arbeitsfläche kann nicht starten.",
  "shell.trouble.again": "Erneut versuchen",
  "shell.drop": "Workflow, Bild, Film oder Ton hier ablegen",
  "shell.open-file": "Datei öffnen",
  "shell.language": "Sprache: {name}",
  "shell.language.auto": "Sprache: wie im Browser",
};
