import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { readKeys } from "../config/keys.ts";
import { loadConfig } from "../config/load.ts";
import type { IniFile, IniSection } from "../config/model.ts";
import { chrootshKeys } from "../config/schemas/chrootsh.ts";
import { initKeys } from "../config/schemas/init.ts";
import { lshKeys } from "../config/schemas/lsh.ts";
import { readSocketdSection } from "../config/schemas/socketd.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { type ManifestRequest, openManifest } from "../jail/record/manifest.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import { REFUSABLE } from "../jail/record/without.ts";
import { jailSections } from "../jails/known.ts";
import { requireMountedJail } from "../populate/hidden-place.ts";
import { asksForFiles } from "../populate/record/requests.ts";
import type { AccountFacts } from "../system/host-accounts.ts";
import { fieldFault } from "../users/new-account.ts";
import { LIMITED_SHELL } from "../users/open-jail.ts";
import { readPolicies } from "../users/policy.ts";
import {
  LONGEST_NAME,
  type NamedKeys,
  type Transfer,
  type TransferRequest,
  type TransferSection,
  type TransferUser,
} from "./document.ts";
import { expiryOf, HostSources, passwordFault, type Resident, residentsOf } from "./host.ts";
import { lostInside, lostOnHost } from "./lost.ts";
import { sectionsOfUsers, sharedSettings } from "./policies.ts";
import { knownKeys, SECTIONS_FILE } from "./sections.ts";

/** What a jail was made from, and printable lines about what is not part of it. */
export interface Gathered {
  readonly transfer: Transfer;
  readonly warnings: string[];
}

/** Reads what a jail was made from. Throws JailkitError if it has no record, or its configuration cannot be read. */
export function gather(jail: ByteString): Gathered {
  const host = new HostSources();
  using root = openNamedJail(jail);
  const { requests, live = [], without = [] } = openManifest(root).content;
  const files = requests.filter(asksForFiles);
  requireMountedJail(root);
  if (files.length === 0) {
    const remedy: Remedy = `jailkit adopt ${shellWord(root.path)}`;
    const message = `${display(root.path)}: has no record of its contents; create one with: ${remedy}`;
    throw new JailkitError("unrecorded", 1, message, undefined, remedy);
  }
  const warnings: string[] = [];
  const { sections, missing } = sectionsOf(files, warnings);
  const users = usersOf(root, host, warnings);
  for (const { file } of jailSections().filter((section) => section.jail === root.path))
    warnings.push(`${display(file)} has a section for the jail, which is not part of the export`);
  const lost = [...lostOnHost(root.path, host), ...lostInside(root, users, sections, host)];
  warnings.push(...lost.map((what) => `left out: ${what}`));
  const transfer: Transfer = {
    jail: root.path,
    requests: files.flatMap((request) => requestOf(request, missing)),
    live,
    sections,
    users,
    policies: policiesOf(root, users, warnings),
    settings: settingsOf(users, host, warnings),
    logSocket: logSocketOf(root.path, host, warnings),
    proc: host.mountsProc(root.path),
    without: REFUSABLE.filter((what) => without.includes(what)),
  };
  return { transfer, warnings };
}

function requestOf(
  { tool, sections, operands, options }: ManifestRequest,
  missing: ReadonlySet<ByteString>,
): TransferRequest[] {
  const init = tool === "jk_init";
  const names = init ? sections.filter((name) => !missing.has(name)) : operands;
  if (names.length === 0) return [];
  const flag = (name: string) => options[name] === true;
  return [
    {
      tool: init ? "jk_init" : "jk_cp",
      names,
      copyShell: flag("copy-shell"),
      hardlink: flag("hardlink"),
      owner: flag("owner"),
      setuid: flag("setuid"),
    },
  ];
}

/** The sections of requests with those that they include, from the files that they were requested from. */
function sectionsOf(requests: readonly ManifestRequest[], warnings: string[]) {
  const files = new Map<ByteString, IniFile | undefined>();
  const found = new Map<ByteString, TransferSection & { from: ByteString }>();
  const missing = new Set<ByteString>();
  const add = (ini: IniFile | undefined, name: ByteString, file: ByteString): void => {
    const section = ini?.sections.find((each) => each.name === name);
    if (section === undefined) {
      missing.add(name);
      warnings.push(`section ${quoted(name)} does not exist in ${display(file)}, and is left out`);
      return;
    }
    const before = found.get(name);
    if (before !== undefined && before.from !== section.file) {
      const both = `${display(before.from)} and ${display(section.file)}`;
      throw new JailkitError(
        "two-sections",
        1,
        `section ${quoted(name)} is taken from two files, ${both}: rename one`,
      );
    }
    if (before !== undefined) return;
    const { keys, others } = knownKeys(section, initKeys);
    for (const key of others)
      warnings.push(`section ${quoted(name)}: the unknown key ${quoted(key)} is left out`);
    found.set(name, { name, own: section.file !== SECTIONS_FILE, keys, from: section.file });
    for (const each of readKeys(section, initKeys).includesections)
      if (ini?.sections.some((other) => other.name === each)) add(ini, each, file);
  };
  for (const { tool, sections, options } of requests) {
    if (tool !== "jk_init") continue;
    const file = typeof options.configfile === "string" ? options.configfile : SECTIONS_FILE;
    const ini = files.getOrInsertComputed(file, () => loadConfig(file, { dialect: "py" }));
    for (const name of sections) add(ini, name, file);
  }
  return { sections: [...found.values()].map(({ from: _, ...section }) => section), missing };
}

