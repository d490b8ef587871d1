import type { ByteString } from "../../../ffi/bytes.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { answered, errorOf } from "../../cli/error.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { newMount } from "../../jail/fs/mounted-home.ts";
import { type JailRoot, joinPath } from "../../jail/fs/walk.ts";
import { heldPlace, readOnlyProblem } from "../../jail/fs/writable.ts";
import { type Change, isCreation } from "../change.ts";
import { withDue } from "../due.ts";

/** Throws JailkitError for an account file of the jail that has to be replaced, and cannot be, as chattr(1) protects it. */
export function requireNotHeld(root: JailRoot, changes: readonly Change[]): void {
  const isNew = changes.some(isCreation);
  const isOf = (...some: readonly Change["what"][]) =>
    isNew || changes.some(({ what }) => some.includes(what));
  const files = [
    ...(isOf("entry", "shell", "comment") ? ["/etc/passwd"] : []),
    ...(isOf("groups") ? ["/etc/group"] : []),
  ];
  const held = heldPlace(root, [], files);
  if (held !== undefined) throw withDue(held, { jail: root.path });
}

/** Throws JailkitError if the home, or its keys, cannot be made in a jail since something that is mounted there is read-only. */
export function requireHomePlace(root: JailRoot, home: ByteString, changes: readonly Change[]): void {
  const makes = (...what: readonly Change["what"][]) =>
    changes.some((one) => one.action !== "remove" && what.includes(one.what));
  const comes = makes("account") && answered(() => lookUp(root, home) === undefined) === true;
  // The top of a mounted file system changes itself.
  const place = makes("home") && newMount(root, home) !== undefined ? home : directoryOf(home);
  if (makes("home") || comes) requireNotReadOnly(root, place, root.path);
  else if (makes("keys")) requireNotReadOnly(root, joinPath(home, ".ssh"), root.path);
}

/** Throws JailkitError if a directory of a jail is on a read-only mount. `jail`: as messages name it. */
export function requireNotReadOnly(root: JailRoot, directory: ByteString, jail: string): void {
  const problem = readOnlyProblem(root, [directory], jail);
  if (problem !== undefined) throw errorOf(problem);
}
