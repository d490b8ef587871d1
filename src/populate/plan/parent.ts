import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { type Entry, KEEP_OWNER, type Keeps } from "../entry.ts";
import { isDirectory, isSymlink } from "../file-system.ts";
import type { PlanContext } from "./context.ts";
import { addEntry } from "./draft.ts";
import { givenToDirectory, LINK_ATTRIBUTES, withoutAcl } from "./modes.ts";

export interface ParentCause {
  readonly section: ByteString;
  /** The path of the host below it. */
  readonly of: ByteString;
  readonly keeps: Keeps;
}

/** The error for a path whose target users other than root can choose. */
export function untrustedPath(path: ByteString, what: string): JailkitError {
  return new JailkitError(
    "untrusted-source",
    1,
    `${quoted(path)} ${what} in a directory that users other than root can write: not followed`,
  );
}

/** Adds the entry of a missing parent: a copy of the host's symbolic link or directory at `path`, else a directory. */
export function addParent(context: PlanContext, path: ByteString, cause: ParentCause): Entry {
  const { host, draft, trust } = context;
  const stat = host.lstat(path);
  const keeps: Keeps = (cause.keeps & KEEP_OWNER) !== 0 ? KEEP_OWNER : 0;
  const because = [{ section: cause.section, reason: { kind: "parent", of: cause.of } as const }];
  const common = { action: "create", because, keeps } as const;
  if (stat !== undefined && isSymlink(stat.mode)) {
    if (trust.othersName(path)) throw untrustedPath(path, "is a symbolic link");
    const target = host.readlink(path);
    return addEntry(draft, path, path, stat, LINK_ATTRIBUTES, { ...common, type: "symlink", target });
  }
  const real = stat !== undefined && isDirectory(stat.mode) ? stat : undefined;
  const given = givenToDirectory(path, real && withoutAcl(host, path, real, keeps), true, keeps);
  const untrusted = trust.othersName(path) ? real : undefined;
  return addEntry(draft, path, real && path, real, given, { ...common, type: "directory", untrusted });
}