function usersOf(root: JailRoot, host: HostSources, warnings: string[]): TransferUser[] {
  const users = residentsOf(root, host, warnings).map((resident) => {
    const { name } = resident.user;
    if (resident.shell === undefined)
      warnings.push(`user ${quoted(name)} is not in the jail's etc/passwd: the shell is taken to be jk_lsh`);
    const expiry = expiryOf(name, host);
    // A customer whose account was closed would have it back.
    if (expiry !== undefined) {
      const again = `usermod --expiredate ${shellWord(expiry)} ${operands(name)}`;
      warnings.push(`the expiry date of ${quoted(name)} is not part of the export; set it there: ${again}`);
    }
    const closed = passwordFault(name, host);
    if (closed !== undefined) {
      const close = `usermod --expiredate 1 ${operands(name)}`;
      const open = "an account that 'jailkit import' creates would be open";
      warnings.push(`user ${quoted(name)}: ${closed}, and ${open}; close it there: ${close}`);
    }
    return transferUser(resident, host.facts, warnings);
  });
  for (const [uid, alike] of Map.groupBy(users, (user) => user.uid)) {
    if (alike.length === 1) continue;
    const names = alike.map((user) => quoted(user.name)).join(", ");
    warnings.push(`${names} share the uid ${uid}: 'jailkit import' takes the file only with --without-users`);
  }
  return users;
}

function transferUser(
  { user, home, shell, local }: Resident,
  { groupByGid, groupsOf }: AccountFacts,
  warnings: string[],
): TransferUser {
  const { name, uid, gid, gecos } = user;
  // Users may choose it, with chfn(1) or in a directory.
  const usable = gecos.length <= LONGEST_NAME && fieldFault("comment", gecos) === undefined;
  if (!usable) warnings.push(`user ${quoted(name)}: the comment cannot be used elsewhere, and is left out`);
  const groups = groupsOf(user).flatMap((each) => groupByGid(each) ?? []);
  return {
    ...{ name, uid, gid, home, local, comment: usable ? gecos : "" },
    shell: shell || LIMITED_SHELL,
    group: groupByGid(gid)?.name ?? "",
    groups: groups.map((group) => ({ name: group.name, gid: group.gid })),
  };
}

/** A section with the keys of a table; a line for each other key. */
function namedKeys(
  section: IniSection,
  table: Parameters<typeof knownKeys>[1],
  warnings: string[],
): NamedKeys {
  const { keys, others } = knownKeys(section, table);
  const place = `${display(section.file)}: section ${quoted(section.name)}`;
  for (const key of others) warnings.push(`${place}: the unknown key ${quoted(key)} is left out`);
  return { name: section.name, keys };
}

function policiesOf(root: JailRoot, users: readonly TransferUser[], warnings: string[]): NamedKeys[] {
  const names = sectionsOfUsers(users);
  const first = new Map<ByteString, IniSection>();
  // Of equal names the first counts.
  for (const section of readPolicies(root).ini.sections)
    if (names.has(section.name) && !first.has(section.name)) first.set(section.name, section);
  return [...first.values()].map((section) => namedKeys(section, lshKeys, warnings));
}

function settingsOf(users: readonly TransferUser[], host: HostSources, warnings: string[]): NamedKeys[] {
  const sections = host.settings;
  warnings.push(...sharedSettings(sections, users));
  return users.flatMap(({ name }) => {
    const section = sections.find((each) => each.name === name);
    return section === undefined ? [] : [namedKeys(section, chrootshKeys, warnings)];
  });
}

function logSocketOf(jail: ByteString, host: HostSources, warnings: string[]): Transfer["logSocket"] {
  const section = host.logSocketOf(jail);
  if (section === undefined) return undefined;
  const { base, peak, interval } = readSocketdSection(section);
  for (const key of ["type", "trust"])
    if (section.entries.some((entry) => entry.key === key))
      warnings.push(`${display(section.file)}: the key ${key} of the log socket is left out`);
  return { base, peak, interval };
}
