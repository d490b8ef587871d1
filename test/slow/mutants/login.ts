// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the text of the code
/** The way of a login into a jail: who may, where to, and what is left of the privilege. */

const session = (from: string, to: string, title?: string): Mutant => ({
  file: "src/enter/session.ts",
  from,
  to,
  test: "attack/chrootsh-entered.test.ts",
  ...(title === undefined ? {} : { title }),
});
const host = (from: string, to: string): Mutant => ({
  file: "src/enter/login/host-checks.ts",
  from,
  to,
  test: "unit/enter-checks.test.ts",
});
const within = (file: string, from: string, to: string): Mutant => ({
  file,
  from,
  to,
  test: "unit/enter-checks.test.ts",
});
const ids = (from: string, to: string, test = "attack/chrootsh-entered.test.ts"): Mutant => ({
  file: "ffi/process.ts",
  from,
  to,
  test,
});

/** What a login shell says of itself, and to whom. */
const about = (file: string, from: string, to: string, test: string, title: string): Mutant => ({
  file,
  from,
  to,
  test,
  title,
});

export const LOGIN: readonly Mutant[] = [
  {
    file: "src/enter/privileged.ts",
    from: "userVariable ? passwdByName(userVariable) : passwdByUid(uid)",
    to: "passwdByUid(uid)",
    test: "differential/chrootsh.test.ts",
    title: "two accounts with one uid",
  },
  about("src/cli/about.ts", "argv.length !== 2", "argv.length < 2", "differential/lsh.test.ts", "help"),
  about(
    "src/cli/about.ts",
    'argv[0]?.startsWith("-")',
    "false",
    "differential/chrootsh.test.ts",
    "help of a login shell",
  ),
  about(
    "src/enter/login/chrootsh.ts",
    'if (account?.home.includes("/./")) return false;',
    "",
    "differential/chrootsh.test.ts",
    "is the shell's",
  ),
  about(
    "src/cli/excerpt.ts",
    ": display(piece);",
    ": piece;",
    "unit/excerpt.test.ts",
    "any bytes, any position",
  ),
  session("  proveIds(ids);\n", ""),
  session("if (!isOnlyGroup(gid))", "if (false)"),
  session("if (!isOnlyUser(uid))", "if (false)"),
  session("const same = now.length === groups.length && groups.every", "const same = groups.every"),
  session("groups.every((id) => now.includes(id))", "true"),
  session("  dropPrivilege(taskDirectory);\n", ""),
  session("if (!singleThreaded(taskDirectory)) {", "if (false) {"),
  session("dropAllCapabilities);", "() => undefined);"),
  session("    chrootToFd(fd, path);\n", "    void fd;\n"),
  session("if (noNewPrivs || terminalOfOthers) setFilters(log);", "void setFilters;"),
  {
    file: "src/enter/session.ts",
    from: 'if (sameFile(statAt(AT_FDCWD, "."), checked)) return;',
    to: "return;",
    test: "attack/chrootsh-race.test.ts",
  },
  session(
    '  step("no-new-privs", 105, "no_new_privs cannot be set", setNoNewPrivileges);\n',
    "  void setNoNewPrivileges;\n",
    "no_new_privs is set",
  ),
  session(
    'attempt(() => openAt(AT_FDCWD, "/proc/self/task", O_PATH));',
    "undefined as number | undefined;",
    "one is enough",
  ),
  ids("return statxBuffer.readUInt32LE(16) === 3;", "return true;"),
  ids("return statxBuffer.readUInt32LE(16) === 3;", "return statxBuffer.readUInt32LE(16) === 4;"),
  {
    ...ids("if (errno() === C.EINVAL || taskDirectory", "if (taskDirectory"),
    equivalent: "the directory of the threads gives the same answer",
  },
  ids(
    "if (errno() === C.EINVAL || taskDirectory === undefined) return false;",
    "return errno() !== C.EINVAL;",
  ),
  ids("if (libc.unshare(CLONE_THREAD) === 0) return true;", "if (libc.unshare(0) === 0) return true;"),
  ids("if (userIds().some((id) => id !== uid)) return false;\n  return uid === 0", "return uid === 0"),
  ids("if (groupIds().some((id) => id !== gid)) return false;\n  return gid === 0", "return gid === 0"),
  ids(
    "return [real[0] ?? SAME, effective[0] ?? SAME, saved[0] ?? SAME];",
    "return [real[0] ?? SAME, effective[0] ?? SAME, real[0] ?? SAME];",
    "unit/system.test.ts",
  ),
  host("gid === facts.gid) return passed(`group ID", "gid >= 0) return passed(`group ID"),
  host("if (fact.kind !== kind)", 'if (fact.kind !== kind || kind === "not-plain")'),
  within(
    "src/enter/checks.ts",
    "if (first === undefined) return passed(`${jail} is safe`);",
    "if (true) return passed(`${jail} is safe`);",
  ),
  host("type !== S_IFDIR && type !== S_IFREG", "type === 0"),
  host("(home, facts) => home.uid !== facts.uid,", "(home, facts) => home.uid < facts.uid,"),
  host("(home, facts) => home.uid !== facts.uid,", "() => false,"),
  host("(home, facts) => home.gid !== facts.gid,", "() => false,"),
  host("(home) => (home.mode & 0o020) !== 0,", "(home) => (home.mode & 0o200) === 0,"),
  host("(home) => (home.mode & 0o002) !== 0,", "() => false,"),
  host("(facts) => facts.settings().values.relaxHomeOwner,", "() => true,"),
  host(
    "(facts) => facts.settings().values.relaxHomeGroup,",
    "(facts) => facts.settings().values.relaxHomeGroupPermissions,",
  ),
  host(
    "(facts) => facts.settings().values.relaxHomeOtherPermissions,",
    "(facts) => facts.settings().values.relaxHomeGroupPermissions,",
  ),
  within("src/enter/caller-checks.ts", "if (facts.uid !== 0) return passed", "if (true) return passed"),
  within("src/enter/caller-checks.ts", "if (entry.uid !== facts.uid) {", "if (false) {"),
  within("src/enter/caller-checks.ts", "if (entry.name !== name) {", "if (false) {"),
  within("src/enter/caller-checks.ts", "if (bad.length > 0) {", "if (bad.length > 1) {"),
  within("src/enter/caller-checks.ts", "names.includes(baseName(given))", "true"),
  within("src/enter/caller-checks.ts", "if (held) return passed(reason);", "return passed(reason);"),
  within("src/enter/jail-account-checks.ts", "if (entry.uid !== uid) {", "if (entry.uid < uid) {"),
  within("src/enter/jail-account-checks.ts", "? numbered : named;", "? named : numbered;"),
  within(
    "src/enter/jail-account-checks.ts",
    "if (inside === name) return passed(`user name",
    "if (true) return passed(`user name",
  ),
  within(
    "src/enter/jail-account-checks.ts",
    "if (inside === name) return passed(`group name",
    "if (true) return passed(`group name",
  ),
  within(
    "src/enter/checks.ts",
    "if (first === undefined) return passed(`${path}",
    "if (unsafe[1] === undefined) return passed(`${path}",
  ),
  within(
    "src/enter/login/in-jail-checks.ts",
    "if (obstacle === undefined) return passed",
    "if (true) return passed",
  ),
  within(
    "src/jail/accounts/separator.ts",
    "return a === b || a === `${b}/` || b === `${a}/`;",
    "return a.startsWith(b);",
  ),
  within(
    "src/enter/checks.ts",
    'if (verdict.outcome !== "passed" && verdict.outcome !== "warned") missing.add(name);',
    "",
  ),
  within(
    "src/enter/checks.ts",
    "verdict = failed(`abort, ${describeError(error)}`, remedy);",
    'verdict = passed("");',
  ),
  {
    file: "src/enter/privileged.ts",
    from: 'if (result.outcome === "passed" || result.outcome === "warned") continue;',
    to: 'if (result.outcome !== "failed") continue;',
    test: "attack/chrootsh.test.ts",
    equivalent:
      "of a login's own process every fact can be told, and a check is skipped only behind one that failed",
  },
  {
    file: "src/enter/privileged.ts",
    from: "throw new Refusal(name, exitStatus, message, shown, remedy);",
    to: "continue;",
    test: "attack/chrootsh.test.ts",
  },
  {
    file: "ffi/rights.ts",
    from: "setCredentials(who ?? own);",
    to: "setCredentials(own);",
    test: "unit/rights.test.ts",
  },
  {
    file: "ffi/rights.ts",
    from: "setCredentials(before ?? own);",
    to: "",
    test: "unit/rights.test.ts",
  },
  {
    file: "src/enter/shell.ts",
    from: 'if (stat.uid !== 0) tell("is not owned by user 0", own);',
    to: "",
    test: "attack/chrootsh.test.ts",
  },
  {
    file: "src/enter/shell.ts",
    from: "if ((stat.mode & 0o020) !== 0) add",
    to: "if ((stat.mode & 0o040) === 0) add",
    test: "attack/chrootsh.test.ts",
  },
  {
    file: "src/enter/shell.ts",
    from: 'if ((stat.mode & 0o002) !== 0) add("is writable for others", "chmod o-w");',
    to: "",
    test: "attack/chrootsh.test.ts",
  },
  {
    file: "src/enter/shell.ts",
    from: "if ((stat.mode & S_ISUID) !== 0)",
    to: "if ((stat.mode & S_ISUID & S_ISGID) !== 0)",
    test: "attack/chrootsh.test.ts",
  },
  {
    file: "src/enter/shell.ts",
    from: "if ((stat.mode & S_ISGID) !== 0)",
    to: "if ((stat.mode & S_ISUID & S_ISGID) !== 0)",
    test: "attack/chrootsh.test.ts",
  },
  {
    file: "src/enter/shell.ts",
    from: 'if (!path.startsWith("/")) return missing("it is not an absolute path");',
    to: "",
    test: "attack/chrootsh.test.ts",
  },
  {
    file: "src/enter/shell.ts",
    from: "if (!isRegular(found.stat)) return",
    to: "if (found.stat.mode === 0) return",
    test: "unit/enter.test.ts",
  },
  {
    file: "src/enter/gather.ts",
    from: "if (text === root.path || text === `${root.path}/`) return",
    to: "if (text.startsWith(root.path)) return",
    test: "unit/enter.test.ts",
  },
  {
    file: "src/enter/login/start-shell.ts",
    from: "    named.add(key);\n",
    to: "",
    test: "unit/enter.test.ts",
  },
  {
    file: "src/enter/login/start-shell.ts",
    from: "!env.includes(key) || ",
    to: "",
    test: "unit/enter.test.ts",
  },
  {
    file: "src/enter/login/start-shell.ts",
    from: "envOnly ? new Map<ByteString, ByteString>() : ",
    to: "",
    test: "unit/enter.test.ts",
  },
  {
    file: "src/enter/login/start-shell.ts",
    from: '!envOnly && !variables.has("PATH")',
    to: '!variables.has("PATH")',
    test: "unit/enter.test.ts",
  },
  {
    file: "src/enter/gather.ts",
    from: "    requireEntry(root);\n",
    to: "",
    test: "e2e/verdicts.test.ts",
    title: "a jail that is root's alone",
  },
  {
    file: "src/system/pam/stack.ts",
    from: "answer.deny ? (state.passedOver ?? answer) : answer",
    to: "answer",
    test: "unit/pam-stack.test.ts",
  },
  {
    file: "src/system/sshd/strict-modes.ts",
    from: "(stat.mode & 0o022) !== 0;",
    to: "(stat.mode & 0o002) !== 0;",
    test: "unit/strict-modes.test.ts",
  },
  {
    file: "src/system/sshd/strict-modes.ts",
    from: "owner !== 0 && owner !== uid",
    to: "owner > uid",
    test: "unit/strict-modes.test.ts",
  },
  {
    file: "src/system/exchange.ts",
    from: "return child?.uid === 0;",
    to: "return true;",
    test: "unit/exchange.test.ts",
  },
  {
    file: "src/system/exchange.ts",
    from: "if (directory.uid !== 0 || (directory.mode",
    to: "if ((directory.mode",
    test: "unit/exchange.test.ts",
  },
  {
    file: "src/system/exchange.ts",
    from: 'if (!onlyRootReplaces(at || "/", above, stat)) return false;',
    to: "",
    test: "unit/exchange.test.ts",
  },
  {
    file: "src/system/shadow.ts",
    from: "expire >= 0 && day >= expire",
    to: "expire >= 0 && day > expire",
    test: "unit/access.test.ts",
  },
  {
    file: "src/users/key-options.ts",
    from: "if (!known.includes(word)) return notAnOption",
    to: "if (false) return notAnOption",
    test: "unit/access.test.ts",
  },
  {
    file: "src/system/scheduled-jobs.ts",
    from: "if (allow !== undefined) return names(allow).includes(user);",
    to: "",
    test: "unit/access.test.ts",
  },
];

import type { Mutant } from "./mutant.ts";
