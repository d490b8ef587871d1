/** What others than root can change on the host: it chooses nothing of the host for a jail. */

type Change = readonly [from: string, to: string, equivalent?: string];

/** Mutants of one file, which the tests of another find. */
const within = (file: string, test: string, changes: readonly Change[]): Mutant[] =>
  changes.map(([from, to, equivalent]) => ({
    ...{ file, from, to, test },
    ...(equivalent === undefined ? {} : { equivalent }),
  }));

export const SOURCES: readonly Mutant[] = [
  ...within("src/populate/plan/leaf.ts", "attack/grants.test.ts", [
    ["if (isDevice(stat) && host.withheld(path).devices) {", "if (false) {"],
    ["trust.othersName(path) || host.withheld(path).setuid ?", "trust.othersName(path) ?"],
  ]),
  ...within("src/populate/plan/trust.ts", "unit/untrusted.test.ts", [
    ["if (stat.uid !== 0 || (stat.mode & 0o002) !== 0) return true;", "if (stat.uid !== 0) return true;"],
    [
      "if (stat.uid !== 0 || (stat.mode & 0o002) !== 0) return true;",
      "if ((stat.mode & 0o002) !== 0) return true;",
    ],
    ["if ((stat.mode & 0o020) === 0) return false;", "if ((stat.mode & 0o070) !== 0) return false;"],
    ["if (above.others) return { ...above, link: true };", ""],
    ["if (above.link) return above;", ""],
    ["if (links >= MOST_LINKS) {", "if (links >= 1e9) {"],
    [
      "above.others && !(above.sticky && stat?.uid === 0)",
      "above.others && !above.sticky",
      "what is not root's in a sticky directory is others' by itself",
    ],
    ["above.others && !(above.sticky && stat?.uid === 0)", "above.others && stat?.uid !== 0"],
    ["above.others && !(above.sticky && stat?.uid === 0)", "above.others"],
    ["const sticky = !inherited && stat?.uid === 0 &&", "const sticky = stat?.uid === 0 &&"],
    ["const sticky = !inherited && stat?.uid === 0 &&", "const sticky = !inherited &&"],
    ["others: inherited || own,", "others: own,"],
    ["others: inherited || own,", "others: inherited,"],
    ["others: above.others || up.others", "others: up.others"],
    ["others: above.others || up.others", "others: above.others"],
    ["if (this.othersName(path)) return true;", ""],
    ["others || stat === undefined || this.othersName(path);", "others || stat === undefined;"],
    ["others || stat === undefined || this.othersName(path);", "others || this.othersName(path);"],
    [
      "others || stat === undefined || this.othersName(path);",
      "stat === undefined || this.othersName(path);",
    ],
    ["(stat.mode & S_IFMT) !== S_IFLNK && ", ""],
    ["(stat.mode & S_IFMT) !== S_IFLNK && othersCanWrite(this.host, path, stat)", "false"],
  ]),
  ...within("src/populate/plan/untrusted.ts", "unit/untrusted.test.ts", [
    ['if (type === S_IFCHR || type === S_IFBLK) return "device";', ""],
    ['if (type === S_IFCHR || type === S_IFBLK) return "device";', 'if (type === S_IFCHR) return "device";'],
    [
      'if (type === S_IFCHR || type === S_IFBLK) return "device";',
      'if (!named && (type === S_IFCHR || type === S_IFBLK)) return "device";',
    ],
    ["if (named || type !== S_IFREG", "if (type !== S_IFREG"],
    ["|| (stat.mode & 0o004) !== 0) return undefined;", "|| (stat.mode & 0o044) !== 0) return undefined;"],
    ['if (directory === undefined) return "private";', "if (directory === undefined) return undefined;"],
    ["if (stat.uid !== 0 && stat.uid === directory.uid)", "if (stat.uid === directory.uid)"],
    ["if (stat.uid !== 0 && stat.uid === directory.uid)", "if (stat.uid !== 0)"],
    ["stat.gid !== 0 && stat.gid === directory.gid &&", "stat.gid === directory.gid &&"],
    ["stat.gid !== 0 && stat.gid === directory.gid &&", "stat.gid !== 0 &&"],
    [" && (directory.mode & 0o020) !== 0;", ";"],
    ["group && (stat.mode & 0o040) !== 0 ?", "group ?"],
    ["scripts.has(neededBy) || ", ""],
    ['(kind === "script" && trust.othersDecideContent(neededBy))', "trust.othersDecideContent(neededBy)"],
    ['(kind === "script" && trust.othersDecideContent(neededBy))', 'kind === "script"'],
    ["!trust.othersDecideContent(neededBy) || ", ""],
    ["!trust.othersDecideContent(neededBy) || isPublicLibrary(context, path)", "true"],
    ["!DEFAULT_DIRECTORY.test(parentOf(path)) || ", ""],
    [" || !isLibraryName(path)", ""],
    ["(stat.mode & S_IFMT) !== S_IFREG || ", ""],
    [" || (stat.mode & 0o004) === 0) return false;", ") return false;"],
    ["return !trust.othersDecideContent(path);", "return true;"],
  ]),
  ...within("src/populate/plan/planner.ts", "unit/untrusted.test.ts", [
    ["if (context.trust.of(parentOf(path)).link)", "if (false)"],
    [
      "if (entry.untrusted !== undefined) {\n      const tree = because",
      "if (false) {\n      const tree = because",
    ],
    ["if (!named) return;", ""],
    ["sortNeeds(context, needs).allowed", "needs"],
    ["untrusted: trust.othersName(path) ? stat : undefined,", "untrusted: undefined,"],
    ["host.list(path, entry.untrusted)", "host.list(path)"],
  ]),
  ...within("src/populate/plan/leaf.ts", "unit/untrusted.test.ts", [
    ["trust.othersCanChange(path, stat) ? stat : undefined", "undefined"],
    ["host.readlink(path, untrusted)", "host.readlink(path)"],
  ]),
  ...within("src/populate/plan/draft.ts", "unit/untrusted.test.ts", [
    ["(before !== undefined && !isNamed(before.reason) &&", "(false &&"],
    [' && !(reason.kind === "asked" && reason.matched === true)', ""],
  ]),
  ...within("src/populate/plan/leaf.ts", "attack/sources.test.ts", [
    [
      "if (directory.others && leave(draft, directory.stat, stat, where, isNamed(reason))) return undefined;",
      "",
    ],
    ["if (directory.others && leave(", "if (leave("],
    ["trust.othersName(path) || host.withheld(path).setuid ?", "host.withheld(path).setuid ?"],
  ]),
  ...within("src/libraries/root-view.ts", "unit/untrusted.test.ts", [
    ["if ((mode & C.S_IFMT) !== C.S_IFREG) return undefined;", ""],
  ]),
  ...within("src/populate/plan/left-out.ts", "attack/sources.test.ts", [
    ["    draft.seen.delete(path);", ""],
    ["(stat.mode & 0o004) !== 0;", "true;"],
  ]),
  ...within("src/populate/plan/jail-paths.ts", "unit/untrusted.test.ts", [
    ["(others(part.below ?? current) || others(current))", "others(current)"],
    ["(others(part.below ?? current) || others(current))", "others(part.below ?? current)"],
    ["cause !== undefined && (others", "false && (others"],
  ]),
  ...within("src/populate/file-system.ts", "unit/untrusted.test.ts", [
    ["if (sameFile(basicFstat(fd), expected)) return;", "return;"],
    ["if (expected !== undefined) requireSame(fd, expected, path);", ""],
    ["        requireSame(fd, expected, path);\n        return", "        return"],
  ]),
  ...within("src/populate/apply/link.ts", "unit/untrusted.test.ts", [
    ["entry.untrusted !== undefined && !sameFile(stat, entry.untrusted)", "entry.untrusted?.mode === -1"],
    ["if (untrusted !== undefined && !sameFile(stat, untrusted)) return false;", ""],
  ]),
  ...within("src/update/plan/came-along.ts", "unit/untrusted.test.ts", [
    ["if (treeAt(record.source ?? record.path) !== undefined) return undefined;", ""],
    ["if (operand !== undefined) return operand;", ""],
    ["records.get(at.neededBy) ?? bySource.get(at.neededBy)", "records.get(at.neededBy)"],
    ['record.type !== "directory" ? ', "true ? "],
  ]),
  ...within("src/update/plan/plan.ts", "attack/sources.test.ts", [
    ["others.filter((candidate) => !came.has(candidate))", "others"],
  ]),
  ...within("src/update/plan/order.ts", "attack/sources.test.ts", [
    ["file.untrusted === undefined && this.lacking.set(entry, path)", "this.lacking.set(entry, path)"],
  ]),
];

import type { Mutant } from "./mutant.ts";
