/** The page speaks: `<html lang dir>`, and everything that is shown asks for its words again when the language changes. */
import { type Language, languageFor, onAsked, speak } from "./index";

let changes = $state(0);

/** Take the language of a choice, else the browser's. The words of others than English are loaded first. */
export async function speakChosen(chosen: string | undefined): Promise<Language> {
  onAsked(() => void changes);
  const language = languageFor(chosen, navigator.languages);
  speak(language, await language.load?.());
  document.documentElement.lang = language.code;
  document.documentElement.dir = language.direction;
  changes += 1;
  return language;
}
