import type { ByteString } from "../../ffi/bytes.ts";
import { entriesOf, statIfPresent } from "../../ffi/files.ts";
import { baseName, directoryOf, normalPath } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { hostPath, isDirectory, type JailRoot, joinPath, withDirectory } from "../jail/fs/walk.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { onlyRootExchanges } from "../system/exchange.ts";
import { whoseHome } from "../system/home-owner.ts";
import { joinHome } from "../system/separator.ts";
import { homeIn, linesIn, type OtherJailHome } from "./other-jail-home.ts";

// An older passwd(5) that comes back names the home from before somebody gave the account another one in the jail, with usermod(8).

/**
 * The homes that an account may have in its jail where its own, as the jail sees it, is not there: that of its line, also by a former
 * name, and the directories beside its place that belong to it and are nobody's home. One that has the name of the home and an
 * ending, such as .old, was put aside.
 */
export function homesBeside(
  user: Pick<PasswdEntry, "name" | "uid">,
  root: JailRoot,
  home: ByteString,
): readonly OtherJailHome[] {
  if (user.uid === 0) return [];
  const lines = linesIn(root.path).get(user.uid) ?? [];
  const isElsewhere = lines.some((one) => normalPath(one.home) !== home);
  const others = besides(root, directoryOf(home)).get(user.uid) ?? [];
  if ((!isElsewhere && others.length === 0) || !isLocalUser(user.name)) return [];
  const ofLine = isElsewhere ? answered(() => homeIn(user, root.path))?.there : undefined;
  const isHome = (path: ByteString) => {
    const name = baseName(path);
    if (name.startsWith(".") || name.startsWith(`${baseName(home)}.`)) return false;
    const shown = hostPath(root, path);
    return shown !== ofLine?.path && onlyRootExchanges(shown) && isNobodysHome(root, shown);
  };
  const found = others.filter((path) => answered(() => isHome(path)) === true);
  return [
    ...(ofLine === undefined ? [] : [ofLine]),
    ...found.map((path) => ({
      ...{ jail: root.path, home: joinHome(root.path, path) },
      ...{ path: hostPath(root, path), line: undefined },
    })),
  ];
}

/** Whether no account of the host, or of the jail, has a directory as its home. */
export function isNobodysHome(root: JailRoot, path: ByteString): boolean {
  const ofJail = (uid: number) =>
    readJailAccounts(root).users.flatMap(({ name, uid: its, home }) =>
      its === uid ? [{ name, home: hostPath(root, home) }] : [],
    );
  const isLived = readJailAccounts(root).users.some(({ home }) => hostPath(root, home) === path);
  return !isLived && whoseHome(path, ofJail) === undefined;
}

const found = new Map<ByteString, ReadonlyMap<number, readonly ByteString[]>>();

/** The directories of users in one of a jail, by their owners. It is read once: a run asks for each of thousands of new homes. */
function besides(root: JailRoot, directory: ByteString): ReadonlyMap<number, readonly ByteString[]> {
  return found.getOrInsertComputed(
    hostPath(root, directory),
    () => answered(() => withDirectory(root, directory, ({ fd, path }) => byOwner(fd, path))) ?? new Map(),
  );
}

function byOwner(fd: number, path: ByteString): ReadonlyMap<number, readonly ByteString[]> {
  const owners = new Map<number, ByteString[]>();
  for (const { name } of entriesOf(fd)) {
    const stat = statIfPresent(fd, name);
    if (stat === undefined || stat.uid === 0 || !isDirectory(stat)) continue;
    owners.getOrInsertComputed(stat.uid, () => []).push(joinPath(path, name));
  }
  return owners;
}
