/** The page: mounts the app. */
export {};
