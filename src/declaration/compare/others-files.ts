import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { answered } from "../../cli/error.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { isDirectory, type JailRoot } from "../../jail/fs/walk.ts";
import { othersFile, othersFileOfAll } from "../../populate/others-files.ts";
import { isHostDirectory } from "../../system/host-files.ts";
import { below } from "../../system/mountinfo.ts";
import type { DeclaredJail } from "../model.ts";
import type { Note } from "./former-jails.ts";
import type { JailState } from "./jail-state.ts";
import type { Machine } from "./machine.ts";

/**
 * Warnings about declared files in whose place a user has another one, and about such files in declared directories, which the
 * record has: a run that has nothing to bring looks into no directory. Neither a run nor its end says so, since jk_cp
 * replaces nothing. `root`: undefined if the jail is not there.
 */
export function othersFilesIn(
  root: JailRoot | undefined,
  { path: name, files }: DeclaredJail,
  { pathOf }: Pick<Machine, "pathOf">,
  state: Pick<JailState, "recordOf" | "others" | "keepsOwners">,
): Note[] {
  if (root === undefined) return [];
  const declared = files.map((operand) => pathOf(operand) ?? operand);
  const named = declared.flatMap((path) => {
    const found = theirsAt(root, path);
    return found === undefined || isCopy(path, found, state) ? [] : [found];
  });
  const isNamed = (path: ByteString) => named.some((one) => one.path === path);
  const inside = state.others.flatMap((path) => {
    if (isNamed(path) || !declared.some((one) => below(path, one) !== undefined)) return [];
    return theirsAt(root, path) ?? [];
  });
  const messages = [
    ...named.map(({ path, uid }) => othersFile(root.path, path, uid)),
    ...othersFileOfAll(root.path, inside),
  ];
  return messages.map((message) => ({ of: "jail", name, message }) as const);
}

/** What a user has at a path of a jail. */
interface Theirs {
  readonly path: ByteString;
  readonly uid: number;
  readonly isDirectory: boolean;
}

function theirsAt(root: JailRoot, path: ByteString): Theirs | undefined {
  const found = answered(() => lookUp(root, path));
  if (found === undefined || found.stat.uid === 0) return undefined;
  const { canonicalPath, stat } = found;
  return { path: canonicalPath, uid: stat.uid, isDirectory: isDirectory(stat) };
}

/**
 * True for a copy that belongs to a user, as by jk_cp -o, who may change it. Directories may belong to anyone. Earlier versions
 * recorded a user's own file as a copy: that one has not the owner of the host's.
 */
function isCopy(
  path: ByteString,
  { path: canonicalPath, uid, ...found }: Theirs,
  { recordOf, keepsOwners }: Pick<JailState, "recordOf" | "keepsOwners">,
): boolean {
  if (found.isDirectory && isHostDirectory(path)) return true;
  if (recordOf(canonicalPath)?.uid !== uid) return false;
  return keepsOwners || answered(() => statIfPresent(AT_FDCWD, path, true))?.uid === uid;
}
