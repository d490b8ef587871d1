import { basicFstat, basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { isOfThePath, openDirectoryPath, withFd } from "../../ffi/files.ts";
import { allowBeneath, EXECUTE, FILE_RIGHTS } from "../../ffi/landlock.ts";
import { allowedOf, NAMED, type Names, PROGRAM, READABLE } from "../../ffi/landlock-names.ts";
import { isIn } from "../known-programs/allow/places.ts";
import { fixedPaths, programsOf, READ, RESOLVER, type Ruled } from "./asked-rules.ts";
import type { LeftOut } from "./directories.ts";
import { allowDirectories, allowReading, isMissing, type OpenPath, statOf } from "./execute.ts";
import { openFixed, openNamed } from "./named-file.ts";

/** What got no rule. */
export interface WithoutRule {
  /** Directories from which nothing may be executed. */
  execute: readonly LeftOut[];
  /** Paths of `read` and `write` that lead nowhere. */
  named: readonly LeftOut[];
}

/** Everything got its rule. */
export const NOTHING: WithoutRule = { execute: [], named: [] };

/** Rules on files, added to an open ruleset. */
class FileRules {
  readonly withoutRule: LeftOut[] = [];

  constructor(
    readonly ruleset: number,
    readonly root: number,
    readonly handled: number,
  ) {}

  /** Allows what is at an open descriptor. */
  allow(fd: number, rights: number): void {
    const isDirectory = (basicFstat(fd).mode & C.S_IFMT) === C.S_IFDIR;
    const allowed = rights & this.handled & (isDirectory ? ~0 : FILE_RIGHTS);
    if (allowed !== 0) allowBeneath(this.ruleset, allowed, fd);
  }

  /** Allows a path of the settings. */
  allowNamed(path: ByteString, rights: number, open: OpenPath): void {
    const fd = open(this.root, path);
    if (typeof fd === "number") withFd(fd, (file) => this.allow(file, rights));
    else this.leaveOut(path, fd);
  }

  leaveOut(path: ByteString, why: ByteString): void {
    for (const one of this.withoutRule) if (one.path === path) return;
    this.withoutRule.push({ path, why });
  }

  /** Allows reading a program; `isTold`: what is left out is reported. */
  allowProgram(path: ByteString, open: OpenPath, isTold: boolean): void {
    const why = allowReading(this.ruleset, this.root, path, open);
    if (isTold && why !== undefined && statOf(path) !== undefined) this.leaveOut(path, why);
  }

  allowResolver(): void {
    const stat = basicStat(this.root, RESOLVER.slice(1));
    if (stat === undefined || (stat.mode & C.S_IFMT) !== C.S_IFLNK) return;
    const fd = openNamed(this.root, RESOLVER);
    if (typeof fd === "number") withFd(fd, (file) => this.allow(file, READ));
  }
}

/** What the guard was asked, and what came of it. */
interface Rest {
  confinement: Ruled;
  program: ByteString | undefined;
  names: Names;
  /** By the index of a name. */
  errorOf: (index: number) => number;
}

/** Allows reading a program, as execve(2) does. */
function allowProgram(rules: FileRules, path: ByteString, { confinement, program }: Rest): void {
  const { read, write } = confinement;
  if (read === "all") return;
  const isInside = isIn(path, read) || (write !== "all" && isIn(path, write));
  const isTold = path === program && !isInside;
  // Without `write`, a session may exchange what the next one reads.
  const open = write === "all" ? openFixed : openNamed;
  if (isTold || programsOf(confinement).includes(path)) rules.allowProgram(path, open, isTold);
}

/** Adds the rule for a name that the guard did not add, if there is one. */
function addRule(rules: FileRules, name: ByteString, error: number, rest: Rest): void {
  if (name.startsWith(PROGRAM)) {
    // execve(2) will fail with the same error.
    if (!isOfThePath(error)) throw new SystemError(error, "open", name.slice(2));
  } else if (name.startsWith(NAMED)) {
    rules.allowNamed(name.slice(2), allowedOf(name, rest.names.allowed), openNamed);
  } else if (name.startsWith(READABLE) && !isMissing(error)) {
    const path = name.slice(READABLE.length);
    if (path === RESOLVER) rules.allowResolver();
    else allowProgram(rules, path, rest);
  }
}

/**
 * Adds the rules that the guard did not add. `handled`: the rights on files that the ruleset denies. Returns what gets no rule.
 * Throws SystemError.
 */
export function addOtherRules(ruleset: number, handled: number, rest: Rest): WithoutRule {
  const { confinement, names, errorOf } = rest;
  const { execute } = confinement;
  return withFd(openDirectoryPath("/"), (root) => {
    const rules = new FileRules(ruleset, root, handled);
    const executed = handled & (EXECUTE | READ);
    const leftOut = execute === "any" ? [] : allowDirectories(ruleset, root, execute, executed, errorOf);
    const all = names.text.split("\0");
    for (let i = 0; i < names.count; i++) {
      const error = errorOf(i);
      if (error !== 0) addRule(rules, all[i] ?? "", error, rest);
    }
    for (const path of fixedPaths(confinement)) rules.allowNamed(path, READ, openFixed);
    return { execute: leftOut, named: rules.withoutRule };
  });
}
