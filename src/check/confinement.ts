import type { ByteString } from "../../ffi/bytes.ts";
import { attempt } from "../../ffi/error.ts";
import { landlockVersion, WITH_FILES } from "../../ffi/landlock.ts";
import { hasFilters } from "../../ffi/seccomp.ts";
import { display } from "../cli/display.ts";
import { answered, describeError, isReported } from "../cli/error.ts";
import { readKeys } from "../config/keys.ts";
import { CONFIG_DIRECTORY, loadConfig, requireNoErrors } from "../config/load.ts";
import { findEntry, type IniFile, type IniSection } from "../config/model.ts";
import { chrootshKeys } from "../config/schemas/chrootsh.ts";
import type { ConfineValues } from "../config/schemas/confine.ts";
import { lshKeys } from "../config/schemas/lsh.ts";
import { confinementOf, executeOf, isOn } from "../confine/policy.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import { type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import type { HostAccounts } from "../system/host-accounts.ts";
import { isLimitedShell } from "../users/access.ts";
import { readPolicies } from "../users/policy.ts";
import { hostSection } from "./account-files.ts";
import type { CheckFinding, CheckProblem } from "./rules.ts";

const CHROOTSH_FILE = `${CONFIG_DIRECTORY}/jk_chrootsh.ini`;
// In one message.
const MOST_USERS = 3;

/** What a kernel can do for a session. */
export interface KernelFeatures {
  readonly landlock: number;
  readonly filters: boolean;
}

/** What this kernel can do; what it does not tell, it cannot do. */
export const kernelFeatures = (): KernelFeatures => ({
  landlock: attempt(landlockVersion) ?? 0,
  filters: hasFilters(),
});

/** A key that leaves sessions unconfined. */
type Weak = "confine" | "execute" | "syscalls";

const REMEDIES: Readonly<Record<Weak, ByteString>> = {
  confine: "confine = 1",
  execute: "execute = system",
  syscalls: "syscalls = login",
};

const effective = (values: ConfineValues, byDefault: boolean) =>
  confinementOf(values, byDefault, executeOf(values, byDefault, [], "/"), "/");

/** The keys that turn off what `confine = 1` brings and this kernel can do; with `confine` itself, where it is off. */
function weakKeys(values: ConfineValues, byDefault: boolean, { landlock, filters }: KernelFeatures): Weak[] {
  const { execute, syscalls } = effective(values, byDefault);
  const noExecute = execute === "any" && landlock >= WITH_FILES;
  const noSyscalls = syscalls === "any" && filters;
  if (!noExecute && !noSyscalls) return [];
  return [
    ...(isOn(values, byDefault) ? [] : (["confine"] as const)),
    ...(noExecute && values.execute === "any" ? (["execute"] as const) : []),
    ...(noSyscalls && values.syscalls === "any" ? (["syscalls"] as const) : []),
  ];
}

/** Those of a section of jk_lsh.ini, where confinement is the default. Pure. */
export const weakInLsh = (values: ConfineValues, kernel: KernelFeatures): Weak[] =>
  // There, `confine = 0` does not turn off execute = system: see executeLimits.
  weakKeys({ ...values, execute: values.execute ?? [] }, true, kernel);

/** Those of a section of jk_chrootsh.ini; none if it confines by more than no_new_privs and limits. Pure. */
export function weakInChrootsh(values: ConfineValues, kernel: KernelFeatures): Weak[] {
  // All else sets it, whatever its key says.
  const { noNewPrivs } = effective({ ...values, noNewPrivs: false }, false);
  return noNewPrivs ? [] : weakKeys(values, false, kernel);
}

/** The lines that confine a section; undefined if its name cannot be typed. */
function remedyFor(
  section: IniSection,
  weak: readonly Weak[],
  values: ConfineValues,
): ByteString | undefined {
  const { name, file } = section;
  if (display(name) !== name || display(file) !== file) return undefined;
  const lines = weak.map((key) => REMEDIES[key]);
  // They contradict it.
  if (values.noNewPrivs === false) lines.push("no_new_privs = 1");
  return `in section [${name}] of ${file} write:\n${lines.join("\n")}`;
}

