import type { ByteString } from "../../../ffi/bytes.ts";
import type { Stat } from "../../../ffi/files.ts";
import { onlyRootWrites } from "../../system/exchange.ts";

/**
 * The part of a jail, by its owner. "system": programs, libraries and configuration, which belong to root and are
 * recorded. "user": homes and other directories that jailed users can write. "other": the rest, such as /var.
 */
export type Space = "system" | "user" | "other";

// For shared memory of all users, as /tmp is for files: nothing is loaded from there.
const SHARED_MEMORY = "/dev/shm";
const SYSTEM = /^(?:dev|etc|lib[^/]*|usr|bin|sbin|opt|proc|sys)$/;

/** A home: the path as the jail sees it, and whether it is that of the host's account in this jail. */
export interface Home {
  readonly path: ByteString;
  readonly confirmed: boolean;
}

/** The spaces of a jail, which is walked from its root down. */
export type Spaces = ReturnType<typeof createSpaces>;

/** `homes`: of the jail's accounts. A home in a system directory counts only if the host confirms it. */
export function createSpaces(homes: readonly Home[]) {
  const users = new Set<ByteString>();
  for (const { path, confirmed } of homes) {
    const [top = "", ...below] = path.split("/").slice(1);
    if (path !== "/" && (!SYSTEM.test(top) || (confirmed && below.length > 0))) users.add(path);
  }
  /** The space of a file directly in the jail's root. */
  const top = (name: ByteString): Space => (SYSTEM.test(name) ? "system" : "other");
  /** The space of a directory and its contents; `above` is the space of its parent. */
  function inside(above: Space, path: ByteString, stat: Stat): Space {
    if (above === "user" || users.has(path)) return "user";
    if ((above === "system" && path !== SHARED_MEMORY) || SYSTEM.test(path.slice(1))) return "system";
    return onlyRootWrites(stat) ? "other" : "user";
  }
  return { top, inside };
}
