import type { ByteString } from "../../../ffi/bytes.ts";
import { isErrno } from "../../../ffi/error.ts";
import { readAllFd } from "../../../ffi/files.ts";
import { JailkitError } from "../../cli/error.ts";
import { asideCommand } from "../../system/free-name.ts";
import { withJailFile, withTree } from "../fs/look.ts";
import { controlsOf, fromJsonText, isRecord } from "./manifest-text.ts";
import { isOwn, requireOwnState, STATE_DIRECTORY } from "./state-directory.ts";

/** What was declared once, so that --prune removes nothing else. Only root can read it. */
export const ONCE_FILE = `${STATE_DIRECTORY}/declared.json`;
export const LARGEST_DECLARED = 1 << 26;

/** The error for a file of what was declared once that cannot be used. */
export function badDeclared(why: string): JailkitError {
  const remedy = asideCommand(ONCE_FILE);
  const forgets =
    "move it away, and --prune removes nothing of before, and the uids of homes that stayed are given again";
  const message = `${ONCE_FILE}: ${why}; ${forgets}: ${remedy}`;
  return new JailkitError("bad-state", 1, message, undefined, remedy);
}

/**
 * The bytes of the file; undefined if there is none. Throws JailkitError "bad-state" for something else, too much of it, or what
 * others than root may have written.
 */
export function readDeclared(): Uint8Array | undefined {
  requireOwnState();
  try {
    return withTree((tree) =>
      withJailFile(tree, ONCE_FILE, (fd, { stat }) => {
        if (!isOwn(stat))
          throw badDeclared("users other than root can write it, and so change what --prune removes");
        return readAllFd(fd, LARGEST_DECLARED, stat.size);
      }),
    );
  } catch (error) {
    if (isErrno(error, "EFBIG")) throw badDeclared("is too large");
    throw isErrno(error, "EINVAL", "ELOOP") ? badDeclared("is not a regular file") : error;
  }
}

/** The content of the file, and of the lines that addOnce has added to it. Throws SyntaxError, TypeError. */
export function documentsIn(bytes: Uint8Array): readonly unknown[] {
  const whole = (part: Uint8Array): unknown =>
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(part));
  const end = bytes.indexOf(10) + 1;
  if (end === 0 || end === bytes.length) return [whole(bytes)];
  const first = answeredJson(() => whole(bytes.subarray(0, end)));
  // Somebody may have written it with more lines.
  if (first === undefined) return [whole(bytes)];
  const lines = new TextDecoder().decode(bytes.subarray(end)).split("\n");
  // One that was not written to its end says nothing: what it tells was not begun.
  return [first, ...lines.flatMap((line) => answeredJson(() => JSON.parse(line)) ?? [])];
}

function answeredJson(parse: () => unknown): unknown {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

const pathIn = (text: string): ByteString => fromJsonText(controlsOf(text));

/** Which directory a jail was that was declared. */
export interface DeclaredDirectory {
  readonly path: ByteString;
  readonly directoryId?: ByteString | undefined;
  /** Where it was before it was moved. */
  readonly formerly?: readonly ByteString[] | undefined;
}

/** The same of all jails that were declared once; none if the file is not as it should be, of which `jailkit apply` tells. Throws as readDeclared. */
export function declaredDirectories(): readonly DeclaredDirectory[] {
  const bytes = readDeclared();
  const documents = bytes && answeredJson(() => documentsIn(bytes));
  const jails = new Map<ByteString, DeclaredDirectory>();
  for (const document of Array.isArray(documents) ? documents : []) {
    const listed = isRecord(document) && Array.isArray(document.jails) ? document.jails : [];
    for (const jail of listed) {
      if (!isRecord(jail) || typeof jail.path !== "string") continue;
      const path = pathIn(jail.path);
      const { directoryId: id, formerly } = jail;
      const directoryId = typeof id === "string" ? fromJsonText(id) : undefined;
      const before = Array.isArray(formerly) ? formerly.filter((one) => typeof one === "string") : [];
      jails.set(path, { path, directoryId, formerly: before.map(pathIn) });
    }
  }
  return [...jails.values()];
}
