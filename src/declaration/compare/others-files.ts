import { answered } from "../../cli/error.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { isDirectory, type JailRoot } from "../../jail/fs/walk.ts";
import { othersFile } from "../../populate/others-files.ts";
import { isHostDirectory } from "../../system/host-files.ts";
import type { DeclaredJail } from "../model.ts";
import type { Note } from "./former-jails.ts";
import type { JailState } from "./jail-state.ts";
import type { Machine } from "./machine.ts";

/**
 * Warnings about declared files in whose place a user has another one. Neither a run nor its end says so, since jk_cp replaces
 * nothing. `root`: undefined if the jail is not there.
 */
export function othersFilesIn(
  root: JailRoot | undefined,
  { path: name, files }: DeclaredJail,
  { pathOf }: Pick<Machine, "pathOf">,
  { recordOf }: Pick<JailState, "recordOf">,
): Note[] {
  if (root === undefined) return [];
  return files.flatMap((operand) => {
    const path = pathOf(operand) ?? operand;
    const found = answered(() => lookUp(root, path));
    if (found === undefined || found.stat.uid === 0) return [];
    const { canonicalPath, stat } = found;
    // Who owns a copy, by jk_cp -o, may change it. Directories may belong to anyone.
    const isTheirs =
      recordOf(canonicalPath)?.uid === stat.uid || (isDirectory(stat) && isHostDirectory(path));
    if (isTheirs) return [];
    return [{ of: "jail", name, message: othersFile(root.path, canonicalPath, stat.uid) } as const];
  });
}
