import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import type { Stat } from "../../ffi/files.ts";
import { JailkitError } from "../../src/cli/error.ts";
import { lookUp } from "../../src/jail/fs/look.ts";
import { closeJailRoot, type JailRoot, openJailRoot } from "../../src/jail/fs/walk.ts";

/** An ordinary uid that owns what jailed users own. */
export const USER = 4711;

/** A jail in a temporary directory: etc, usr, home and home/u, which belongs to USER. */
export interface TestJail {
  /** The directory that holds the jail and may hold other things. */
  base: string;
  path: string;
  root: JailRoot;
  close(): void;
}

export function makeJail(): TestJail {
  // In memory, as most tests make hundreds of files; what is above belongs to root and is sticky.
  const base = mkdtempSync("/dev/shm/jailkit-test-");
  chmodSync(base, 0o755);
  const path = `${base}/jail`;
  for (const name of ["", "/etc", "/usr", "/home", "/home/u"]) mkdirSync(path + name, { mode: 0o755 });
  chownSync(`${path}/home/u`, USER, USER);
  const root = openJailRoot(path);
  const close = () => {
    closeJailRoot(root);
    rmSync(base, { recursive: true });
  };
  return { base, path, root, close };
}

/** What stands at a path now; the jail itself where nothing does. */
export function seen(root: JailRoot, path: string): Stat {
  return lookUp(root, path)?.stat ?? root.top.stat;
}

/** The code of the JailkitError, or of the SystemError, that `act` throws. */
export function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof JailkitError) return error.code;
    if (error instanceof Error && "code" in error) return String(error.code);
    throw error;
  }
  return "no error";
}

/** The message of the error that `act` throws. */
export function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "no error";
}
