// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the text of the code
/** What a session may do: which programs it executes, and what it types into a terminal. */

const terminal = (file: string, from: string, to: string, title: string): Mutant => ({
  file,
  from,
  to,
  test: "attack/terminal.test.ts",
  title,
});
const execute = (file: string, from: string, to: string, title: string): Mutant => ({
  file,
  from,
  to,
  test: "attack/lsh-execute.test.ts",
  title,
});
const once = (from: string, to: string): Mutant => ({
  file: "src/confine/calls.ts",
  from,
  to,
  test: "unit/confine.test.ts",
});
const server = (file: string, from: string, to: string, title: string): Mutant => ({
  file,
  from,
  to,
  test: "attack/lsh-execute.test.ts",
  title: `a known server .*${title}`,
});
const limits = (file: string, from: string, to: string, title: string): Mutant => ({
  file,
  from,
  to,
  test: "attack/session-limits.test.ts",
  title,
});
// The groups of a test are in either order.
const HAS = "(?:package )?has these limits";
const DIRECTORIES = "src/confine/directories.ts";
const EXECUTE = "src/confine/execute.ts";
const RULESET = "src/confine/ruleset.ts";
const ASKED = "src/confine/asked-rules.ts";
const OTHER = "src/confine/other-rules.ts";
const APPLY = "src/confine/confine.ts";
const RULES = "ffi/guard/rules.c";

