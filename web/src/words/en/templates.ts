/** Workflows to begin with. */
export const templates = {
  "templates.title": "Templates",
  "templates.filter": "Filter templates",
  "templates.of-pack": "From {pack}",
  "templates.none": "No template is called like this.",
  "templates.close": "Close",
  "templates.begin": "A template",
  "templates.begin.about": "A workflow of ours, ready to run",
  "templates.all": "All templates",
} as const;
