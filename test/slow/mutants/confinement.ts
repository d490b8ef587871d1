// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the text of the code
/** What the keys confine, read, write and others let a session do. */

const RULESET = "src/confine/ruleset.ts";
const ASKED = "src/confine/asked-rules.ts";
const OTHER = "src/confine/other-rules.ts";
const RULES = "ffi/guard/rules.c";
const IN_FORCE = "src/confine/in-force.ts";
const APPLY = "src/confine/confine.ts";
const SESSION = "src/enter/confine-session.ts";
const SCHEMA = "src/config/schemas/confine.ts";

const session = (file: string, from: string, to: string, title: string): Mutant => ({
  file,
  from,
  to,
  test: "attack/confine.test.ts",
  title,
});
const HANDED = "src/confine/handed-files.ts";
const handed = (file: string, from: string, to: string, title: string): Mutant => ({
  file,
  from,
  to,
  test: "attack/executed-descriptors.test.ts",
  title,
});
const policy = (file: string, from: string, to: string): Mutant => ({
  file,
  from,
  to,
  test: "unit/confine-policy.test.ts",
});

export const CONFINEMENT: readonly Mutant[] = [
  handed(HANDED, '    if (hasNoPath(fd)) return "a file in memory";\n', "", "memfd"),
  handed(HANDED, "return isOnOwnMount(fd) ?", "return fd >= 0 ?", "/srv/j/usr/share/empty"),
  handed(HANDED, "(mode & CAN_EXECUTE) === 0 && keeps", "keeps", "memfd"),
  handed(HANDED, "uid === 0 && (", "(", "memfd-mode"),
  handed(HANDED, "uid === 0 && (keepsOwners(fd) || hasNoPath(fd))", "false", "memfd-mode"),
  handed(HANDED, " && (keepsOwners(fd) || hasNoPath(fd))", "", "fuse"),
  handed(HANDED, "[0, 1, standardError]", "[1, standardError]", "memfd"),
  handed(HANDED, "[0, 1, standardError]", "[0, standardError]", "standard output"),
  handed(HANDED, "[0, 1, standardError]", "[0, 1, 2]", "standard error"),
  handed(HANDED, "& F_SEAL_EXEC) !== 0", "& F_SEAL_EXEC) >= 0", "memfd-mode"),
  handed(HANDED, "seals >= 0 && ", "", "late"),
  handed(
    SESSION,
    'confinement.execute === "any" ? undefined',
    'confinement.execute !== "any" ? undefined',
    "memfd",
  ),
  handed("src/enter/session.ts", "  looseFile();\n", "", "jk_uchroot"),
  handed("src/enter/launch/launch.ts", "  looseFile();\n", "", "jk_chrootlaunch"),
  handed(
    "ffi/guard/descriptors.c",
    "MFD_ALLOW_SEALING | NOEXEC_SEAL);",
    "MFD_ALLOW_SEALING);",
    "without /dev/null",
  ),
  session(
    ASKED,
    "const READ: number = L.READ_FILE | L.READ_DIR;",
    "const READ: number = L.READ_FILE;",
    "jk_lsh read = /srv/u",
  ),
  session(RULESET, 'if (read !== "all") files |= READ;', "", "jk_lsh read = none"),
  session(RULESET, "    files |= WRITE;\n", "", "jk_lsh write = none"),
  session(ASKED, "const WRITE: number = L.WRITE_FILE | ", "const WRITE: number = ", "jk_lsh write = none"),
  session(ASKED, "L.MAKE_REG | ", "", "jk_lsh write = none"),
  session(ASKED, "L.REMOVE_FILE | ", "", "jk_lsh write = ~/in"),
  session(ASKED, " | L.MAKE_SYM;", ";", "jk_lsh write = ~/in"),
  session(ASKED, "READ | WRITE | L.REFER | L.TRUNCATE", "READ | WRITE | L.TRUNCATE", "jk_lsh write = ~/in"),
  session(ASKED, "READ | WRITE | L.REFER", "WRITE | L.REFER", "jk_lsh read and write of one file"),
  session(ASKED, "    text += SYSTEM.text;\n    count += SYSTEM.count;\n", "", "jk_lsh read = none"),
  session(
    RULES,
    "!= S_IFDIR) allowed &= FILE_RIGHTS;",
    "!= S_IFDIR) allowed &= ~0;",
    "jk_lsh read and write of one file",
  ),
  session(ASKED, "add(`${NAMED}I`, write);", "", "jk_lsh write = ~/in"),
  session(RULESET, "names, isAll, filters);\n  if", "names, true, filters);\n  if", "jk_lsh read = /srv/u"),
  session(
    RULES,
    "return error == -EACCES || error == -ENOENT ? 0 : -EPERM;",
    "return 0;",
    "jk_chrootsh .*did not set",
  ),
  session(RULES, "is_proved && !can_prove()", "0", "jk_uchroot .*did not set"),
  session(IN_FORCE, "if (!isRefused) throw", "if (false) throw", "jk_uchroot .*did not set"),
  session(
    RULESET,
    "version, withoutRule, filtered: applyFilters(filters) };",
    "version, withoutRule, filtered: true };",
    "jk_lsh execute = system, /srv",
  ),
  session(
    RULESET,
    "withoutRule: NOTHING, filtered: applyFilters(filters)",
    "withoutRule: NOTHING, filtered: true",
    "jk_chrootsh network = none",
  ),
  session(
    RULES,
    "if (!error && is_proved) rules->filtered = install_filters(rules->filters);",
    "",
    "jk_lsh execute = system$",
  ),
  session(
    APPLY,
    'filtered && (confinement.syscalls === "login" || refuseTerminalInput())',
    "filtered",
    "jk_lsh read = none",
  ),
  session(ASKED, "add(`${NAMED}H`, ", "add(`${NAMED}I`, ", "jk_lsh read = none"),
  session(ASKED, "add(`${NAMED}D`, read)", "add(`${NAMED}I`, read)", "jk_lsh read and write of two files"),
  ...[
    ["ffi/guard/filters.c", "return done(sys3(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));"],
    [RULES, "i64 error = done(sys2(SYS_landlock_restrict_self, rules->ruleset, 0));"],
  ].map(([file = "", from = ""]) => ({
    file,
    from,
    to: from.replace("done", ""),
    test: "attack/confine-kernels.test.ts",
    title: "jk_lsh .*makes no sense",
  })),
  {
    file: "ffi/landlock-names.ts",
    from: 'if (result < 0) throw new SystemError(-result, "prctl(PR_SET_SECCOMP)", undefined);',
    to: "",
    test: "attack/confine-kernels.test.ts",
    title: "jk_lsh .*refuses the filters",
  },
  session(RULES, "RESOLVE_NO_SYMLINKS | ", "", "that a user made a symbolic link of is none"),
  session(ASKED, "add(`${PORT}J`, tcpConnect)", "void 0", "jk_lsh tcp_connect"),
  session(RULES, "rule.port = 10 * rule.port + (u64)(*number - '0');", "rule.port = 443;", "jk_lsh tcp_bind"),
  session(
    "src/confine/named-file.ts",
    "C.RESOLVE_NO_SYMLINKS | ",
    "",
    "that a user made a symbolic link of is none",
  ),
  session(
    "src/confine/named-file.ts",
    "if (isFixed(path, base)) return opened;",
    "return opened;",
    "of read that a session exchanges is none",
  ),
  session(
    OTHER,
    "= allowReading(this.ruleset, this.root, path, open);",
    "= undefined;",
    "can exchange does not",
  ),
  session(OTHER, 'write === "all" ? openFixed : openNamed;', "openNamed;", "can exchange does not start"),
  session(RULES, "if (!is_of_system(path)) return -EPERM;", "", "can exchange does not start"),
  session(
    ASKED,
    "EXECUTED, L.EXECUTE, 0,",
    "EXECUTED, L.EXECUTE | L.READ_FILE, 0,",
    "nobody may read what it leads to",
  ),
  {
    file: "src/confine/named-file.ts",
    from: " && !isInSharedDirectory(real)",
    to: "",
    test: "unit/named-file.test.ts",
  },
  {
    file: SESSION,
    from: "if (confinement.require) {",
    to: "if (false) {",
    test: "attack/confine-kernels.test.ts",
    title: "jk_lsh (?:standalone |package )?a kernel without Landlock",
  },
  {
    file: "src/enter/procmail/procmail.ts",
    from: "const KEEPS_MAIL = [NOT_FILTERED, NOT_CONFINED];",
    to: "const KEEPS_MAIL = [NOT_FILTERED];",
    test: "attack/confine-kernels.test.ts",
    title: "jk_procmailwrapper (?:standalone |package )?a kernel without Landlock",
  },
  session(
    SESSION,
    "if (!areTold(missing, told))",
    "if (true)",
    "jk_lsh in jk_chrootsh: what the kernel lacks",
  ),
  session(
    "src/enter/login/chrootsh.ts",
    "confineSession(confinement, { log, program: shell.path })",
    "[]",
    "jk_chrootsh read = none",
  ),
  session(
    "src/enter/procmail/procmail.ts",
    "confineSession(confinement, { log, program: PROCMAIL });",
    "",
    "jk_procmailwrapper read = none",
  ),
  session(
    "src/enter/uchroot/uchroot.ts",
    "  confineSession(confinement, { log });\n",
    "",
    "jk_uchroot read = none",
  ),
  session(
    "src/enter/launch/launch.ts",
    "  confineSession(confinement, { log: { write: notify }, program: fromRoot(program) });\n",
    "",
    "jk_chrootlaunch read = none",
  ),
  {
    file: "src/enter/uchroot/uchroot.ts",
    from: "settings.noNewPrivs ?? !settings.allowSetuid",
    to: "settings.noNewPrivs",
    test: "attack/uchroot.test.ts",
    title: "unless allow_setuid is set",
  },
  session(
    "src/enter/settings.ts",
    "if (problem !== undefined) values",
    "if (false) values",
    "contradictions",
  ),
  session(
    "src/enter/limited/limited.ts",
    "if (contradiction !== undefined) problems",
    "if (false) problems",
    "contradictions",
  ),
  policy(RULESET, "if (version < L.WITH_FILES) return { files: 0, ports: 0, scopes: 0 };", ""),
  policy(RULESET, "if (version >= L.WITH_TRUNCATE) ", ""),
  policy(RULESET, "if (version >= L.WITH_DEVICE_IOCTL) ", ""),
  policy(RULESET, "if (version >= L.WITH_PORTS) {", "{"),
  policy(RULESET, "version >= L.WITH_SCOPES && scope", "scope"),
  policy(RULESET, "version >= L.WITH_SCOPES && scope", "version >= L.WITH_SCOPES"),
  policy(APPLY, 'if (syscalls === "login") filters |= SESSION_FILTERS.login;', ""),
  policy(APPLY, 'if (network === "local") filters', 'if (network === "none") filters'),
  policy(
    APPLY,
    'if (tcpConnect !== "all" || tcpBind !== "all") filters',
    'if (tcpConnect !== "all") filters',
  ),
  policy(APPLY, 'if (execute !== "any") filters |= SESSION_FILTERS.execute;', ""),
  ...[
    ["src/explain/programs/execute.ts", "&& canLimitServers();", "&& canLimitExecution();"],
    ["src/lint/execute.ts", "view?.limitsServers === true", "view !== undefined"],
    ["src/confine/execute.ts", "canLimitExecution() && hasFilters();", "canLimitExecution();"],
  ].map(([file = "", from = "", to = ""]) => ({
    file,
    from,
    to,
    test: "e2e/execute.test.ts",
    title: "is limited by a filter",
  })),
  policy("src/confine/features.ts", '    ask("execute (programs in memory)");\n', ""),
  policy("src/confine/features.ts", '    ask("tcp_bind (other protocols)");\n', ""),
  policy(
    "src/known-programs/allow/places.ts",
    'path.startsWith("~") && home.startsWith("/")',
    'path.startsWith("~")',
  ),
  policy("src/confine/policy.ts", "confine === undefined ? byDefault :", "confine === undefined ? false :"),
  policy("src/confine/policy.ts", " || needsNoNewPrivs(confinement)", ""),
  policy(SCHEMA, 'if (given(values.write)) return "write";', ""),
  policy(SESSION, "limit.value < before.value", "limit.value > before.value"),
  policy("src/config/confine-values.ts", ' || name === ".."', ""),
  policy("src/config/values.ts", 'if (value === "" && key.filled)', 'if (value === "" && false)'),
];

import type { Mutant } from "./mutant.ts";
