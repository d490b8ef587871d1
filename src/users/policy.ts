import { type ByteString, fromBytes, toBytes, trim } from "../../ffi/bytes.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { entriesOf, readAllFd } from "../../ffi/files.ts";
import { directoryOf, parentOf } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { allOf, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { didYouMean } from "../cli/suggest.ts";
import { readKeys } from "../config/keys.ts";
import { isDropIn, mergeFiles, requireNoErrors } from "../config/load.ts";
import { type IniFile, type IniSection, LIMITS } from "../config/model.ts";
import { groupOfSection, scanIni, selectSection } from "../config/scan.ts";
import { confineProblem } from "../config/schemas/confine.ts";
import { lshKeys } from "../config/schemas/lsh.ts";
import { unreadable } from "../config/source.ts";
import { unsafeConfig } from "../config/trusted.ts";
import { appendSections, withoutSection } from "../config/write.ts";
import { withAccountsLock } from "../jail/accounts/change-accounts.ts";
import { attributesAt, lookUp, placeOnHost, requireAbsent, withJailFile } from "../jail/fs/look.ts";
import { hostPath, isRegular, type JailRoot, withDirectory } from "../jail/fs/walk.ts";
import { makeDirectories, putFile, requireReadable } from "../jail/fs/write.ts";
import { filesOf, SERVICES, type Service, serviceNamed } from "../known-programs/services.ts";
import { sftpServers } from "../system/sshd/warnings.ts";

const DIRECTORY = "/etc/jailkit";
/** The rules of the limited shell, as a jail sees the file. */
export const POLICY_FILE = "/etc/jailkit/jk_lsh.ini";
export const DROP_INS = "/etc/jailkit/jk_lsh.d";

/** The services of a comma-separated list. Throws JailkitError "no-such-service", with a similar name if there is one. */
export function requireServices(list: ByteString): Service[] {
  const names = SERVICES.map(({ name }) => name);
  const found = list.split(",").map((word) => {
    const wanted = trim(word);
    const service = serviceNamed(wanted);
    if (service !== undefined) return service;
    const none = wanted === "none" ? "; without --policy and a section, nothing is allowed" : "";
    const hint = none || didYouMean(wanted, names);
    const end = hint.endsWith("?") ? " There are: " : "; there are: ";
    const message = `--policy: there is no ${quoted(wanted)}${hint}${end}${names.join(", ")}`;
    throw new JailkitError("no-such-service", 1, message);
  });
  return [...new Set(found)];
}

/** Throws if users other than root can change a directory. */
function requireTrusted(root: JailRoot, directory: ByteString, shown: ByteString): void {
  if (withDirectory(root, directory, ({ trusted }) => trusted)) return;
  const message = `${display(shown)}: users other than root can change it or the directories above it in the jail`;
  throw new JailkitError("config-unsafe", 1, message);
}

/** Calls `read`, whose errors tell of a file of the jail that cannot be read, with what puts something else in its place aside. */
function reading<T>(root: JailRoot, path: ByteString, read: () => T): T | undefined {
  try {
    return read() ?? requireAbsent(root, path);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    throw unreadable(placeOnHost(root, path), error, { exitStatus: 1, jail: root.path });
  }
}

/** The canonical path and content of a file. Throws if users other than root can change it, as jk_lsh does. */
const readOne = (root: JailRoot, path: ByteString) =>
  reading(root, path, () =>
    withJailFile(root, path, (fd, { stat, canonicalPath }) => {
      requireTrusted(root, directoryOf(canonicalPath), hostPath(root, path));
      const unsafe = unsafeConfig(stat);
      if (unsafe === undefined) return { path: canonicalPath, bytes: readAllFd(fd, LIMITS.fileBytes) };
      throw new JailkitError("config-unsafe", 1, `${display(hostPath(root, path))} ${unsafe}`);
    }),
  );

function namesIn(root: JailRoot, directory: ByteString): ByteString[] {
  try {
    return withDirectory(root, directory, ({ fd }) => entriesOf(fd)).map(({ name }) => name);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

/** The files of the rules in a jail besides the first one. Throws JailkitError. */
export const dropIns = (root: JailRoot): ByteString[] =>
  (reading(root, DROP_INS, () => namesIn(root, DROP_INS).filter(isDropIn).sort()) ?? []).map(
    (name) => `${DROP_INS}/${name}`,
  );

/** The jk_lsh.ini of a jail with its drop-ins, and the file itself; `main` is undefined if that is missing. Throws JailkitError if one is not safe. */
export function readPolicies(root: JailRoot) {
  const parts: IniFile[] = [];
  const scan = (path: ByteString) => {
    const one = readOne(root, path);
    if (one !== undefined) parts.push(scanIni(one.bytes, hostPath(root, path), "c"));
    return one;
  };
  const main = scan(POLICY_FILE);
  for (const path of dropIns(root)) scan(path);
  const ini = mergeFiles(parts, hostPath(root, POLICY_FILE), "c");
  requireNoErrors(ini.problems);
  return { ini, main };
}

/** The name of the section for a user in a jail's jk_lsh.ini; undefined for none. `others`: besides the primary group. */
export function policyFor(
  root: JailRoot,
  user: ByteString,
  group: ByteString,
  others: readonly ByteString[],
): ByteString | undefined {
  const isMember = (name: ByteString) => name === group || others.includes(name);
  return selectSection(readPolicies(root).ini, user, group, isMember)?.name;
}

/**
 * The section for one user: its file and line, and what it allows, both printable; and the key `executables`, undefined if
 * `command`, `allow` or `force` decide, or if an error in the section refuses the user. Undefined for none.
 */
function ownSectionIn(ini: IniFile, user: ByteString) {
  const section = ini.sections.find(({ name }) => name === user);
  if (section === undefined) return undefined;
  const place = `${quoted(section.file)}, line ${section.line}`;
  const values = readKeys(section, lshKeys);
  const { executables = [], allow = [], command, force } = values;
  const isWrong =
    values.problems.some(({ severity }) => severity === "error") || confineProblem(section, values);
  if (isWrong) return { place, allows: "nothing, because of an error in it", executables: undefined };
  const lines = force === undefined ? command.map(({ value }) => value) : [force];
  const listed = lines.length > 0 ? lines : [...allow, ...executables];
  const allows = listed.length === 0 ? "nothing" : listed.map(display).join(", ");
  return { place, allows, executables: lines.length + allow.length > 0 ? undefined : executables };
}

/** The same from the files of a jail. */
export const ownSection = (root: JailRoot, user: ByteString) => ownSectionIn(readPolicies(root).ini, user);

function isProgram(root: JailRoot, path: ByteString): boolean {
  const stat = lookUp(root, path, { follow: true })?.stat;
  return stat !== undefined && isRegular(stat) && (stat.mode & 0o111) !== 0;
}

/** The services whose files are all in a jail. */
export function servicesIn(root: JailRoot): Service[] {
  return SERVICES.filter((service) => filesOf(service, (path) => isProgram(root, path)).missing.length === 0);
}

interface PolicyPlan {
  /** On the host. */
  file: ByteString;
  /** The name of the section: that of the user. */
  section: ByteString;
  paths: ByteString[];
  executables: ByteString[];
  /** The section exists and is the same. */
  present: boolean;
}

function requirePrograms(root: JailRoot, user: ByteString, services: readonly Service[]): ByteString[] {
  // An sftp client gets the server that sshd's configuration names.
  const preferred = services.some(({ name }) => name === "sftp") ? sftpServers(user) : [];
  const found = services.map((service) => ({
    service,
    ...filesOf(service, (path) => isProgram(root, path), preferred),
  }));
  const lacking = found.filter(({ missing }) => missing.length > 0);
  if (lacking.length > 0) {
    const jail = shellWord(root.path);
    const sections = lacking.flatMap(({ service }) => service.section ?? []);
    const names = lacking.flatMap(({ service, missing }) => (service.section === undefined ? missing : []));
    const commands: Remedy[] = [
      ...(sections.length > 0 ? [`jk_init -j ${jail} ${operands(...sections)}` as const] : []),
      ...(names.length > 0 ? [`jk_cp -j ${jail} ${operands(...names)}` as const] : []),
    ];
    const missing = lacking.flatMap((one) => one.missing).join(", ");
    const remedy = allOf(commands);
    const message = `--policy: the jail ${quoted(root.path)} has no ${missing}; add it with: ${remedy}`;
    throw new JailkitError("program-missing", 1, message, undefined, remedy);
  }
  return [...new Set(found.flatMap(({ paths }) => paths))];
}

/**
 * Plans the section that allows a user of a jail some services, with the programs in the jail. Nothing is written. Throws
 * JailkitError if a program is missing (with the command that adds it), if the user has a section that allows something
 * else, or if the file cannot be used.
 */
export function planPolicy(root: JailRoot, user: ByteString, services: readonly Service[]): PolicyPlan {
  const { ini, main } = readPolicies(root);
  const plan = planIn(root, user, services, ini);
  if (!plan.present) requireReadable(plan.file, withSection(main, plan).length, LIMITS.fileBytes);
  return plan;
}

/** The text of the jail's jk_lsh.ini with the planned section at its end. */
function withSection(main: { bytes: Uint8Array } | undefined, plan: PolicyPlan): ByteString {
  const values = { paths: plan.paths.join(", "), executables: plan.executables.join(", ") };
  const before = main === undefined ? "" : fromBytes(main.bytes);
  return appendSections(before, [{ name: plan.section, values }], "c");
}

/** Throws JailkitError "bad-name" for the name of an account whose section would be one for others too. */
export function requireOwnSection(user: ByteString): void {
  if (user !== "DEFAULT" && groupOfSection(user) === undefined) return;
  const message = `a section [${display(user)}] would apply to others too: ${quoted(user)} can have none of its own`;
  throw new JailkitError("bad-name", 1, message);
}

function planIn(root: JailRoot, user: ByteString, services: readonly Service[], ini: IniFile): PolicyPlan {
  requireOwnSection(user);
  const executables = requirePrograms(root, user, services);
  const paths = [...new Set(executables.map(parentOf))];
  const plan = { file: hostPath(root, POLICY_FILE), section: user, paths, executables, present: false };
  const own = ownSectionIn(ini, user);
  if (own === undefined) return plan;
  const there = own.executables;
  const same = there?.length === executables.length && executables.every((path) => there.includes(path));
  if (same) return { ...plan, present: true };
  const exists = `${own.place}: a section [${display(user)}] exists already and allows ${own.allows}`;
  const remedy = "it was not changed: edit it, or take it out and run this again";
  throw new JailkitError("policy-exists", 1, `${exists}; ${remedy}`);
}

/**
 * Adds the planned section to the end of the jail's jk_lsh.ini, by one rename; the rest of the file stays byte for byte.
 * Throws as planPolicy does.
 */
export function writePolicy(root: JailRoot, user: ByteString, services: readonly Service[]): PolicyPlan {
  return withAccountsLock(root, () => {
    const { ini, main } = readPolicies(root);
    const plan = planIn(root, user, services, ini);
    if (plan.present) return plan;
    putPolicies(root, main?.path, withSection(main, plan));
    return plan;
  });
}

/** Replaces the jk_lsh.ini of a jail, or creates it if there is none (`path` is undefined). */
function putPolicies(root: JailRoot, path: ByteString | undefined, text: ByteString): void {
  makeDirectories(root, DIRECTORY, () => ({ mode: 0o755, uid: 0, gid: 0 }));
  requireTrusted(root, DIRECTORY, hostPath(root, DIRECTORY));
  const attributes = attributesAt(root, POLICY_FILE) ?? { mode: 0o644, uid: 0, gid: 0 };
  const replace = path !== undefined;
  const options = { replace, most: LIMITS.fileBytes };
  if (putFile(root, path ?? POLICY_FILE, toBytes(text), attributes, options) !== "kept") return;
  const file = quoted(hostPath(root, POLICY_FILE));
  throw new JailkitError("policy-changed", 1, `${file} appeared meanwhile: run it again`);
}

/**
 * Adds sections to the end of the jail's jk_lsh.ini, in one step; those that are there already stay. Returns the names of
 * the added ones. Throws JailkitError if the file is not safe, or a section cannot be written.
 */
export function addPolicies(
  root: JailRoot,
  policies: readonly { name: ByteString; keys: ReadonlyMap<ByteString, ByteString> }[],
): ByteString[] {
  return withAccountsLock(root, () => {
    const { ini, main } = readPolicies(root);
    const there = new Set(ini.sections.map(({ name }) => name));
    const added = policies.filter(({ name }) => !there.has(name));
    if (added.length === 0) return [];
    const sections = added.map(({ name, keys }) => ({ name, values: Object.fromEntries(keys) }));
    putPolicies(
      root,
      main?.path,
      appendSections(main === undefined ? "" : fromBytes(main.bytes), sections, "c"),
    );
    return added.map(({ name }) => name);
  });
}

/** Throws JailkitError "policy-exists" if the section of a user is in a drop-in of the jail. */
export function requireReplaceable(root: JailRoot, own: IniSection | undefined): void {
  if (own === undefined || own.file === hostPath(root, POLICY_FILE)) return;
  const where = `${quoted(own.file)}, line ${own.line}`;
  const message = `${where}: a section [${display(own.name)}] is there, in a drop-in, which is not changed: edit it, or take it out`;
  throw new JailkitError("policy-exists", 1, message);
}

/**
 * Gives a user a section with these keys in the jail's jk_lsh.ini, in place of an earlier one, in one step; undefined takes it
 * out. The rest of the file stays. Returns false if there is none to take out. Throws JailkitError if the file is not safe, or
 * if the section is in a drop-in.
 */
export function replacePolicy(
  root: JailRoot,
  name: ByteString,
  keys: ReadonlyMap<ByteString, ByteString> | undefined,
): boolean {
  requireOwnSection(name);
  return withAccountsLock(root, () => {
    const { ini, main } = readPolicies(root);
    const own = ini.sections.find((section) => section.name === name);
    let text = main === undefined ? "" : fromBytes(main.bytes);
    requireReplaceable(root, own);
    if (keys === undefined && own === undefined) return false;
    // Of equal names the first counts: none may be left.
    for (
      let rest = withoutSection(text, name, "c");
      rest !== undefined;
      rest = withoutSection(text, name, "c")
    )
      text = rest;
    const added = keys === undefined ? [] : [{ name, values: Object.fromEntries(keys) }];
    putPolicies(root, main?.path, added.length === 0 ? text : appendSections(text, added, "c"));
    return true;
  });
}

/** A printable line about a planned or completed change. */
export function describePolicy({ file, section, executables, present }: PolicyPlan, planned: boolean) {
  const what = `the section [${display(section)}]`;
  if (present) return `${what} is in ${quoted(file)} already`;
  return `${planned ? "would add" : "added"} ${what} to ${quoted(file)}: ${executables.map(display).join(", ")}`;
}
