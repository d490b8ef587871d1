/** The version of all tools; a test compares it with package.json. */
export const VERSION = "3.0.0";
