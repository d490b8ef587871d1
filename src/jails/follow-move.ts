import { type ByteString, fromBytes, toBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { close, openAt, readDirectory } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import type { CheckProblem } from "../check/rules.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError, problemFrom } from "../cli/error.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import { jailedUsers } from "../jail/accounts/jailed-users.ts";
import { joinHome, splitHome } from "../jail/accounts/separator.ts";
import { attributesAt, lookUp, readJailFile } from "../jail/fs/look.ts";
import { configDirectoryFindings } from "../jail/fs/safety.ts";
import { closeJailRoot, openJailRoot, openTree } from "../jail/fs/walk.ts";
import { putFile, removePath } from "../jail/fs/write.ts";
import { knownJails, openManifest, saveManifest } from "../jail/record/manifest.ts";
import { findMoved, isRecorded } from "../jail/record/moved.ts";
import { logSocketDropIn } from "../populate/apply/log-socket.ts";
import { modifyAccount } from "../system/account-tools.ts";
import { passwdByName } from "../system/accounts.ts";
import { fstabField } from "../system/mounts.ts";

const LARGEST_FILE = 1 << 20;

/** What follows a jail to its new place. */
export interface Move {
  from: ByteString;
  to: ByteString;
  /** The accounts that live in it. */
  users: readonly ByteString[];
  /** Files of the configuration that name it, and the text that they get. */
  files: readonly { path: ByteString; text: ByteString }[];
}

/**
 * Works out what names a jail at its old path. Without `to` the record tells by the inode which directory it is. Throws
 * JailkitError where there still is a jail at the old path, and where the new one is not the jail that was there.
 */
export function planMove(from: ByteString, to: ByteString | undefined): Move {
  const old = normalPath(from);
  const record = knownJails().find(({ jail }) => jail.path === old);
  const shown = display(old);
  if (directoryIsThere(old))
    throw new JailkitError("not-moved", 1, `${shown}: is there: nothing is to follow it`);
  const found = to ?? (record === undefined ? undefined : findMoved(record));
  if (found === undefined) {
    const users = jailedUsers().filter(({ jail }) => jail === old);
    const out = operands(...users.map(({ name }) => name));
    const leave = users.length === 0 ? "" : `; where it is gone for good: jk_jailuser --unjail ${out}`;
    const message = `${shown}: the jail is nowhere near; where it is elsewhere: jailkit adopt --moved ${shellWord(old)} NEW${leave}`;
    throw new JailkitError("not-found", 1, message);
  }
  const place = normalPath(found);
  closeJailRoot(openJailRoot(place));
  if (record !== undefined && !isRecorded(place, record)) {
    const message = `${display(place)}: is not the jail that was at ${shown}: what is recorded of that is not in it`;
    throw new JailkitError("another-jail", 1, message);
  }
  return {
    from: old,
    to: place,
    users: jailedUsers().flatMap(({ name, jail }) => (jail === old ? [name] : [])),
    files: filesThatName(old, place),
  };
}

function directoryIsThere(path: ByteString): boolean {
  try {
    close(openAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "ELOOP")) return false;
    throw error;
  }
}

/** `text` with the new path of a jail where the old one stands, alone or before a slash. */
export function withNewPath(text: ByteString, from: ByteString, to: ByteString): ByteString {
  let out = "";
  let at = 0;
  for (let hit = text.indexOf(from); hit >= 0; hit = text.indexOf(from, at)) {
    const end = hit + from.length;
    const free = (char: string | undefined, allowed: string) =>
      char === undefined || char === "" || allowed.includes(char);
    const whole = free(text[hit - 1], " \t\n\r,=:[") && free(text[end], " \t\n\r,/]");
    out += text.slice(at, hit) + (whole ? to : from);
    at = end;
  }
  return out + text.slice(at);
}

function filesThatName(from: ByteString, to: ByteString): Move["files"] {
  const tree = openTree("/");
  try {
    const paths = [...iniFiles(CONFIG_DIRECTORY), "/etc/fstab"];
    return paths.flatMap((path) => {
      const bytes = readJailFile(tree, path, LARGEST_FILE);
      if (bytes === undefined) return [];
      const before = fromBytes(bytes);
      const field = path === "/etc/fstab";
      const text = withNewPath(before, field ? fstabField(from) : from, field ? fstabField(to) : to);
      return text === before ? [] : [{ path, text }];
    });
  } finally {
    closeJailRoot(tree);
  }
}

function iniFiles(directory: ByteString): ByteString[] {
  let fd: number;
  try {
    fd = openAt(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
  try {
    return readDirectory(fd).flatMap(({ name }) => {
      if (name.endsWith(".ini") && !name.startsWith(".")) return [`${directory}/${name}`];
      return /^jk_\w+\.d$/.test(name) ? iniFiles(`${directory}/${name}`) : [];
    });
  } finally {
    close(fd);
  }
}

/**
 * Lets the record, the accounts and the configuration follow a jail that was moved. Each step is told to `done`; what
 * fails is told to `failed`, and the others are done all the same.
 */
export function followMove(
  { from, to, users, files }: Move,
  done: (line: string) => void,
  failed: (problem: CheckProblem) => void,
): void {
  const attempt = (what: string, path: ByteString, step: () => void) => {
    try {
      step();
    } catch (error) {
      failed(problemFrom(error, what, path));
    }
  };
  attempt("record", to, () => {
    const root = openJailRoot(to);
    try {
      const manifest = openManifest(root);
      if (manifest.content.requests.length + manifest.content.entries.size === 0) return;
      saveManifest(manifest);
      done(`the record of the jail names ${quoted(to)}`);
    } finally {
      closeJailRoot(root);
    }
  });
  for (const name of users) {
    attempt("account", "/etc/passwd", () => {
      const user = passwdByName(name);
      const split = user === undefined ? undefined : splitHome(user.home);
      if (user === undefined || split === undefined) return;
      const home = joinHome(to, split.home);
      modifyAccount(user, { home, shell: user.shell, groups: [] });
      done(`the account ${quoted(name)} has the home ${quoted(home)}`);
    });
  }
  const [unsafe] = configDirectoryFindings(CONFIG_DIRECTORY).filter(({ tolerated }) => !tolerated);
  for (const { path, text } of files) {
    attempt("file", path, () => {
      if (unsafe !== undefined && path.startsWith(`${CONFIG_DIRECTORY}/`)) {
        throw new JailkitError("config-unsafe", 1, `${unsafe.message}; mend it with: ${unsafe.remedy}`);
      }
      const tree = openTree("/");
      // What jk_init writes has the name of the jail, by which jailkit delete finds it.
      const [old, moved] = [logSocketDropIn(from), logSocketDropIn(to)];
      const written = path === CONFIG_DIRECTORY + old.path && text === moved.text;
      const place = written ? CONFIG_DIRECTORY + moved.path : path;
      try {
        const attributes = attributesAt(tree, path) ?? { mode: 0o644, uid: 0, gid: 0 };
        putFile(tree, place, toBytes(text), attributes, { replace: true });
        const left = place === path ? undefined : lookUp(tree, path);
        if (left !== undefined) removePath(tree, path, left.stat);
      } finally {
        closeJailRoot(tree);
      }
      done(`${display(place)} names ${quoted(to)} where it named ${quoted(from)}`);
    });
  }
}
