import type { ByteString } from "../../ffi/bytes.ts";
import { attempt } from "../../ffi/error.ts";
import { landlockVersion, WITH_FILES, WITH_SCOPES } from "../../ffi/landlock.ts";
import { plainPath } from "../../ffi/paths.ts";
import { hasFilters } from "../../ffi/seccomp.ts";
import { display } from "../cli/display.ts";
import { answered, isReported, problemFrom } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { readKeys } from "../config/keys.ts";
import { CONFIG_DIRECTORY, loadConfig, requireNoErrors } from "../config/load.ts";
import { findEntry, type IniFile, type IniSection } from "../config/model.ts";
import { chrootshKeys } from "../config/schemas/chrootsh.ts";
import type { ConfineValues } from "../config/schemas/confine.ts";
import { lshKeys } from "../config/schemas/lsh.ts";
import { uchrootKeys } from "../config/schemas/uchroot.ts";
import { type Confinement, confinementOf, executeOf } from "../confine/policy.ts";
import type { UchrootSettings } from "../enter/uchroot/facts.ts";
import { uchrootConfinement } from "../enter/uchroot/uchroot.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { isChrootShell, isLimitedShell, type JailedUser } from "../jail/accounts/jailed-users.ts";
import { type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import type { HostAccounts } from "../system/host-accounts.ts";
import { readPolicies } from "../users/policy.ts";
import { hostSection, shellsByName } from "./account-files.ts";
import type { CheckFinding, CheckProblem } from "./rules.ts";

const CHROOTSH_FILE = `${CONFIG_DIRECTORY}/jk_chrootsh.ini`;
const UCHROOT_FILE = `${CONFIG_DIRECTORY}/jk_uchroot.ini`;

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

/** A part of what `confine = 1` asks of the kernel. */
interface Part {
  key: "execute" | "syscalls" | "scope" | "no_new_privs";
  /** As a line of a section. */
  line: ByteString;
  holds: (confinement: Confinement) => boolean;
  isPossible: (kernel: KernelFeatures) => boolean;
  /** Whether the key itself turns it off. */
  isOff: (values: ConfineValues) => boolean;
}

const PARTS: readonly Part[] = [
  {
    ...{ key: "execute", line: "execute = system" },
    holds: ({ execute }) => execute !== "any",
    isPossible: ({ landlock }) => landlock >= WITH_FILES,
    isOff: ({ execute }) => execute === "any",
  },
  {
    ...{ key: "syscalls", line: "syscalls = login" },
    holds: ({ syscalls }) => syscalls === "login",
    isPossible: ({ filters }) => filters,
    isOff: ({ syscalls }) => syscalls === "any",
  },
  {
    ...{ key: "scope", line: "scope = 1" },
    holds: ({ scope }) => scope,
    isPossible: ({ landlock }) => landlock >= WITH_SCOPES,
    isOff: ({ scope }) => scope === false,
  },
  {
    ...{ key: "no_new_privs", line: "no_new_privs = 1" },
    holds: ({ noNewPrivs }) => noNewPrivs,
    isPossible: () => true,
    isOff: ({ noNewPrivs }) => noNewPrivs === false,
  },
];

/** What a section lacks of `confine = 1` that this kernel can do. */
export interface Lack {
  /** Lines that would hold. */
  missing: readonly ByteString[];
  /** The keys to blame: those that turn a part off, and `confine` for the others. */
  keys: readonly ByteString[];
  /** What to write. */
  lines: readonly ByteString[];
}

/** Undefined if nothing is missing. `confinement`: what the values amount to. */
function lackOf(
  values: ConfineValues,
  confinement: Confinement,
  kernel: KernelFeatures,
  isAllowedSetuid = false,
): Lack | undefined {
  const missing = PARTS.filter(({ holds, isPossible }) => isPossible(kernel) && !holds(confinement));
  if (missing.length === 0) return undefined;
  const off = missing.filter(({ isOff }) => isOff(values));
  const keys: ByteString[] = off.map(({ key }) => key);
  const lines = off.map(({ line }) => line);
  // Anything else of these contradicts it.
  if (values.noNewPrivs === false && !keys.includes("no_new_privs")) lines.push("no_new_privs = 1");
  if (isAllowedSetuid) {
    keys.unshift("allow_setuid");
    lines.unshift("allow_setuid = 0");
  }
  if (off.length < missing.length && !(isAllowedSetuid && values.confine === undefined)) {
    keys.unshift("confine");
    lines.unshift("confine = 1");
  }
  return { missing: missing.map(({ line }) => line), keys, lines };
}

/** That of a section of jk_lsh.ini, where confinement is the default. Pure. */
export const lackInLsh = (values: ConfineValues, kernel: KernelFeatures): Lack | undefined =>
  // There, `confine = 0` does not turn off execute = system: see executeLimits.
  lackOf(
    values,
    confinementOf(values, true, executeOf({ ...values, execute: values.execute ?? [] }, true, [], "/"), "/"),
    kernel,
  );

/** That of a section of jk_chrootsh.ini. Pure. */
export const lackInChrootsh = (values: ConfineValues, kernel: KernelFeatures): Lack | undefined =>
  lackOf(values, confinementOf(values, false, executeOf(values, false, [], "/"), "/"), kernel);

/** That of a section of jk_uchroot.ini. Pure. */
export const lackInUchroot = (values: UchrootSettings, kernel: KernelFeatures): Lack | undefined =>
  lackOf(values, uchrootConfinement(values, "/"), kernel, values.allowSetuid);

/** The lines that confine a section; undefined if its name cannot be typed. */
function remedyFor({ name, file }: IniSection, { lines }: Lack): Remedy | undefined {
  if (display(name) !== name || display(file) !== file) return undefined;
  return `in section [${name}] of ${file} write:\n${lines.join("\n")}`;
}

/** What could be, in one phrase: `by execute = system and scope = 1`. */
function byWhat({ missing }: Lack): string {
  const last = missing.at(-1) ?? "";
  return `by ${missing.length === 1 ? last : `${missing.slice(0, -1).join(", ")} and ${last}`}`;
}

/** A finding about the keys of a section. `whose`: what could be confined. */
function sectionFinding(section: IniSection, lack: Lack, whose: string): CheckFinding {
  const [first = "confine"] = lack.keys;
  const { file, line } = findEntry(section, first) ?? section;
  const because = lack.keys.map((key) => {
    const entry = findEntry(section, key);
    return `${key} is ${entry === undefined ? "missing" : `'${display(entry.value)}'`}`;
  });
  const where = `in section [${display(section.name)}] ${because.join(" and ")}`;
  const message = `${display(file)}:${line}: the kernel could confine ${whose} ${byWhat(lack)}, and does not: ${where}`;
  return { rule: "not-confined", path: file, message, remedy: remedyFor(section, lack) };
}

/** Of several sections with one name, the first counts. */
function firstSections(sections: readonly IniSection[]): IniSection[] {
  const named = new Set<ByteString>();
  return sections.filter(({ name }) => !named.has(name) && named.add(name));
}

/** Findings about the sections of a jail's jk_lsh.ini. Throws JailkitError if the file cannot be used. */
export function limitedFindings(root: JailRoot, kernel: KernelFeatures): CheckFinding[] {
  return firstSections(readPolicies(root).ini.sections).flatMap((section): CheckFinding[] => {
    const values = readKeys(section, lshKeys);
    // Nobody gets in with an error.
    if (values.problems.some(({ severity }) => severity === "error")) return [];
    const lack = lackInLsh(values, kernel);
    return lack === undefined ? [] : [sectionFinding(section, lack, "commands")];
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

/** The shells that a jail's passwd names; none of a jail that cannot be read, which its own check reports. */
function jailShells(jail: ByteString): Map<ByteString, ByteString> {
  using root = answered(() => openJailRoot(jail));
  return shellsByName((root && answered(() => readJailAccounts(root).users)) ?? []);
}

/** Runs `find` on a file of the host; if that cannot be used, it is a problem. */
function findingsOf(
  file: ByteString,
  problems: CheckProblem[],
  find: (ini: IniFile | undefined) => CheckFinding[],
): CheckFinding[] {
  try {
    return find(loadConfig(file, { dialect: "c" }));
  } catch (error) {
    if (!isReported(error)) throw error;
    problems.push(problemFrom(error, "unreadable", file));
    return [];
  }
}

/**
 * Findings about the logins by jk_chrootsh of `users`, one for each account; the first of those with the same section has
 * the remedy. Users of the limited shell are not among them: its own file says what holds for them. A file that cannot be
 * used is a problem, and so is an account that cannot be looked up: the jails are checked all the same.
 */
export function loginFindings(
  users: readonly JailedUser[],
  host: HostAccounts,
  kernel: KernelFeatures,
  problems: CheckProblem[],
): CheckFinding[] {
  return findingsOf(CHROOTSH_FILE, problems, (ini) => {
    const sectionOf = sectionFinder(ini, host);
    const shells = new Map<ByteString, ReturnType<typeof jailShells>>();
    const lacks = new Map<IniSection | undefined, Lack | undefined>();
    const lackIn = (section: IniSection | undefined) => {
      const values = readKeys(section, chrootshKeys);
      requireNoErrors(values.problems);
      return lackInChrootsh(values, kernel);
    };
    const told = new Set<IniSection | undefined>();
    return users.flatMap((user): CheckFinding[] => {
      const { name, jail } = user;
      if (jail === undefined || !isChrootShell(user.shell)) return [];
      const section = sectionOf(user);
      const own = readKeys(section, chrootshKeys).injailShell;
      const shell = own || shells.getOrInsertComputed(jail, () => jailShells(jail)).get(name);
      // Without a shell there is no login.
      if (shell === undefined || isLimitedShell(shell)) return [];
      const lack = lacks.getOrInsertComputed(section, lackIn);
      if (lack === undefined) return [];
      const finding = loginFinding(`the logins of ${display(name)}`, section, lack);
      if (told.has(section)) return [{ ...finding, remedy: undefined }];
      told.add(section);
      return [finding];
    });
  });
}

function loginFinding(whose: string, section: IniSection | undefined, lack: Lack): CheckFinding {
  if (section !== undefined) return sectionFinding(section, lack, whose);
  const message = `${CHROOTSH_FILE}: the kernel could confine ${whose} ${byWhat(lack)}, and does not: no section has confine = 1 for them`;
  const remedy: Remedy = `add these lines to ${CHROOTSH_FILE}:\n[DEFAULT]\nconfine = 1`;
  return { rule: "not-confined", path: CHROOTSH_FILE, message, remedy };
}

/**
 * Findings about the sections of jk_uchroot.ini that let somebody into one of `jails`; undefined: into any. A file that
 * cannot be used is a problem.
 */
export function uchrootFindings(
  jails: ReadonlySet<ByteString> | undefined,
  kernel: KernelFeatures,
  problems: CheckProblem[],
): CheckFinding[] {
  return findingsOf(UCHROOT_FILE, problems, (ini) =>
    firstSections(ini?.sections ?? []).flatMap((section) => {
      const values = readKeys(section, uchrootKeys);
      if (values.problems.some(({ severity }) => severity === "error")) return [];
      const { allowedJails } = values;
      const isAsked = (path: ByteString) => jails?.has(plainPath(path)) ?? true;
      const lack = allowedJails.some(isAsked) ? lackInUchroot(values, kernel) : undefined;
      return lack === undefined ? [] : [sectionFinding(section, lack, "sessions of jk_uchroot")];
    }),
  );
}
