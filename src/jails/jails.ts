import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { plainPath } from "../../ffi/paths.ts";
import { display, jsonText } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import { type JailedUser, jailedUsers } from "../jail/accounts/jailed-users.ts";
import { serviceUsersIfAnswered } from "../jail/accounts/service-users.ts";
import { jailFindings } from "../jail/fs/safety.ts";
import { closeJailRoot, isDirectory, openJailRoot } from "../jail/fs/walk.ts";
import { knownJails, type ManifestContent, openManifest } from "../jail/record/manifest.ts";
import { asksForFiles } from "../populate/record/recipe.ts";
import { isInterrupted } from "../update/journal.ts";
import type { JailCondition, ListReport } from "./report-schema.ts";

/** A jail that is known. */
export interface JailFacts {
  readonly path: ByteString;
  /** The id of its record; undefined where it has none. */
  readonly id: ByteString | undefined;
  readonly condition: JailCondition;
  /** Why it is not ready, printable. */
  readonly reason: string | undefined;
  readonly users: readonly JailedUser[];
  /** The sections of jk_init that were asked for, and the operands of jk_cp. */
  readonly sections: readonly ByteString[];
  readonly files: readonly ByteString[];
  /** When it was last asked for something, in seconds since the epoch. */
  readonly lastRequest: number | undefined;
  /** Objects that were put there. */
  readonly entries: number;
}

const CONFIGS = ["jk_update.ini", "jk_check.ini"];

/** The paths of all jails that are known: of the registry, of users, and those that configuration files are about. */
export function knownJailPaths(users: readonly JailedUser[]): ByteString[] {
  const paths = new Set<ByteString>();
  for (const { jail } of knownJails()) paths.add(jail.path);
  for (const { jail } of users) if (jail !== undefined) paths.add(jail);
  for (const name of CONFIGS) {
    for (const section of loadConfig(`${CONFIG_DIRECTORY}/${name}`, { dialect: "py" })?.sections ?? [])
      if (section.name.startsWith("/")) paths.add(plainPath(section.name));
  }
  return [...paths].sort();
}

/** What is known of a jail, without reading what is in it. */
export function jailFacts(path: ByteString, allUsers: readonly JailedUser[]): JailFacts {
  const users = allUsers.filter(({ jail }) => jail === path);
  const nothing = { path, users, id: undefined, sections: [], files: [], lastRequest: undefined, entries: 0 };
  const stat = statIfPresent(AT_FDCWD, path);
  if (stat === undefined || !isDirectory(stat)) {
    const id = knownJails().find(({ jail }) => jail.path === path)?.id;
    const known = id !== undefined || knownJailPaths(allUsers).includes(path);
    const what =
      stat !== undefined ? "is no directory" : known ? "is gone" : "is not there, and no jail that is known";
    return { ...nothing, id, condition: "missing", reason: `${display(path)} ${what}` };
  }
  try {
    const root = openJailRoot(path);
    try {
      const { id, content } = openManifest(root);
      const recorded = content.requests.length + content.entries.size > 0;
      const facts = {
        ...nothing,
        users: [...users, ...serviceUsersIfAnswered(root, allUsers)],
        ...recordedFacts(content),
        id: recorded ? id : undefined,
      };
      const unsafe = jailFindings(root)[0];
      if (unsafe !== undefined) return { ...facts, condition: "unsafe", reason: unsafe.message };
      if (isInterrupted(id)) {
        return { ...facts, condition: "incomplete", reason: "an update was cut short: run jk_update again" };
      }
      if (!content.requests.some(asksForFiles)) {
        const reason = "it is not recorded what is in it: 'jailkit adopt' finds out";
        return { ...facts, condition: "unrecorded", reason };
      }
      return { ...facts, condition: "ready", reason: undefined };
    } finally {
      closeJailRoot(root);
    }
  } catch (error) {
    if (!(error instanceof JailkitError) && !(error instanceof SystemError)) throw error;
    return { ...nothing, condition: "unreadable", reason: describeError(error) };
  }
}

function recordedFacts({ requests, entries }: ManifestContent) {
  const files = requests.filter(asksForFiles);
  const times = requests.map(({ time }) => time).filter((time) => time > 0);
  return {
    sections: [...new Set(files.flatMap((request) => request.sections))],
    files: [...new Set(files.flatMap((request) => request.operands))],
    lastRequest: times.length === 0 ? undefined : Math.max(...times),
    entries: entries.size,
  };
}

/** All jails that are known, or those that are named. */
export function listJails(named: readonly ByteString[]): JailFacts[] {
  const users = jailedUsers();
  const paths = named.length > 0 ? named : knownJailPaths(users);
  return paths.map((path) => jailFacts(path, users));
}

/** The report of `jailkit list`. */
export function listReport(jails: readonly JailFacts[]): ListReport {
  return {
    version: 1,
    tool: "jailkit list",
    jails: jails.map((jail) => ({
      path: jsonText(jail.path),
      record: jail.id ?? null,
      state: jail.condition,
      reason: jsonTextOrNull(jail.reason),
      users: jail.users.map(({ name, home, shell }) => ({
        name: jsonText(name),
        home: jsonText(home),
        shell: jsonText(shell),
      })),
      sections: jail.sections.map(jsonText),
      files: jail.files.map(jsonText),
      entries: jail.entries,
      lastRequest: jail.lastRequest === undefined ? null : new Date(jail.lastRequest * 1000).toISOString(),
    })),
  };
}

/** The jails as a table, with a heading. */
export function jailLines(jails: readonly JailFacts[]): string[] {
  const text = (list: readonly ByteString[]) => (list.length === 0 ? "-" : list.map(display).join(","));
  const rows = jails.map(({ path, condition, users, sections, files }) => [
    display(path),
    condition,
    text(users.map(({ name }) => name)),
    text([...sections, ...files]),
  ]);
  const all = [["JAIL", "STATE", "USERS", "SECTIONS AND FILES"], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