/** A finding about the keys of a section. `whose`: the subject of its message, in the plural. */
function sectionFinding(
  section: IniSection,
  weak: readonly Weak[],
  values: ConfineValues,
  whose: string,
): CheckFinding {
  const [first = "confine"] = weak;
  const { file, line } = findEntry(section, first) ?? section;
  const because = weak.map((key) => {
    const entry = findEntry(section, key);
    return `${key} is ${entry === undefined ? "missing" : `'${display(entry.value)}'`}`;
  });
  const where = `in section [${display(section.name)}] ${because.join(" and ")}`;
  const message = `${display(file)}:${line}: the kernel could confine ${whose}, and does not: ${where}`;
  return { rule: "not-confined", path: file, message, remedy: remedyFor(section, weak, values) };
}

/** Findings about the sections of a jail's jk_lsh.ini. Throws JailkitError if the file cannot be used. */
export function limitedFindings(root: JailRoot, kernel: KernelFeatures): CheckFinding[] {
  const named = new Set<ByteString>();
  return readPolicies(root).ini.sections.flatMap((section): CheckFinding[] => {
    // The first of several counts.
    if (named.has(section.name)) return [];
    named.add(section.name);
    const values = readKeys(section, lshKeys);
    // Nobody gets in with an error.
    if (values.problems.some(({ severity }) => severity === "error")) return [];
    const weak = weakInLsh(values, kernel);
    return weak.length === 0 ? [] : [sectionFinding(section, weak, values, "commands")];
  });
}

/** Finds the section of jk_chrootsh.ini for a user. */
function sectionFinder(ini: IniFile | undefined, host: HostAccounts) {
  return ({ name }: JailedUser): IniSection | undefined => {
    const account = host.userByName(name);
    if (ini === undefined || account === undefined) return undefined;
    return hostSection(ini, { name, gid: account.gid }, host);
  };
}

/** The shells of accounts by name; of several with one name the first counts. For jails with many users. Pure. */
export const shellsByName = (users: readonly Pick<PasswdEntry, "name" | "shell">[]) =>
  new Map(users.toReversed().map(({ name, shell }) => [name, shell]));

/** The shells that a jail's passwd names; none of a jail that cannot be read, which its own check reports. */
function jailShells(jail: ByteString): Map<ByteString, ByteString> {
  using root = answered(() => openJailRoot(jail));
  return shellsByName((root && answered(() => readJailAccounts(root).users)) ?? []);
}

const shownNames = (names: readonly ByteString[]): string => {
  const shown = names.slice(0, MOST_USERS).map(display).join(", ");
  return names.length > MOST_USERS ? `${shown} and ${names.length - MOST_USERS} more` : shown;
};

/**
 * Findings about the logins by jk_chrootsh of `users`: one for each section of its file, and one for those without a
 * section. Users of the limited shell are not among them: its own file says what holds for them. A file that cannot be
 * used is a problem, and so is an account that cannot be looked up: the jails are checked all the same.
 */
export function loginFindings(
  users: readonly JailedUser[],
  host: HostAccounts,
  kernel: KernelFeatures,
  problems: CheckProblem[],
): CheckFinding[] {
  try {
    const ini = loadConfig(CHROOTSH_FILE, { dialect: "c" });
    const sectionOf = sectionFinder(ini, host);
    const shells = new Map<ByteString, ReturnType<typeof jailShells>>();
    const bySection = Map.groupBy(
      users.flatMap((user) => {
        const { name, jail } = user;
        if (jail === undefined || !user.shell.endsWith("/jk_chrootsh")) return [];
        const section = sectionOf(user);
        const own = readKeys(section, chrootshKeys).injailShell;
        const shell = own || shells.getOrInsertComputed(jail, () => jailShells(jail)).get(name);
        // Without a shell there is no login.
        return shell === undefined || isLimitedShell(shell) ? [] : [{ name, section }];
      }),
      ({ section }) => section,
    );
    return [...bySection].flatMap(([section, members]): CheckFinding[] => {
      const values = readKeys(section, chrootshKeys);
      requireNoErrors(values.problems);
      const weak = weakInChrootsh(values, kernel);
      if (weak.length === 0) return [];
      const whose = `the logins of ${shownNames(members.map(({ name }) => name))}`;
      if (section !== undefined) return [sectionFinding(section, weak, values, whose)];
      const message = `${CHROOTSH_FILE}: the kernel could confine ${whose}, and does not: no section has confine = 1 for them`;
      const remedy = `add these lines to ${CHROOTSH_FILE}:\n[DEFAULT]\n${REMEDIES.confine}`;
      return [{ rule: "not-confined", path: CHROOTSH_FILE, message, remedy }];
    });
  } catch (error) {
    if (!isReported(error)) throw error;
    problems.push({ code: error.code, path: CHROOTSH_FILE, message: describeError(error) });
    return [];
  }
}
