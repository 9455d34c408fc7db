import type { Translated } from "../message";
import type { errors as english } from "../en/errors";

export const errors: Translated<typeof english> = {
  "errors.not-json": "Das ist kein JSON: {problem} in Zeile {line}.",
  "errors.json.follows": "nach dem Ende folgt noch etwas",
  "errors.json.deep": "es ist zu tief verschachtelt",
  "errors.json.colon": "ein Doppelpunkt fehlt",
  "errors.json.comma-brace": "ein Komma oder } fehlt",
  "errors.json.comma-bracket": "ein Komma oder ] fehlt",
  "errors.json.text": "hier sollte ein Text beginnen",
  "errors.json.bad-text": "ein Text ist fehlerhaft",
  "errors.json.word": "ein unbekanntes Wort",
  "errors.json.end": "das Ende kam zu früh",
  "errors.no-workflow": "Diese Datei enthält keinen Workflow: Die Liste der Nodes fehlt.",
  "errors.no-prompt": "Diese Datei enthält keinen Prompt: Einem Node fehlt class_type.",
  "errors.neither": "Diese Datei ist weder JSON noch trägt sie einen Workflow.",
  "errors.picture-bare": "Dieses Bild trägt keinen Workflow. Bilder behalten ihn nur, wenn sie seither nicht neu gespeichert wurden.",
  "errors.file-bare": "Diese Datei trägt keinen Workflow. Er bleibt nur, wenn die Datei seither nicht neu gespeichert wurde.",
  "errors.text-too-large": "Der Text in diesem Bild ist zu groß.",
  "errors.unexpected": "Der Server antwortete auf {route} mit etwas Unerwartetem.",
  "errors.no-answer": "Der Server antwortet nicht. Läuft er noch?",
  "errors.refused": "Der Server lehnte {route} ab ({status}).",
  "errors.run-lost": "Der Server kennt diesen Lauf nicht mehr.",
  "errors.run-lost-hint": "Er wurde neu gestartet. Führen Sie erneut aus.",
  "errors.no-subgraph": "Diese Datei enthält keine Blaupause: Keiner ihrer Knoten ist ein Subgraph.",
};
