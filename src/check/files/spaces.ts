import type { ByteString } from "../../../ffi/bytes.ts";
import type { Stat } from "../../../ffi/files.ts";
import { joinPath } from "../../jail/fs/walk.ts";
import { onlyRootWrites } from "../../system/exchange.ts";

/**
 * Whose a part of a jail is. "system": programs, libraries and configuration, root's alone and recorded. "user": homes
 * and what else jailed users can write, theirs to fill. "other": the rest, such as /var, made by the administrator.
 */
export type Space = "system" | "user" | "other";

const SYSTEM = /^(?:dev|etc|lib[^/]*|usr|bin|sbin|opt)$/;

/** A home: the path as the jail sees it, and whether the host says that the account lives in this jail. */
export interface Home {
  readonly path: ByteString;
  readonly confirmed: boolean;
}

/** Tells spaces apart while a jail is walked from its root down. */
export interface Spaces {
  /** The space of what is directly in the jail's root; directories are asked for by `inside`. */
  top(name: ByteString): Space;
  /** The space of a directory and what is in it; `above` is that of the directory that it stands in. */
  inside(above: Space, path: ByteString, stat: Stat): Space;
}

/** `homes`: of the accounts in the jail. One in a system directory counts only where the host confirms it. */
export function createSpaces(homes: readonly Home[]): Spaces {
  const users = new Set<ByteString>();
  for (const { path, confirmed } of homes) {
    const top = path.split("/")[1] ?? "";
    const deep = path.split("/").length > 2;
    if (path !== "/" && (!SYSTEM.test(top) || (confirmed && deep))) users.add(path);
  }
  const top = (name: ByteString): Space => (SYSTEM.test(name) ? "system" : "other");
  return {
    top,
    inside(above, path, stat) {
      if (above === "user" || users.has(path)) return "user";
      if (above === "system") return "system";
      const name = path.slice(1);
      if (joinPath("/", name) === path && !name.includes("/") && SYSTEM.test(name)) return "system";
      return onlyRootWrites(stat) ? "other" : "user";
    },
  };
}
