import type { ByteString } from "../../ffi/bytes.ts";
import { entriesOf, type Stat } from "../../ffi/files.ts";
import { lookUp } from "../jail/fs/look.ts";
import { OF_MKFS } from "../jail/fs/mounted-home.ts";
import { type JailRoot, joinPath, withDirectory } from "../jail/fs/walk.ts";
import { removeTree, setAttributes } from "../jail/fs/write.ts";
import type { PasswdEntry } from "../system/accounts.ts";

/** Gives the top of newMount, if there is one, to an account as a new home. Throws JailkitError if it is another one by now, and SystemError. */
export function giveMount(
  root: JailRoot,
  home: ByteString,
  { uid, gid }: PasswdEntry,
  seen: Stat | undefined,
): void {
  if (seen !== undefined) setAttributes(root, home, { uid, gid, mode: 0o700 }, seen);
}

/** Makes it as it was, of an account that was not created after all: with nothing in it but what mkfs(8) makes. */
export function takeMountBack(root: JailRoot, home: ByteString, seen: Stat): void {
  setAttributes(root, home, { uid: seen.uid, gid: seen.gid, mode: seen.mode & 0o7777 }, seen);
  for (const { name } of withDirectory(root, home, ({ fd }) => entriesOf(fd))) {
    const found = OF_MKFS.includes(name) ? undefined : lookUp(root, joinPath(home, name));
    if (found !== undefined) removeTree(root, joinPath(home, name), found.stat);
  }
}
