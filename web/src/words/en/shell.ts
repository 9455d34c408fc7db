/** The window as a whole. */
export const shell = {
  "shell.trouble.title": "The canvas cannot begin.",
  "shell.trouble.again": "Try again",
  "shell.drop": "Drop a workflow, a picture, film or sound",
  "shell.open-file": "Open a file",
  "shell.language": "Language: {name}",
  "shell.language.auto": "Language: as the browser says",
} as const;
