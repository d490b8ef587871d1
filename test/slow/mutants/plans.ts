// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the text of the code
/** What jk_init takes from an earlier plan: nothing but root's own, for a host that is as it was. */

import type { Mutant } from "./mutant.ts";

type Change = readonly [from: string, to: string, equivalent?: string];

const within = (file: string, test: string, changes: readonly Change[], title?: string): Mutant[] =>
  changes.map(([from, to, equivalent]) => ({
    ...{ file, from, to, test },
    ...(title === undefined ? {} : { title }),
    ...(equivalent === undefined ? {} : { equivalent }),
  }));

const CACHE = "src/populate/plan-cache/plan-cache.ts";
const TRACE = "src/populate/plan-cache/trace.ts";
const UNIT = "unit/plan-cache.test.ts";
const MACHINE = "e2e/plan-cache.test.ts";

export const PLANS: readonly Mutant[] = [
  ...within(CACHE, UNIT, [
    [
      "JSON.stringify([VERSION, boot, nativeProcessor(), question.wants])",
      "JSON.stringify([VERSION, nativeProcessor(), question.wants])",
    ],
    [
      "JSON.stringify([VERSION, boot, nativeProcessor(), question.wants])",
      "JSON.stringify([VERSION, boot, nativeProcessor()])",
    ],
    ["    trace.saw(SELF, true, question.host.stat(SELF));\n", ""],
    ['this.#boot === "" || ', ""],
    ["!isKept(plan) || ", ""],
    [" || this.#clockWasSet()) return undefined;", ") return undefined;"],
    ["Math.abs(this.#clock() - expected)", "this.#clock() - expected"],
    ["Math.abs(this.#clock() - expected)", "expected - this.#clock()"],
    ["if (plan === this.#used && before?.isStored !== false) return;", ""],
    [" || seen.state.newest >= this.#started - SETTLED) return undefined;", ") return undefined;"],
    ["this.#started - SETTLED", "this.#started + 1e9"],
    ["started = performance.timeOrigin / 1000", "started = Infinity"],
    ["now.devices === devices && now.setuid === setuid", "now.devices === devices"],
    ["now.devices === devices && now.setuid === setuid", "now.setuid === setuid"],
    ["if (!isWithheld) return undefined;", ""],
    ["if (hostStateOf(watched).digest !== head.digest) return undefined;", ""],
    ["stat === undefined || isOfJail(stat)", "stat === undefined"],
    ["problems.length === 0 && ", ""],
    ["unsafe === undefined && ", ""],
    ["leftOut.size === 0 && ", ""],
    [" && !dependsOnJail;", ";"],
    ["    if (plan.entries.length < WORTHWHILE) return;\n", ""],
    ['untrusted === undefined || type === "device"', "true"],
    ['untrusted === undefined || type === "device"', "untrusted === undefined"],
    ["mode: 0o600", "mode: 0o644"],
    ["root === undefined || ", ""],
  ]),
  ...within(
    CACHE,
    MACHINE,
    [
      ["if (fromBytes(bytes, 0, start) !== `${sha256(content)}\\n`) return undefined;", ""],
      ["uid === libc.geteuid() && (mode & 0o022) === 0", "(mode & 0o022) === 0"],
      ["uid === libc.geteuid() && (mode & 0o022) === 0", "uid === libc.geteuid()"],
      ["(mode & 0o022) === 0", "(mode & 0o002) === 0"],
      ["(mode & 0o022) === 0", "(mode & 0o020) === 0"],
      ["if (!registryExists(tree, this.#directory)) return undefined;", ""],
      ["{ follow: false },", "{ follow: true },"],
    ],
    "a plan that is not jk_init's",
  ),
  ...within(
    CACHE,
    MACHINE,
    [
      ["files.slice(MOST_PLANS - 1)", "files.slice(MOST_PLANS)"],
      ["Number(b.mtime - a.mtime)", "Number(a.mtime - b.mtime)"],
      ["attempt(() => removeOwn(tree, path))", "removeOwn(tree, path)"],
    ],
    "the newest eight plans",
  ),
  ...within(
    CACHE,
    MACHINE,
    [
      ["return isEmptyDirectory(root.fd) ? plans : undefined;", "return plans;"],
      ["live.length > 0 || ", ""],
    ],
    "uses no plan",
  ),
  ...within(
    "src/populate/populate.ts",
    MACHINE,
    [
      ["force ? undefined : options.planCache", "options.planCache"],
      ["cacheFor(copies, live, plans)", "cacheFor(root, live, plans)"],
    ],
    "uses no plan",
  ),
  ...within(
    "src/tools/jk_init.ts",
    MACHINE,
    [["other === undefined ? new PlanCache(trace, question) : undefined", "new PlanCache(trace, question)"]],
    "uses no plan",
  ),
  ...within(
    "src/populate/plan-cache/trace.ts",
    MACHINE,
    [['  attempt(() => host.list(dropInDirectory(file) ?? ""));\n', ""]],
    "a change of the host .*interpreter has",
  ),
  ...within("src/populate/plan/planner.ts", UNIT, [
    ["      this.draft.dependsOnJail ||= this.context.leadsToJail(stat) !== undefined;\n", ""],
    ["    this.draft.trees.add(path);\n", ""],
  ]),
  ...within(TRACE, UNIT, [
    ["{ follow: false, listed: false },", "{ follow: true, listed: false },"],
    ["{ follow: true, listed: false },", "{ follow: false, listed: false },"],
    ["{ follow: false, listed: true },", "{ follow: false, listed: false },"],
    ["{ follow: true, listed: true },", "{ follow: true, listed: false },"],
    ["if (listed) this.#listed.add(path);", ""],
    ["if (this.#listed.has(path) !== listed) continue;", ""],
    [
      'if (before === "some") all.set(path, found);',
      'if (before === "some" || found !== "some") all.set(path, found);',
    ],
    ["this.#changed ||= !isSame(before, found);", "this.#changed ||= false;"],
    [
      "this.#changed ||= devices !== found.devices || setuid !== found.setuid;",
      "this.#changed ||= setuid !== found.setuid;",
    ],
    [
      "this.#changed ||= devices !== found.devices || setuid !== found.setuid;",
      "this.#changed ||= devices !== found.devices;",
    ],
    ['path.includes("\\0") || ', ""],
    [' || !path.startsWith("/")', ""],
    ["if (this.#changed) return undefined;", ""],
    ["if (![...devices.values()].every(keepsTimesAt)) return undefined;", ""],
    ["statWords(seen, listed, words, at)", "statWords(seen, true, words, at)"],
    ["statWords(seen, listed, words, at)", "statWords(seen, false, words, at)"],
    ["statAll(cString(path), look, words, at)", "0"],
    ["newest = Math.max(newest, changed);", ""],
    ["  ...[stat.mode, stat.uid", "  ...[stat.uid"],
    ["  ...[stat.devMajor, stat.devMinor, stat.rdevMajor, stat.rdevMinor],\n", ""],
    ["      trace.saw(path, false, stat);\n      return stat;", "      return stat;"],
    ["      trace.saw(path, true, stat);\n      return stat;", "      return stat;"],
    ['trace.saw(path, follow, "some", true);', 'trace.saw(path, follow, "some");'],
    ["trace.sawMount(path, found);", ""],
    ['trace.saw(path, false, "some");', ""],
    ["trace.saw(path, true, host.stat(path), true);\n      return host.names", "return host.names"],
    ["trace.saw(path, true, host.stat(path), true);\n      const found", "const found"],
    ["for (const one of found) trace.saw(one.path, false, one.stat);", ""],
  ]),
  ...within("src/system/mounts.ts", UNIT, [["return KEEPS_TIMES.has(fileSystemType(fd));", "return true;"]]),
  ...within("ffi/stat-all.ts", UNIT, [
    ["if (!timesCount(mode, listed)) return 0;", ""],
    ["  into[at + 10] = stat.size / 0x100000000;\n", ""],
    ["  into[at + 11] = stat.ctimeSeconds;\n", ""],
    ["  into[at + 12] = stat.ctimeNanoseconds;\n", ""],
    ["return stat.ctimeSeconds;", "return 0;"],
    ["(listed || type === S_IFREG || type === S_IFLNK)", "(type === S_IFREG || type === S_IFLNK)"],
    ["(listed || type === S_IFREG || type === S_IFLNK)", "(listed || type === S_IFLNK)"],
    ["(listed || type === S_IFREG || type === S_IFLNK)", "(listed || type === S_IFREG)"],
    ["mode !== 0 && (listed", "(listed"],
    ["found ? mode : failure()", "found ? mode : 0"],
    ["number === ENOENT || number === ENOTDIR ? 0", "number === ENOENT ? 0"],
    ["into[to++] = found ? (from[word] ?? 0) : 0;", "into[to++] = 0;"],
    ["into[to++] = changes ? (from[word] ?? 0) : 0;", "into[to++] = 0;"],
    ["if (changes) newest =", "if (found) newest ="],
    ["follow ? 0 : AT_SYMLINK_NOFOLLOW", "0"],
    ["follow ? 0 : AT_SYMLINK_NOFOLLOW", "AT_SYMLINK_NOFOLLOW"],
    ["const IDENTITY = [5, 6, 8,", "const IDENTITY = [6, 5, 8,"],
    ["const CONTENT = [10, 11, 24, 26,", "const CONTENT = [10, 11, 10, 10,"],
  ]),
  ...within("src/libraries/root-view.ts", UNIT, [
    ["      this.watch?.(path, follow, undefined, listed);\n", ""],
    ["      this.watch?.(path, follow, stat, listed);\n", ""],
    ["(flags & C.O_NOFOLLOW) === 0;", "true;"],
    ["(flags & (C.O_DIRECTORY | C.O_PATH)) === C.O_DIRECTORY;", "false;"],
  ]),
];
