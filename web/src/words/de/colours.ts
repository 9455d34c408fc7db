import type { Translated } from "../message";
import type { colours as english } from "../en/colours";

export const colours: Translated<typeof english> = {
  "colours.title": "Farben",
  "colours.about": "Jede Farbe nach ihrer Rolle. Was nicht geändert ist, bleibt wie im Theme.",
  "colours.name": "Name",
  "colours.own": "Meine Farben",
  "colours.base": "Ausgehend von",
  "colours.dark": "Dunkel",
  "colours.light": "Hell",
  "colours.open": "Datei öffnen",
  "colours.save": "Auf diesem Computer speichern",
  "colours.reset": "Alle zurücksetzen",
  "colours.reset-one": "{role}: wie im Theme",
  "colours.close": "Schließen",
  "colours.surfaces": "Flächen",
  "colours.texts": "Schrift und Linien",
  "colours.threads": "Fäden",
  "colours.weak": "{role} auf {ground}: {ratio} zu 1, schlecht lesbar (4,5 zu 1 genügt)",
  "colours.bad-file": "Diese Datei enthält keine Farben für Weft: {why}.",
  "colours.not-object": "sie ist kein JSON-Objekt mit „roles“",
  "colours.unknown-role": "es gibt keine Rolle {role}",
  "colours.no-colour": "{role} ist keine Farbe wie #a1b2c3",
};
