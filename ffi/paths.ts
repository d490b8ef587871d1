import type { ByteString } from "./bytes.ts";

/** The names in a path, without empty ones and `.`, and with `..` unchanged. */
export function pathComponents(path: ByteString): ByteString[] {
  const names: ByteString[] = [];
  for (const name of path.split("/")) if (name !== "" && name !== ".") names.push(name);
  return names;
}

/** The directories above an absolute path, from the one in the root directory on, and the path itself. */
export function pathsDownTo(path: ByteString): ByteString[] {
  const names = pathComponents(path);
  return names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`);
}

/** The directory of an absolute path; for the root directory, itself. */
export function directoryOf(path: ByteString): ByteString {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** All but the last component of an absolute path; "" for the root directory and the files in it. */
export function parentOf(path: ByteString): ByteString {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}

/** The last component of a path. */
export function baseName(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** An absolute path without doubled slashes, `.` and a slash at the end. */
export function plainPath(path: ByteString): ByteString {
  return `/${pathComponents(path).join("/")}`;
}

/** A path that has nothing to resolve, as nearly all have. */
const NORMAL = /^(?:\/(?!\.{0,2}(?:\/|$))[^/]*)+$/;

/** As plainPath, with `..` resolved in the text, whatever symbolic links precede it. */
export function normalPath(path: ByteString): ByteString {
  if (NORMAL.test(path)) return path;
  const names: ByteString[] = [];
  for (const name of pathComponents(path)) {
    if (name === "..") names.pop();
    else names.push(name);
  }
  return `/${names.join("/")}`;
}
