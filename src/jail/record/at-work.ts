import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { fstat, openIfPresent, readDirectory, sameFile, statIfPresent, withFd } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { CONFIG_DIRECTORY, configState } from "../../config/load.ts";
import { stateAt } from "../../config/source.ts";
import { holderOf } from "../fs/lock.ts";
import { DECLARATIONS, holderText, LOCKS, nameOfInode, nameOfPath } from "./jail-lock.ts";
import { REGISTRY } from "./registry.ts";

// Who only looks takes no lock, not even for a moment: with --no-wait others would end because of it.

/**
 * The process that holds a lock, for messages; undefined if none does, or this one. Whoever was killed may have left the file:
 * it counts only while the process that it names has it open.
 */
function holderOfLock(directory: number, name: ByteString): string | undefined {
  const flags = C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;
  const fd = openIfPresent(directory, name, flags);
  if (fd === undefined) return undefined;
  return withFd(fd, () => {
    const holder = holderOf(fd);
    const [pid] = holder?.split(" ") ?? [];
    if (holder === undefined || pid === `${libc.getpid()}`) return undefined;
    const lock = fstat(fd);
    const files = attempt(() => openIfPresent(C.AT_FDCWD, `/proc/${pid}/fd`, C.O_RDONLY | C.O_DIRECTORY));
    if (files === undefined) return undefined;
    const isHeld = withFd(files, () =>
      readDirectory(files).some((one) => {
        const open = attempt(() => statIfPresent(files, one.name, true));
        return open !== undefined && sameFile(open, lock);
      }),
    );
    return isHeld ? holderText(holder) : undefined;
  });
}

/** The first process that holds one of some locks; undefined if none does, or it cannot be found out. */
function holderOfAny(names: () => readonly ByteString[]): string | undefined {
  return attempt(() => {
    const directory = openIfPresent(C.AT_FDCWD, LOCKS, C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW);
    if (directory === undefined) return undefined;
    return withFd(directory, () => {
      const { uid, mode } = fstat(directory);
      // What others can write says nothing.
      if (uid !== libc.geteuid() || (mode & 0o077) !== 0) return undefined;
      for (const name of names()) {
        const holder = holderOfLock(directory, name);
        if (holder !== undefined) return holder;
      }
      return undefined;
    });
  });
}

/** The process, other than this one, that works on a jail at this moment, as in "jk_init (pid 4711)"; undefined if none does. */
export const workerOf = (jail: ByteString): string | undefined =>
  holderOfAny(() => {
    const path = normalPath(jail);
    const stats = [false, true].flatMap((follow) => statIfPresent(C.AT_FDCWD, path, follow) ?? []);
    return [nameOfPath(path), ...stats.map(nameOfInode)];
  });

/** The same for what is declared. */
export const declarationsWorker = (): string | undefined => holderOfAny(() => [DECLARATIONS]);

/** What is said of a jail on which a process works. */
export const busyText = (jail: ByteString, worker: string): string =>
  `${display(jail)} is being worked on by ${worker}`;

/** What commands change: the accounts, the locks and records of jails, and the declarations. */
const CHANGING = [
  ...["passwd", "group", "shadow", "gshadow"].map((name) => `/etc/${name}`),
  ...["/etc/fstab", LOCKS, REGISTRY, `${REGISTRY}/..`],
];

function stateNow(): ByteString {
  const files = CHANGING.map((path) => stateAt(path));
  return [...files, configState(`${CONFIG_DIRECTORY}/jails.ini`)].join("\0");
}

// Each takes as long as the first one.
const MOST = 5;

/**
 * A look at a machine on which commands may work meanwhile: what it finds may be half of a change. The caller calls `begin`,
 * looks, and calls `again`, until that is false.
 */
export class Looks {
  #state: ByteString = "";
  #doubts: ByteString | undefined;
  #count = 0;

  begin(): void {
    this.#state = stateNow();
  }

  /** Whether to look again. `doubts`: what was found, and may be such a half. */
  again(doubts: readonly ByteString[]): boolean {
    const found = doubts.join("\0");
    const isSame = found === this.#doubts;
    this.#doubts = found;
    return found !== "" && !isSame && ++this.#count < MOST && stateNow() !== this.#state;
  }
}