export const CONFINE: readonly Mutant[] = [
  ...FILTERS,
  terminal(
    "src/confine/calls.ts",
    "if (same && stat.uid === uid) return false;",
    "if (same) return false;",
    "through su",
  ),
  terminal("src/enter/session.ts", "if (noNewPrivs || terminalOfOthers)", "if (noNewPrivs)", "through su"),
  terminal("src/enter/session.ts", "  if (terminalOfOthers) guardTerminal(log);\n", "", "through su"),
  terminal("src/enter/session.ts", "!noNewPrivs && hasTerminalOfOthers(ids.uid);", "false;", "through su"),
  terminal(
    "src/enter/session.ts",
    "  const refused = step(",
    "  const refused = true || step(",
    "through su",
  ),
  terminal(
    "src/enter/launch/launch.ts",
    '  step("terminal", 39, () => guardTerminal(notify));\n',
    "",
    "as a user",
  ),
  terminal(APPLY, " || refuseTerminalInput());", " || true);", "outside a jail"),
  execute(
    DIRECTORIES,
    "if (onlyRootWrites(stat)) return undefined;",
    "if (onlyRootWrites({ ...stat, uid: 0 })) return undefined;",
    "are left out",
  ),
  execute(
    DIRECTORIES,
    "if (onlyRootWrites(stat)) return undefined;",
    "if (onlyRootWrites({ ...stat, mode: stat.mode & ~0o020 })) return undefined;",
    "are left out",
  ),
  execute(DIRECTORIES, "C.O_DIRECTORY | C.O_NOFOLLOW |", "C.O_DIRECTORY |", "are left out"),
  execute(
    DIRECTORIES,
    "    here += `/${name}`;\n    why = unsafe(fd, here, basicFstat(fd));\n",
    "",
    "are left out",
  ),
  execute(
    DIRECTORIES,
    "if (sameInode(one, stat)) return { why: `the home",
    "if (false) return { why: `the home",
    "home is in them",
  ),
  execute(RULESET, 'if (execute !== "any") files |= L.EXECUTE;', "", "is not executed"),
  execute(RULESET, "files |= L.REFER | L.MAKE_BLOCK", "files |= L.MAKE_BLOCK", "still works"),
  execute(
    ASKED,
    'if (write === "all") add(`${NAMED}H`, ["/"]);',
    'if (write === "all") void 0;',
    "still works",
  ),
  execute(
    RULES,
    "i64 error = done(sys2(SYS_landlock_restrict_self, rules->ruleset, 0));",
    "i64 error = 0;",
    "still works",
  ),
  execute(RULES, "if (!error && is_proved) error = prove();", "", "and did not"),
  execute(ASKED, "add(`${PROGRAM}B`, programs);", "", "still works"),
  execute(ASKED, "add(`${PROGRAM}B`, programs);", "add(`${PROGRAM}C`, programs);", "the push works"),
  execute(ASKED, "${HOME}A${execute.home}", "${ROOT}C", "of the system"),
  execute(EXECUTE, "if (error !== 0 && !isMissing(error)) left.push(name);", "void error;", "of the system"),
  execute(RULES, "stat->stx_uid == 0 && ", "", "of the system"),
  execute(RULES, "OTHERS_WRITE = 022", "OTHERS_WRITE = 02", "of the system"),
  execute(RULES, "O_PATH | O_NOFOLLOW | O_CLOEXEC | flags", "O_PATH | O_CLOEXEC | flags", "of the system"),
  execute(
    RULES,
    "if (is_same(&homes->each[i], &stat)) error = -EPERM;",
    "if (0) error = -EPERM;",
    "of the system, too",
  ),
  execute(
    RULES,
    "homes->count = only_root_writes(homes->each) ? 0",
    "homes->count = 1 ? 0",
    "of the system, too",
  ),
  execute(
    RULES,
    "if (!error && !only_root_writes(stat)) error = -EPERM;",
    "",
    "puts a directory of root's in its place",
  ),
  execute(
    RULES,
    "open_path(root, path, 1, stat);",
    "open_path(root, path, 0, stat);",
    "puts a link in its place",
  ),
  execute(RULES, "if (fd < 0) return fd;\n  for", "if (fd < 0) return 0;\n  for", "locks it"),
  execute(
    RULES,
    "while (end > path && *--end != '/') continue;",
    "end = end > path + 1 ? path + 1 : path;",
    "removes the home",
  ),
  execute(
    DIRECTORIES,
    "    if (onlyRootWrites(stat)) return;\n    for (const above of way)",
    "    if (onlyRootWrites(stat)) return;\n    for (const above of way.slice(-1))",
    "also if the home .* locks it",
  ),
  execute(DIRECTORIES, "++links <= C.MOST_LINKS ? readLink", "false ? readLink", "locks it, where a link"),
  execute(DIRECTORIES, 'if (target.startsWith("/")) leaveTo(1);', "", "locks it, where a link"),
  execute(DIRECTORIES, "leaveTo(Math.max(1, way.length - 1));", "", "locks it, where a link"),
  execute(OTHER, "if (!isOfThePath(error)) throw", "if (!isMissing(error)) throw", "cannot be opened"),
  execute(
    EXECUTE,
    "attempt(() => basicStat(C.AT_FDCWD, path));",
    "basicStat(C.AT_FDCWD, path);",
    "cannot be opened",
  ),
  execute(
    RULES,
    "enter(here, here, name + 2, homes != 0);",
    "enter(here, here, name + 2, 0);",
    "of the system",
  ),
  execute(RULES, "if (fd != -ELOOP) return fd < 0 ? fd : 0;", "return 0;", "still works"),
  execute(RULES, "error || !is_same(&stat, &other) ? -EPERM : 0", "0", "still works"),
  execute(
    "ffi/landlock.ts",
    'if (isErrno(error, "ENOSYS", "EOPNOTSUPP")) return 0;',
    "return 0;",
    "refuses to say",
  ),
  execute(
    "src/enter/limited/run.ts",
    "    confineSession(confinement, { log, program: path, told });\n",
    "",
    "a static program is not",
  ),
  execute("src/enter/limited/execution.ts", 'execute === "any" ? "any"', 'true ? "any"', "a script is not"),
  once("[LOAD, 0, 0, ARCH],\n    [EQUAL, 0, 10", "[LOAD, 0, 0, NUMBER],\n    [EQUAL, 0, 10"),
  once("[EQUAL, 0, 10, ARCHITECTURE],", "[EQUAL, 0, 13, ARCHITECTURE],"),
  once("~X32 >>> 0],\n    [EQUAL, 11, 0", "0xffffffff],\n    [EQUAL, 11, 0"),
  once("[EQUAL, 11, 0, SYS_execveat],", "[EQUAL, 10, 0, SYS_execveat],"),
  once("[EQUAL, 10, 0, X32_EXECVEAT],", "[EQUAL, 9, 0, X32_EXECVEAT],"),
  once("[EQUAL, 1, 0, SYS_execve],", "[EQUAL, 8, 0, SYS_execve],"),
  once("[EQUAL, 8, 7, X32_EXECVE],", "[EQUAL, 7, 7, X32_EXECVE],"),
  once("[EQUAL, 8, 7, X32_EXECVE],", "[EQUAL, 8, 8, X32_EXECVE],"),
  once("argumentAt(0)],\n    [EQUAL, 0, 6, low],", "argumentAt(1)],\n    [EQUAL, 0, 6, low],"),
  once("[EQUAL, 0, 6, low],", "[EQUAL, 0, 0, low],"),
  once("argumentAt(0) + 4]", "argumentAt(0)]"),
  once("[EQUAL, 3, 4, high],", "[EQUAL, 3, 3, high],"),
  once("[EQUAL, 2, 0, COMPAT_EXECVE],", "[EQUAL, 1, 0, COMPAT_EXECVE],"),
  once("[EQUAL, 1, 0, COMPAT_EXECVEAT],", "[EQUAL, 0, 0, COMPAT_EXECVEAT],"),
  once("Math.floor(path / 2 ** 32)]", "0]"),
  once("arm ? 221 : 59;", "arm ? 222 : 63;"),
  once("arm ? 281 : 322;", "arm ? 280 : 321;"),
  once("const COMPAT_EXECVE = 11;", "const COMPAT_EXECVE = 10;"),
  once("arm ? 387 : 358;", "arm ? 386 : 357;"),
  once("arm ? SYS_execve : 520;", "arm ? SYS_execve : 519;"),
  once("arm ? SYS_execveat : 545;", "arm ? SYS_execveat : 544;"),
  once("failWith(EACCES),", "failWith(1),"),
  {
    file: "ffi/seccomp.ts",
    from: "error.errno === EINVAL && !hasFilters()",
    to: "error.errno === EINVAL",
    test: "unit/confine.test.ts",
    title: "does not take",
  },
  once("if (!installFilter(filter)) return false;", "installFilter(filter);"),
  once("if (!installFilter(filter)) return false;", "if (!installFilter(filter)) return true;"),
  once("if (isRefused()) return true;", "return true;"),
  once(" && errno() === EACCES;", ";"),
  server(
    "src/enter/limited/run.ts",
    "forbidExecution(address)) return;",
    "address > 0) return;",
    "in a jail$",
  ),
  server(
    "src/enter/limited/run.ts",
    "if (starts === undefined || starts",
    "if (starts?.length !== 1 || starts",
    "in a jail$",
  ),
  server(
    "src/enter/limited/run.ts",
    "if (starts === undefined || starts.length",
    "if (starts && starts.length",
    "leaves to others",
  ),
  server(
    "src/enter/limited/run.ts",
    "(address) => confineLast(plan, address, log)",
    "() => {}",
    "in a jail$",
  ),
  server(
    "src/enter/limited/run.ts",
    "execve(path, argv, envp, { standardOnly: true, ...options })",
    "execve(path, argv, envp, { ...options, standardOnly: true, last: () => {} })",
    "outside$",
  ),
  server(
    "src/enter/login/chrootsh.ts",
    "{ ...options, limits: bothLimits",
    "{ limits: bothLimits",
    "in a jail$",
  ),
  limits("src/enter/login/chrootsh.ts", "argv, envp, { limits });", "argv, envp);", `jk_chrootsh ${HAS}`),
  limits(
    "src/enter/login/chrootsh.ts",
    "limits: bothLimits(limits, options.limits) }",
    "limits: options.limits }",
    `jk_lsh in jk_chrootsh, by the settings of jk_chrootsh ${HAS}`,
  ),
  limits(
    "src/enter/login/chrootsh.ts",
    "limits: bothLimits(limits, options.limits) }",
    "limits }",
    `jk_lsh in jk_chrootsh ${HAS}`,
  ),
  limits(
    "src/enter/limited/run.ts",
    "execute(path, argv, environment, { limits, last",
    "execute(path, argv, environment, { limits: [], last",
    `jk_lsh ${HAS}`,
  ),
  limits(
    "src/enter/confine-session.ts",
    "before === undefined || limit.value < before.value",
    "before === undefined || limit.value > before.value",
    "package the lower of two sections counts",
  ),
  limits(
    "ffi/guard/exec.c",
    '  if (lowering && lowering->failure_pipe >= 0) sys3(SYS_write, lowering->failure_pipe, "", 1);\n',
    "",
    "package a program with a pidfile",
  ),
  limits(
    "src/enter/launch/launch.ts",
    "{ standardOnly: true, limits, failurePipe }",
    "{ standardOnly: true, failurePipe }",
    "package a program with a pidfile",
  ),
  limits("src/enter/uchroot/uchroot.ts", "      limits,\n", "", `jk_uchroot ${HAS}`),
  limits(
    "src/enter/launch/launch.ts",
    "if (writer === undefined) return execve(program, argv, environment(), { standardOnly: true, limits });",
    "if (writer === undefined) return execve(program, argv, environment(), { standardOnly: true });",
    `jk_chrootlaunch ${HAS}`,
  ),
  limits(
    "src/enter/launch/launch.ts",
    "devNull: nothing, writer, limits }",
    "devNull: nothing, writer, limits: [] }",
    "package a daemon has them",
  ),
  server("ffi/guard.ts", "  last?.(prepared.path);\n", "", "in a jail$"),
];

import { FILTERS } from "./filters.ts";
import type { Mutant } from "./mutant.ts";
