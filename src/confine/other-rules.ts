import { basicFstat, basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { isOfThePath, openDirectoryPath, withFd } from "../../ffi/files.ts";
import { allowBeneath, EXECUTE, FILE_RIGHTS } from "../../ffi/landlock.ts";
import { isIn } from "../known-programs/allow/places.ts";
import { fixedPaths, type NamedPath, READ, RESOLVER, type Request, type Ruled } from "./asked-rules.ts";
import type { LeftOut } from "./directories.ts";
import { allowDirectories, allowReading, isMissing, LOADERS, type OpenPath, statOf } from "./execute.ts";
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
  allowNamed({ path, rights }: NamedPath, open: OpenPath): void {
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

/** Throws SystemError for a program that may be there, and cannot be opened. */
function requirePrograms({ programs, firstProgram }: Request, errorOf: (index: number) => number): void {
  for (let i = 0; i < programs.length; i++) {
    const error = errorOf(firstProgram + i);
    // execve(2) will fail with the same error.
    if (error !== 0 && !isOfThePath(error)) throw new SystemError(error, "open", programs[i]);
  }
}

/** What the guard was asked, and what came of it. */
interface Rest {
  confinement: Ruled;
  program: ByteString | undefined;
  request: Request;
  /** By the index of a name. */
  errorOf: (index: number) => number;
}

/** True for the program of a session that is not in what is read or written. */
const isOutside = (path: ByteString, { confinement: { read, write }, program }: Rest): boolean =>
  path === program && read !== "all" && !isIn(path, read) && (write === "all" || !isIn(path, write));

/** Allows reading programs, as execve(2) does. */
function allowPrograms(rules: FileRules, rest: Rest): void {
  const { confinement, request, errorOf } = rest;
  // Without `write`, a session may exchange what the next one reads.
  const open = confinement.write === "all" ? openFixed : openNamed;
  let i = request.firstReadable;
  for (const path of request.readable) {
    const error = errorOf(i++);
    if (error === 0 || isMissing(error)) continue;
    const isTold = isOutside(path, rest);
    if (path === RESOLVER) rules.allowResolver();
    // Each session reads the directories of the dynamic linkers.
    else if (!LOADERS.includes(path) && (isTold || request.programs.includes(path)))
      rules.allowProgram(path, open, isTold);
  }
}

/**
 * Adds the rules that the guard did not add. `handled`: the rights on files that the ruleset denies. Returns what gets no rule.
 * Throws SystemError.
 */
export function addOtherRules(ruleset: number, handled: number, rest: Rest): WithoutRule {
  const { confinement, request, errorOf } = rest;
  const { execute } = confinement;
  return withFd(openDirectoryPath("/"), (root) => {
    const rules = new FileRules(ruleset, root, handled);
    const executed = handled & (EXECUTE | READ);
    const leftOut = execute === "any" ? [] : allowDirectories(ruleset, root, execute, executed, errorOf);
    requirePrograms(request, errorOf);
    let i = request.firstNamed;
    for (const one of request.named) if (errorOf(i++) !== 0) rules.allowNamed(one, openNamed);
    for (const path of fixedPaths(confinement)) rules.allowNamed({ path, rights: READ }, openFixed);
    allowPrograms(rules, rest);
    return { execute: leftOut, named: rules.withoutRule };
  });
}
