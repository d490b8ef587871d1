import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import { passwdByUid } from "./accounts.ts";

/** An account by its name, with its home on the host. */
interface Home {
  readonly name: ByteString;
  readonly home: ByteString;
}

/**
 * The name of the account that owns a directory of the host which is its home, or in its home: root should not take that.
 * `others`: accounts of that uid in a jail. Without them, only accounts that live in no jail count.
 */
export function homeOwner(
  path: ByteString,
  others?: (uid: number) => readonly Home[],
): ByteString | undefined {
  const uid = statIfPresent(AT_FDCWD, path)?.uid;
  if (uid === undefined || uid === 0) return undefined;
  const real = passwdByUid(uid);
  const counts = real !== undefined && (others !== undefined || !real.home.includes("/./"));
  const homes = [...(counts ? [real] : []), ...(others?.(uid) ?? [])];
  const around = homes.find(({ home }) => {
    const plain = normalPath(home);
    return plain !== "/" && (path === plain || path.startsWith(`${plain}/`));
  });
  return around?.name;
}
