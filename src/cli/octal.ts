/** The permission bits of a mode as messages and reports show them: four octal digits, as `0755`. */
export const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, "0");
