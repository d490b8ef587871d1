// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the text of the code
/** A file that declares jails and users gives no right that its author did not write. */

import type { Mutant } from "./mutant.ts";

type Change = readonly [from: string, to: string];

const within = (file: string, test: string, changes: readonly Change[]): Mutant[] =>
  changes.map(([from, to]) => ({ file, from, to, test }));

const READ = "unit/declaration-read.test.ts";
const MACHINE = "unit/declaration-machine.test.ts";

export const DECLARATION: readonly Mutant[] = [
  ...within("src/config/scan-py.ts", "unit/config-scan.test.ts", [
    ['this.dialect === "plain";\n    const at', 'this.dialect !== "plain";\n    const at'],
    ["if (isPlain && (isHeader || meantHeader(content)?.marked)) {", "if (false) {"],
    ['if (isPlain && first === "[") return', "if (false) return"],
    ["if (end === content.length && name", "if (name"],
    ['name === "DEFAULT" && this.dialect === "py"', 'name === "DEFAULT"'],
    ["isPlain ? written : lowerCase(written)", "lowerCase(written)"],
  ]),
  ...within("src/config/load.ts", READ, [
    ["alone ? undefined : dropInDirectory(file)", "dropInDirectory(file)"],
  ]),
  ...within("src/declaration/plan.ts", "e2e/unread-files.test.ts", [
    ["if (prune) requireAllRead(others ?? declaration, compared);", ""],
    ["requireAllRead(others ?? declaration", "requireAllRead(declaration"],
    [", ...aside];", "];"],
  ]),
  ...within("src/config/unread.ts", "e2e/unread-files.test.ts", [
    ["&& (one.type !== C.DT_DIR || holds(one.name))", "&& one.type !== C.DT_DIR"],
    ["isDropIn(name) || isAside(name) ||", "isDropIn(name) ||"],
  ]),
  ...within("src/declaration/section.ts", READ, [
    ["const HEADER = /^(jail|user) (?=[^ \\t])/;", "const HEADER = /^(jail|user) /;"],
    ['kind !== "pairs" || blanks !== "" || ', ""],
    ['blanks !== "" || ', ""],
    [" || describedBy(table, key) !== undefined ? key", " ? key"],
    ["if (!LISTS.includes(kind)) {", "if (false) {"],
    ['filter(({ value }) => value.includes("\\n"))', "filter(() => false)"],
    ["plain === path ? lengthFault(path)", "true ? lengthFault(path)"],
    ["name.length > LONGEST_NAME", "false"],
    ["path.length > LONGEST_PATH", "false"],
    ["if (COMMENT_BEHIND.test(entry.value)) return", "if (false) return"],
  ]),
  ...within("src/declaration/jail-section.ts", READ, [
    ["trimmed === path ? plainFault(path)", "true ? plainFault(path)"],
    ["if (canBeLive(item.value)) return longProblem(item);", "return [];"],
    ['!value.startsWith("-") && ', ""],
    ['if (path === "/") problems', 'if (path === "") problems'],
  ]),
  ...within("src/declaration/key-section.ts", READ, [['if ("problem" in found) {', "if (false) {"]]),
  ...within("src/declaration/user-section.ts", READ, [
    ["policy.length > 0 && !policy.some(isAllowing)", "false"],
    ["if (describedBy(confineKeys, entry.key) !== undefined) continue;", "continue;"],
    ['fieldFault("home", home) ?? homeFault(home)', 'fieldFault("home", home)'],
    ['fieldFault("home", home) ?? homeFault(home)', "homeFault(home)"],
    ["`${quoted(text)} is not a uid` : uidFault(uid)", "`${quoted(text)} is not a uid` : undefined"],
    ["nameFault(name) ?? (name", "(name"],
    ['name === "DEFAULT" ? ', "false ? "],
    ["...(contradiction === undefined ? [] : [contradiction])", ""],
    ["...paths.flatMap((item) => pathItemProblem(item))", ""],
  ]),
  ...within("src/declaration/shared.ts", READ, [
    ['jail === "" || keeps.includes("home") ? undefined : joinHome(jail, home)', "undefined"],
    ["uid === undefined ? undefined : `${uid}`", "undefined"],
  ]),
  ...within("src/declaration/shared.ts", "e2e/config-declaration.test.ts", [
    ["return isIt ? 2 : 1;", "return 1;"],
    ["has(name) ? 1 : 0", "has(name) ? 0 : 0"],
  ]),
  ...within("src/declaration/compare/room-for-live.ts", "e2e/apply-room-for-live.test.ts", [
    ["if (!full.every(isFreed)) return undefined;", ""],
  ]),
  ...within("src/declaration/compare/former-user.ts", "e2e/apply-directory-gone.test.ts", [
    ["isStaying ? staysNote(account(), once) : []", "[]"],
  ]),
  ...within("src/declaration/read.ts", READ, [
    ['.map((one): Problem => ({ ...one, severity: "error" }))', ""],
    [
      "[...new Map(files.map((file) => [knownAs(file), file]))]",
      "files.map((file) => [knownAs(file), file])",
    ],
    ["read(file, true)", "read(file, false)"],
  ]),
  ...within("src/declaration/machine.ts", MACHINE, [
    ["user === undefined ? undefined : uidFault(user.uid)", "undefined"],
    ["directory === isLocal", "false"],
    ["if (own !== undefined) {", "if (false) {"],
    ["user.uid !== uid", "false"],
  ]),
  ...within("src/declaration/machine.ts", "e2e/apply-kept-homes.test.ts", [
    ["user !== undefined && (uid ?? user.uid) === user.uid", "false"],
    ["user === undefined && owner === undefined", "false"],
  ]),
  ...within("src/lint/declared.ts", "e2e/config-other-sections.test.ts", [
    ["if (!isAsDeclared(section, user)) {", "if (false) {"],
  ]),
  ...within("src/declaration/written-sections.ts", "e2e/config-other-sections.test.ts", [
    ["if (!had) return undefined;", "return undefined;"],
    ['isLeft ? "jailkit apply" : "jailkit apply --prune"', '"jailkit apply"'],
  ]),
  ...within("src/declaration/written-sections.ts", "e2e/declared-rights.test.ts", [
    ["if (!isWritten(file)) return undefined;", "return undefined;"],
    ["policy === undefined && former === undefined", "false"],
    ["policy !== undefined && !isThere(user, file)", "false"],
    ["jail?.logSocket === undefined", "true"],
  ]),
  ...within("src/declaration/machine-place.ts", MACHINE, [["!declaredUsers.has(one.name) && ", ""]]),
];
