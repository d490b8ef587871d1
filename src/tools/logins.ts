// Both programs of logins, which are one file in the executable of all tools: see shared.ts. They have most of their parts in common.
export { main as chrootsh } from "./jk_chrootsh.ts";
export { main as lsh } from "./jk_lsh.ts";
