// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the text of the code
/** What jailkit export --declaration must not write: users who would get more by it, and lines that mean something else. */

import type { Mutant } from "./mutant.ts";

const within = (file: string, test: string, changes: readonly (readonly [string, string])[]): Mutant[] =>
  changes.map(([from, to]) => ({ file: `src/declaration/${file}`, from, to, test }));

export const EXPORT: readonly Mutant[] = [
  {
    file: "src/declaration/write.ts",
    from: "jails.length + users.length === 1 &&",
    to: "",
    test: "unit/declaration-write.test.ts",
    equivalent: "a name or value that could begin another section does not read back the same",
  },
  ...within("gather-user.ts", "e2e/export-declaration.test.ts", [
    ["if (!isChrootShell(user.shell))", "if (false)"],
    ["if (entries.length > 0) return `", "if (false) return `"],
    ["if (!isOwn || isLimited) {", "if (!isOwn) {"],
    ["if (!isOwn || isLimited) {", "if (isLimited) {"],
    ["if (!isOwn) {", "if (false) {"],
    ["if (isPlain(gecos)) return", "if (true) return"],
    ['const plain = isPlain(line.replaceAll("\\t", " ")) ? line', "const plain = true ? line"],
    ['isPlain(plain.replaceAll("\\t", " ")) ? readKeyLine(plain)', "true ? readKeyLine(plain)"],
  ]),
  ...within("write.ts", "unit/declaration-write.test.ts", [
    ["if (problem !== undefined) {", "if (false) {"],
    ["return same ? undefined", "return true ? undefined"],
    ["policy: isLimited ? undefined : policy,", "policy: undefined,"],
    ["if (other !== user) shared.set", "if (false) shared.set"],
    ["shell === LIMITED_SHELL && policy.some(isAllowing)", "shell === LIMITED_SHELL"],
  ]),
];
