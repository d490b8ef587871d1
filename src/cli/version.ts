/** The version of all the tools; the same as in package.json (a test compares them). */
export const VERSION = "3.0.0";
